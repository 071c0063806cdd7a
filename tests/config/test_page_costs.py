"""What pages cost: as many queries over hundreds of rows as over one, and few of them, whatever pages there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTasks

from config.models import User
from tests import addresses, everything, multiplied
from tests.factories import after
from tests.reviewers import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

    Costs = Mapping[tuple[str, str], int]

COPIES: Final = 499
MOST: Final = 15  # queries of a page
BIG: Final = {  # pages that tell of the whole house, and the card on which a proposal is judged
    r"/admin/": 30,
    r"/resources/\w+/": 25,
    r"/admin/governance/queue/": 25,
    r"/admin/governance/proposal/\d+/change/": 25,
}
# Rows of which there can be one only: nothing of them is copied.
SINGLE: Final = {"MonetaryPolicy", "BudgetPolicy", "RetentionPolicy"}


def _most(address: str) -> int:
    return next((most for form, most in BIG.items() if re.fullmatch(form, address)), MOST)


def _cost(client: Client, address: str) -> int | None:
    """Return how many queries a page takes, with nothing remembered; None where the address is no page."""
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    is_page = answer.status_code == 200 and "text/html" in answer.headers["Content-Type"]
    return len(captured) if is_page else None


def _costs(people: Mapping[str, Client], shown: Mapping[type[Model], Any]) -> Costs:
    plain = [one for one in addresses.every() if not one.is_made_up and not one.path.startswith("/api/")]
    rows = [page(model, pk) for model, pk in shown.items()]
    asked = [("root", address) for address in (*(one.path for one in plain), *rows)]
    asked += [("reviewer", one.path) for one in plain if not one.name.endswith(("_changelist", "_add"))]
    found = {(who, address): _cost(people[who], address) for who, address in asked}
    return {asked: cost for asked, cost in found.items() if cost is not None}


@pytest.mark.django_db
def test_every_page_takes_as_many_queries_for_hundreds_of_rows_as_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: after(60))  # when all of it has just happened
    root = User.objects.create_superuser("root")
    before = multiplied.known()
    everything.once()
    rows = multiplied.since(before)
    people = {"root": Client(), "reviewer": Client()}
    people["root"].force_login(root)
    people["reviewer"].force_login(User.objects.get(username="r3"))  # who has not voted yet
    models = [model for model in admin.site._registry if model is not PeriodicTasks]  # noqa: SLF001 - public
    shown = {model: model._default_manager.latest("pk").pk for model in models}  # noqa: SLF001 - public
    ContentType.objects.get_for_models(*models)  # read once by every process
    with_one = _costs(people, shown)
    multiplied.multiply(rows, COPIES)
    few = {model.__name__ for model, keys in multiplied.known().items() if len(keys) <= COPIES}
    assert few == SINGLE
    assert _costs(people, shown) == with_one
    assert {asked: cost for asked, cost in with_one.items() if cost > _most(asked[1])} == {}
    assert len(with_one) > 150
