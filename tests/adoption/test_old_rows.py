"""Rows that others wrote before the switch: shown, exported, priced, corrected and found like any of ours."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from auction import audit
from config import history
from config.models import User
from economics import arrivals, catalog, metering, totals, unpriced
from economics.models import Account, Price, Usage, UsageDay
from governance.models import Proposal
from tests.factories import NOON
from tests.governance import senate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet
    from django.http import StreamingHttpResponse

    World = Callable[[str], str]

pytestmark = pytest.mark.usefixtures("broad")

LAWFUL: Final = 507  # rows of broad


@pytest.fixture
def broad(adopted: World) -> None:
    """Take the broad world over."""
    adopted("broad")


@pytest.fixture
def root() -> Client:
    """Let a superuser in."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def _old() -> Usage:
    """Return an old row with a price that says neither its model nor its tier."""
    return Usage.objects.filter(model=None, tier=None, cost__gt=0, amount__gt=0).latest("pk")


def test_old_rows_are_listed_and_opened_whatever_they_leave_open(root: Client) -> None:
    for model in (Usage, UsageDay, Account):
        name = f"admin:economics_{model._meta.model_name}"  # noqa: SLF001 - public
        assert root.get(reverse(f"{name}_changelist")).status_code == 200
    page = root.get(reverse("admin:economics_usage_change", args=[_old().pk]))
    assert (page.status_code, "None" in page.content.decode()) == (200, False)


def test_old_rows_are_exported_with_all_others(root: Client) -> None:
    answer = cast("StreamingHttpResponse", root.get(reverse("admin:economics_usage_export")))
    parts = cast("Iterator[bytes]", answer.streaming_content)
    heads, *rows = csv.reader(io.StringIO(b"".join(parts).decode("utf-8-sig")))
    assert (len(rows), {len(row) for row in rows}) == (LAWFUL, {len(heads)})
    assert "None" not in {cell for row in rows for cell in row}


def test_usage_of_no_model_is_one_kind() -> None:
    Usage.objects.create(
        entity_type="hypothesis",
        entity_id="x-001",
        resource_type="llm_tokens",
        amount=5,
        cost=1,
        created_at=datetime(2026, 2, 10, tzinfo=UTC),
    )
    kinds = [(kind.model, kind.tier) for kind in totals.by_model(last=date(2026, 2, 28), days=60)]
    assert len(kinds) == len(set(kinds))
    assert all(isinstance(name, str) for kind in kinds for name in kind)


def test_an_old_row_is_corrected() -> None:
    old = _old()
    contra = metering.correct(old.pk, key="once", note="counted twice", author="ada", now=NOON)
    assert (contra.amount, contra.cost, contra.model, contra.tier) == (-old.amount, -(old.cost or 0), "", "")
    assert audit.differences() == []


def test_old_rows_get_their_price() -> None:
    catalog.ensure_tiers()
    catalog.set_price(
        resource_type="llm_tokens",
        name="gpt-4o",
        rates=catalog.Rates(Decimal("0.000001"), Decimal("0.000002")),
        effective_from=NOON,
        who="ada",
        now=NOON,
        tier="small",
    )
    waiting = Usage.objects.filter(model="gpt-4o", cost=None)
    number = waiting.count()
    assert (number > 0, unpriced.price_unpriced(now=NOON), waiting.count()) == (True, number, 0)
    arrivals.drain_all()
    assert audit.differences() == []
    assert Price.objects.filter(name="gpt-4o").count() == 1


def test_history_tells_of_our_columns_by_our_names_and_of_no_others() -> None:
    draft = senate.draft()
    told = history.of(Proposal, draft.pk)
    ours = {field.column for field in Proposal._meta.concrete_fields}  # noqa: SLF001 - public
    assert [one.changes.keys() - ours for one in told] == [set()]
    assert told[0].changes["measure"] == [None, draft.measure]  # theirs of this name is a unit


def _plan(rows: QuerySet[Usage]) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(rows.explain(format="json"))[0]["Plan"]
    return plan


def _indexes(plan: dict[str, Any]) -> set[str]:
    own = {plan["Index Name"]} if "Index Name" in plan else set()
    return own.union(*(_indexes(part) for part in plan.get("Plans", [])))


def test_postgresql_knows_how_many_rows_are_lawful() -> None:
    assert Usage.objects.count() == LAWFUL
    assert LAWFUL - 5 <= _plan(Usage.objects.all())["Plan Rows"] <= LAWFUL + 5


@pytest.mark.parametrize(
    ("narrowed", "order", "index"),
    [
        ({}, "-pk", "resource_usage_key"),
        ({"pk": 1}, "", "resource_usage_key"),
        ({"agent_id": "a"}, "-pk", "usage_by_agent"),
        ({"entity_type": "hypothesis", "entity_id": "x-001"}, "-created_at", "usage_by_entity"),
        ({"slot_id": "s"}, "", "usage_by_slot"),
        ({"corrects_id": 1}, "", "usage_corrections"),
        ({"source": "s", "event_id": "e"}, "", "usage_event_once"),
        ({"reservation_id": 1}, "", "usage_settles_once"),
        ({"cost": None}, "", "usage_unpriced"),
    ],
)
def test_an_index_finds_them(narrowed: dict[str, Any], order: str, index: str) -> None:
    rows = Usage.objects.filter(**narrowed).order_by(*filter(None, [order]))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # so few rows are read faster without
        cursor.execute("SET LOCAL enable_sort = off")
        assert _indexes(_plan(rows)) == {f"economy_{index}"}
