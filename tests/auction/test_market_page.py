"""The pages for operators say what is so: the settings as delivered, and the commands of a first quest as they run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from auction import bidder, pools, quests
from auction.models import Bid, Pool, Quest, Task
from config.models import Agent
from economics.models import Account, MonetaryPolicy
from tests.factories import NOON

if TYPE_CHECKING:
    from django.db.models import Model

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("of", "model"), [("a pool", Pool), ("the money", MonetaryPolicy), ("a quest", Quest)])
def test_settings_are_delivered_as_the_page_says(of: str, model: type[Model]) -> None:
    page = (DOCS / "market.md").read_text()
    table = page.partition(f"| of {of} |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", table, re.MULTILINE))
    assert told
    fields = {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 - public by Django's docs
    assert told == {name: str(fields[name].default) for name in told}


@pytest.mark.django_db
def test_a_first_quest_begins_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / "operations.md").read_text()
    section = page.partition("## A first quest")[2].partition("\n## ")[0]
    rows = re.findall(r"^ {7}(t[^ \n].*,.*)$", section, re.MULTILINE)
    (tmp_path / "backlog.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    quests.upsert("tau", by=None, now=NOON, pool=pools.DEFAULT)
    for line in re.findall(r"^ {7}\S+ manage\.py (.*)$", section, re.MULTILINE):
        call_command(*shlex.split(line))
    assert dict(Task.objects.values_list("pk", "state")) == {"tau-read": "open", "tau-write": "open"}
    assert Account.objects.get(owner_type="quest", owner_id="tau").balance == 5_000
    assert dict(Agent.objects.values_list("pk", "kind")) == {"reader-1": "worker", "referee": "grader"}
    done = bidder.submit_bids_for_tasks(now=NOON)
    assert (done.placed, done.reasons) == (1, {"task_blocked": 1})
    assert Bid.objects.get().task_id == "tau-read"
