"""The history that the database writes of governed rows: who, when, old, new, why, and which request."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.db import connection

from auction import clearing, pools, settlement
from auction.models import Clear, Pool, Quest
from config import history, requests
from config.models import RetentionPolicy
from economics import budget_policy, envelopes, revisions, worth_policy
from economics.models import (
    BudgetPolicy,
    DefaultEnvelope,
    Envelope,
    LanguageModel,
    MonetaryPolicy,
    Revision,
    WorthPolicy,
)
from governance import policy as senate_policy
from governance.models import Proposal, SenatePolicy
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from django.db.models import Model

    from config.models import Change

pytestmark = pytest.mark.django_db

BY = revisions.Author("ada", "too cheap", "proposal", "7")


def told(change: Change) -> tuple[Any, ...]:
    """Return all that a change says but its key and its row."""
    said = (change.action, change.at, change.who, change.why, change.cause_kind, change.cause_id, change.request_id)
    return (*said, change.changes)


def last(of: Model) -> Change:
    """Return the last change of a row."""
    return history.of(type(of), of.pk)[0]


def test_what_has_a_history() -> None:
    models = [
        model
        for app in ("config", "economics", "auction", "governance")
        for model in apps.get_app_config(app).get_models()
    ]
    assert {model for model in models if history.is_kept(model)} == {
        BudgetPolicy,
        DefaultEnvelope,
        LanguageModel,
        MonetaryPolicy,
        Pool,
        Proposal,
        Quest,
        RetentionPolicy,
        SenatePolicy,
        WorthPolicy,
    }


def test_a_change_tells_who_when_why_and_in_which_request_old_and_new() -> None:
    pool = factories.pool(reserve_tokens=1)
    with requests.known_as("r-1"), revisions.signed(BY, now=NOON):
        pools.configure(pool.name, reserve_tokens=5, capacity=9, min_bid_tokens=1)
    changes = {"reserve_tokens": [1, 5], "capacity": [4, 9]}
    assert told(last(pool)) == ("changed", NOON, "ada", "too cheap", "proposal", "7", "r-1", changes)


def test_a_change_that_nobody_signed_names_the_role_of_the_database() -> None:
    pool = factories.pool()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auction_pools SET capacity = 9 WHERE id = %s RETURNING session_user", [pool.pk])
        role = cursor.fetchone()[0]
    change = last(pool)
    assert (change.who, change.why, change.request_id, change.changes) == (
        f"SQL as {role}",
        "",
        "",
        {"capacity": [4, 9]},
    )


def test_nobody_signs_what_comes_after_him() -> None:
    pool = factories.pool()
    with revisions.signed(BY, now=NOON):
        pools.configure(pool.name, capacity=9)
    pools.configure(pool.name, capacity=8)
    assert [change.who for change in history.of(Pool, pool.pk)][1] == "ada"
    assert last(pool).who.startswith("SQL as ")


def test_a_row_that_comes_and_goes_is_told() -> None:
    with revisions.signed(BY, now=NOON):
        default = DefaultEnvelope.objects.create(entity_type="hypothesis", token_budget=10)
        DefaultEnvelope.objects.all().delete()
    went, came = history.of(DefaultEnvelope, "hypothesis")
    values = {"entity_type": "hypothesis", "window_kind": "month", "token_budget": 10, "cpu_budget": 0}
    assert (came.action, came.changes) == ("added", {name: [None, value] for name, value in values.items()})
    assert (went.action, went.changes) == ("removed", {name: [value, None] for name, value in values.items()})
    assert default.entity_type == "hypothesis"


def test_no_change_leaves_no_trace() -> None:
    pool = factories.pool(runner_share=Decimal("0.5"))
    Pool.objects.filter(pk=pool.pk).update(runner_share=Decimal("0.5000"), capacity=pool.capacity)
    assert last(pool).action == "added"


def test_a_policy_of_budgets_is_told_but_not_when_its_checks_ran() -> None:
    before = history.of(BudgetPolicy, 1).count()
    BudgetPolicy.objects.update(last_safety_at=NOON, last_scored_at=NOON, last_weighed_on=NOON, last_returns_on=NOON)
    budget_policy.change(author=BY, now=NOON, fleet_daily_usd=Decimal("12.50"))
    assert history.of(BudgetPolicy, 1).count() == before + 1
    assert history.of("economics_policy", 1)[0].changes == {"fleet_daily_usd": [None, 12.5]}


def test_monetary_policy_is_told() -> None:
    MonetaryPolicy.objects.update(supply_cap=5)
    assert last(MonetaryPolicy.objects.get()).changes == {"supply_cap": [3_000_000, 5]}


def test_a_new_version_of_a_policy_is_told_with_its_request() -> None:
    with requests.known_as("r-1"):
        made = [
            senate_policy.change(author=BY, now=NOON, quorum=3),
            worth_policy.change(author=BY, now=NOON, gain=Decimal("0.5")),
        ]
    for version, (name, value) in zip(made, (("quorum", 3), ("gain", 0.5)), strict=True):
        *said, changes = told(last(version))
        assert said == ["added", NOON, "ada", "too cheap", "proposal", "7", "r-1"]
        assert changes[name] == [None, value]


def test_a_version_that_nobody_signed_names_the_role_of_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO governance_policies (version, quorum) VALUES (2, 1)")
    assert last(SenatePolicy.objects.latest("version")).who.startswith("SQL as ")


def test_stop_and_resume_are_told() -> None:
    pool = factories.pool()
    with revisions.signed(BY, now=NOON):
        settlement.stop_pool(pool.name, now=NOON)
        pools.resume(pool.name, now=NOON)
    assert [change.changes for change in history.of(Pool, pool.pk)][:2] == [
        {"mode": ["stopped", "auction"]},
        {"mode": ["auction", "stopped"]},
    ]


def _calls() -> dict[str, int]:
    """Return how often functions of the history were called in this transaction, as PostgreSQL counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT funcname, calls FROM pg_stat_xact_user_functions"
            " WHERE funcname ~ '_on_record_' OR funcname = 'config_record_change'"
        )
        return dict(cursor.fetchall())


def test_bids_and_rounds_leave_no_trace_on_their_pool_and_call_no_function() -> None:
    market, owner = factories.pool("market"), factories.wallet(1_000)
    factories.slots(market, 2)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL track_functions = 'all'")
    for number in range(3):
        factories.bid(owner, 10, market, at=after(60 * number))
        clearing.clear_round(after(60 * number + 1), "market")
    market.refresh_from_db()
    assert (market.last_round_at, Clear.objects.count()) == (after(121), 2)
    assert _calls() == {}
    pools.configure("market", capacity=9)
    assert sorted(_calls().values()) == [1, 1]  # it does count


def test_an_envelopes_revision_names_the_request() -> None:
    with requests.known_as("r-9"):
        opened = envelopes.open_envelope("hypothesis", "h1", author=BY, now=NOON, token_budget=5)
    assert list(Revision.objects.filter(envelope=opened).values_list("who", "request_id")) == [("ada", "r-9")]
    Envelope.objects.update(token_budget=6)
    assert Revision.objects.latest("pk").request_id == ""
