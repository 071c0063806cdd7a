"""A curated knowledge graph as it grew: statements added and removed in 585 changes, and the edges they made.

A statement of the source is one line of curation; compiled it makes one edge or several, so the two are counted apart.
Changes are filed under the path a document had at the time. The source moved most documents into folders later, and a
move itself is no change: only with its earlier paths a document comes to what it held at the end.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from django.core.management import call_command
from django.db.models import Case, F, Sum, When

from economics import envelopes, metering, returns, worth_policy
from economics.events import Event
from economics.models import Envelope, Outcome
from tests import shared_files
from tests.factories import REVIEWER

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

CHANGES, ADDED, REMOVED, AT_HEAD = 585, 28_957, 6_657, 12_956
TREE: Final = "hbp_knowledge/"  # the folder of the source in which documents lay in the end
OLDER: Final = (TREE, "bel/", "src/")  # where they lay before they were sorted by topic
# Two of the same name lay there: these earlier ones became other documents.
OTHERS: Final = {("anatabine/paris2014.bel", TREE), ("hypoxia/zhang2011.bel", TREE)}
RENAMED: Final = {f"{TREE}er-stress/karen2011.bel": "er-stress/doyle2011.bel"} | {
    f"{TREE}Paris-2013.bel": "anatabine/paris2013b.bel"
}


def _read(name: str) -> list[dict[str, str]]:
    with shared_files.shared_data(f"kg_growth/{name}").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _present_names(documents: list[dict[str, str]]) -> dict[str, str]:
    """Return, by each path in lower case that a document ever had, the path under which it is published."""
    names = {}
    for row in documents:
        document = row["document"]
        name = document.rpartition("/")[2]
        names[f"{TREE}{document}".lower()] = document
        names |= {f"{folder}{name}".lower(): document for folder in OLDER if (document, folder) not in OTHERS}
    return names | {path.lower(): document for path, document in RENAMED.items()}


def _import(path: Path, entity: str, *words: str, source: str = "conib") -> str:
    said = io.StringIO()
    maps = ("--map", f"entity_id={entity}", "--map", "at=ts_utc", "--identity", "commit", "--identity", "document")
    edges = ("--gained", "statements_added", "--removed", "statements_removed", "--source", source)
    call_command("import_outcomes", str(path), *maps, *edges, *words, stdout=said, stderr=said, no_color=True)
    return said.getvalue()


def _net(entity_type: str) -> dict[str, int]:
    """Return edges gained less edges removed, by entity, as the books have them."""
    signed = Case(When(kind="edges_removed", then=-F("amount")), default=F("amount"))
    rows = Outcome.objects.filter(entity_type=entity_type).values("entity_id").annotate(net=Sum(signed))
    return {row["entity_id"]: int(row["net"]) for row in rows}


def _as_published(tmp_path: Path) -> Path:
    """Return the changes with the document each belongs to in the end, and its topic: the first folder of its path."""
    names = _present_names(_read("documents.csv"))
    path = tmp_path / "changes.csv"
    rows = _read("statement_events.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "published", "topic"])
        writer.writeheader()
        for row in rows:
            published = names.get(row["document"].lower(), row["document"])
            folder, slash, _name = published.removeprefix(TREE).partition("/")
            # A path with a character that git quotes stands in the source as git wrote it: "b/…\342\200\220….bel".
            topic = folder if slash and not published.startswith((*OLDER[1:], '"')) else "unsorted"
            writer.writerow({**row, "published": published, "topic": topic})
    return path


def test_every_change_is_edges_gained_and_removed_and_counts_once() -> None:
    path = shared_files.shared_data("kg_growth/statement_events.csv")
    words = ("--set", "entity_type=document")
    said = _import(path, "document", *words)
    assert said == (
        "Columns that are not read: ts_epoch, curator.\n"
        "Outcomes read 951: recorded 951, duplicates 0, conflicts 0, refused 0.\n"
        f"Of those recorded: {ADDED:,} edges gained, {REMOVED:,} edges removed.\n"
    )
    net: Counter[str] = Counter()
    log = _read("statement_events.csv")
    assert len(log) == CHANGES
    for row in log:
        net[row["document"]] += int(row["statements_added"]) - int(row["statements_removed"])
    assert _net("document") == net
    assert (len(net), sum(net.values())) == (323, ADDED - REMOVED)
    assert sum(edges < 0 for edges in net.values()) == 6  # more was lost than gained where a document had moved to

    again = _import(path, "document", *words)
    assert "recorded 0, duplicates 951, conflicts 0, refused 0.\nOf those recorded: nothing." in again
    assert _net("document") == net


def test_a_document_comes_to_what_it_held_at_the_end(tmp_path: Path) -> None:
    said = _import(_as_published(tmp_path), "published", "--set", "entity_type=document")
    assert "Outcomes read 951: recorded 951," in said
    net = _net("document")
    held = {row["document"]: int(row["statements_at_head"]) for row in _read("documents.csv")}
    assert {document: net.get(document) for document in held} == held
    assert (len(held), sum(held.values())) == (119, AT_HEAD)
    assert sum(net.values()) - AT_HEAD == 9_344  # in documents that were not published


def test_a_topic_comes_to_what_its_documents_held_at_the_end(tmp_path: Path) -> None:
    words = ("--set", "entity_type=topic", "--map", "artifact_id=document", "--set", "artifact_type=document")
    _import(_as_published(tmp_path), "topic", *words, source="conib/topics")
    held: Counter[str] = Counter()
    for row in _read("documents.csv"):
        held[row["document"].partition("/")[0]] += int(row["statements_at_head"])
    net = _net("topic")
    assert len(held) == 24
    # One topic had a document that was not published in the end, hdac6/simoes2013.bel.
    assert {topic: net[topic] - held[topic] for topic in held if net[topic] != held[topic]} == {"hdac6": 193}
    assert sorted(net.keys() - held.keys()) == ["nestor", "receptors", "tau", "unsorted"]
    assert sum(net.values()) == ADDED - REMOVED


def test_edges_per_document_equal_the_sources_own_count(tmp_path: Path) -> None:
    count = Counter(row["document"] for row in _read("edges.csv"))
    path = tmp_path / "edges.csv"
    rows = [f"{row['document']},{row['last_commit_utc']},{count[row['document']]}" for row in _read("documents.csv")]
    path.write_text("\n".join(["document,at,edges", *rows]) + "\n", encoding="utf-8")
    said = io.StringIO()
    call_command(
        *("import_outcomes", str(path), "--map", "entity_id=document", "--map", "amount=edges"),
        *("--identity", "document", "--set", "entity_type=document", "--set", "kind=edges_gained"),
        *("--source", "conib/edges"),
        stdout=said,
    )
    assert "Of those recorded: 19,951 edges gained." in said.getvalue()
    assert _net("document") == {row["document"]: int(row["edges_official"]) for row in _read("documents.csv")}


def test_documents_that_lost_more_than_they_gained_have_a_negative_roi() -> None:
    """A construction: no public set has tokens and edges of the same work, so each document is given a million tokens.

    The edges are real: those of the 28 days before the 9th of November 2019.
    """
    _import(shared_files.shared_data("kg_growth/statement_events.csv"), "document", "--set", "entity_type=document")
    now = datetime(2019, 11, 9, 12, tzinfo=UTC)
    until = now.replace(hour=0)
    net: Counter[str] = Counter()
    for row in _read("statement_events.csv"):
        if until - timedelta(days=28) <= datetime.fromisoformat(row["ts_utc"]) < until:
            net[row["document"]] += int(row["statements_added"]) - int(row["statements_removed"])
    used = {"entity_type": "document", "resource_type": "llm_tokens", "amount": Decimal(1_000_000), "source": "made up"}
    metering.record_many(
        [Event(**used, entity_id=name, event_id=name, created_at=now - timedelta(days=1)) for name in net],  # type: ignore[arg-type]
        agent_id="nobody",
        now=now,
    )
    for name in net:
        envelopes.open_envelope("document", name, author=REVIEWER, now=now, token_budget=1_000)

    worth_policy.change(author=REVIEWER, now=now, roi_prior_tokens=0)
    returns.refresh(now=now)
    roi = dict(Envelope.objects.values_list("entity_id", "roi_score"))
    assert roi == {name: Decimal(edges).scaleb(-6) for name, edges in net.items()}
    assert {name: score for name, score in roi.items() if (score or 0) < 0} == {
        f"{TREE}tau/taubase/tau_modifications.bel": Decimal("-0.000024"),
        f"{TREE}tau/dennissen2016.bel": Decimal("-0.000009"),
        f"{TREE}ms/ontaneda2016.bel": Decimal("-0.000005"),
        f"{TREE}ms/comi2016.bel": Decimal("-0.000001"),
        f"{TREE}ms/cappa2017.bel": Decimal("-0.000001"),
        f"{TREE}phagocytosis/deming2019.bel": Decimal("-0.000001"),
        f"{TREE}immunotherapy/jadhav2013.bel": Decimal("-0.000002"),
    }
