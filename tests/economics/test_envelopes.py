"""Envelopes: ceilings line by line, who changed them and why, freezes, pauses, grants, and what they leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import budget_policy, envelopes, errors, revisions, standings, stops, worth_policy
from economics.models import DefaultEnvelope, Envelope, Line, Pause
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused

pytestmark = pytest.mark.django_db

TOMORROW = datetime(2026, 3, 3, tzinfo=UTC)


def _sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)  # type: ignore[arg-type]


def _revisions(of: Envelope) -> list[tuple[str, str, dict[str, Any]]]:
    """Return who changed an envelope, why and what, in order."""
    return [(one.who, one.why, one.changes) for one in of.revisions.order_by("pk")]


def _lines(of: Envelope) -> dict[str, tuple[Any, bool]]:
    return {str(line): (line.base, line.is_named) for line in of.lines.order_by("pk")}


# Opening


def test_an_envelope_opens_with_a_line_for_each_class() -> None:
    own = envelopes.open_envelope(
        "hypothesis",
        "h1",
        author=REVIEWER,
        now=NOON,
        window_kind="week",
        token_budget=1_000,
        cpu_budget=Decimal("2.5"),
        storage_budget_gb=Decimal(3),
    )
    assert _lines(own) == {
        "llm_tokens per week": (1_000, True),
        "cpu_seconds per week": (Decimal("2.5"), True),
        "storage_gb_hours per week": (3, True),
        "api_calls per week": (None, True),
    }
    assert (own.state, own.effective_token_budget, own.granted_at) == ("active", 1_000, None)


def test_what_is_not_named_is_nothing_for_tokens_and_cpu_and_no_ceiling_for_the_rest() -> None:
    own = envelopes.open_envelope("hypothesis", "h1", author=REVIEWER, now=NOON)
    assert [base for base, _named in _lines(own).values()] == [0, 0, None, None]
    assert own.window_kind == "month"


def test_an_envelope_opens_once() -> None:
    factories.envelope("h1")
    with refused(errors.EnvelopeExistsError):
        factories.envelope("h1")


def test_a_reviewers_grant_is_a_named_act() -> None:
    own = envelopes.open_envelope("hypothesis", "granted", author=REVIEWER, now=NOON, granted=True)
    assert (own.granted_at, own.granted_by) == (NOON, "ada")
    other = envelopes.mark_granted(factories.envelope().pk, author=REVIEWER, now=after(5))
    assert (other.granted_at, other.granted_by) == (after(5), "ada")


@pytest.mark.parametrize(
    ("ceilings", "pointer"),
    [
        ({"token_budget": -1}, "/token_budget"),
        ({"token_budget": 10**15 + 1}, "/token_budget"),
        ({"token_budget": None}, "/token_budget"),
        ({"cpu_budget": None}, "/cpu_budget"),
        ({"cpu_budget": Decimal("NaN")}, "/cpu_budget"),
        ({"storage_budget_gb": Decimal("-0.1")}, "/storage_budget_gb"),
        ({"api_call_budget": -1}, "/api_call_budget"),
        ({"window_kind": "year"}, "/window_kind"),
        ({"market_weight": 1}, "/market_weight"),
        ({"state": "frozen"}, "/state"),
    ],
)
def test_an_envelope_that_cannot_be_is_refused(ceilings: dict[str, Any], pointer: str) -> None:
    with refused(errors.BudgetInvalidError) as refusal:
        envelopes.open_envelope("hypothesis", "h1", author=REVIEWER, now=NOON, **ceilings)
    assert refusal.value.pointer == pointer
    assert not Envelope.objects.exists()


@pytest.mark.parametrize(("kind", "pk"), [("", "h1"), ("hypothesis", ""), ("h" * 65, "h1"), ("hypothesis", "h" * 201)])
def test_an_entity_has_a_name_of_sane_length(kind: str, pk: str) -> None:
    with refused(errors.BudgetInvalidError):
        envelopes.open_envelope(kind, pk, author=REVIEWER, now=NOON)


def test_a_default_is_opened_once_with_its_terms() -> None:
    DefaultEnvelope.objects.create(pk="analysis", window_kind="day", token_budget=70, api_call_budget=5)
    own = envelopes.open_default("analysis", "a1", now=NOON)
    assert envelopes.open_default("analysis", "a1", now=after(5)) == own
    terms: tuple[Any, ...] = (own.window_kind, own.token_budget, own.cpu_budget, own.api_call_budget)
    assert terms == ("day", 70, 0, 5)
    (revision,) = own.revisions.all()
    assert (revision.who, revision.cause_kind, revision.cause_id) == ("policy", "default", "analysis")


def test_what_was_used_before_the_envelope_opened_counts_in_it() -> None:
    unborn = Envelope(entity_type="hypothesis", entity_id="h1")
    factories.record(unborn, 300)
    factories.record(unborn, 50, at=NOON - timedelta(days=1))
    own = factories.envelope("h1")
    assert factories.figures(own) == (1_000, 300, 0, 700)
    assert factories.figures(own, at=NOON - timedelta(days=1)) == (1_000, 50, 0, 950)


# Lines


def test_a_tier_line_counts_what_was_used_and_held_before_it_opened() -> None:
    factories.model()
    factories.model("quick-1", tier="small")
    own = factories.envelope()
    factories.record(own, 100)
    factories.record(own, 40, model="quick-1")
    factories.reserve(own, 30)
    factories.line(own, 500)
    assert factories.figures(own, tier="frontier") == (500, 100, 30, 370)
    assert factories.figures(own) == (1_000, 140, 30, 830)


def test_a_provider_line_counts_its_calls_alone() -> None:
    own = factories.envelope(api_call_budget=100)
    factories.line(own, 10, tier="pubmed", resource_type="api_calls")
    for provider, calls in (("pubmed", 3), ("uniprot", 4)):
        factories.record(own, calls, resource_type="api_calls", provider=provider)
    assert factories.figures(own, kind="api_calls", tier="pubmed") == (10, 3, 0, 7)
    assert factories.figures(own, kind="api_calls") == (100, 7, 0, 93)


def test_a_line_can_be_changed_and_its_ceiling_taken_away() -> None:
    own = factories.envelope()
    line = factories.line(own, 500)
    assert factories.line(own, 700).pk == line.pk
    assert factories.figures(own, tier="frontier") == (700, 0, 0, 700)
    factories.line(own, None)
    assert factories.figures(own, tier="frontier") == (None, 0, 0, None)


@pytest.mark.parametrize(
    "terms",
    [
        {"base": -1},
        {"base": Decimal("Infinity")},
        {"base": 5, "tier": ""},  # a column's
        {"base": 5, "window": "year"},
        {"base": 5, "resource_type": "gold"},
        {"base": 5, "resource_type": "usd", "tier": ""},
        {"base": 5, "resource_type": "cpu_seconds"},
    ],
)
def test_a_line_that_cannot_be_is_refused(terms: dict[str, Any]) -> None:
    own = factories.envelope()
    with refused(errors.BudgetInvalidError):
        factories.line(own, **terms)
    assert own.lines.count() == 4


def test_a_line_of_a_tier_nobody_knows_is_refused() -> None:
    terms: dict[str, Any] = {
        "resource_type": "llm_tokens",
        "window_kind": "day",
        "base": Decimal(5),
        "author": REVIEWER,
        "now": NOON,
    }
    with refused(errors.UnknownTierError):
        envelopes.set_line(factories.envelope().pk, qualifier="frontear", **terms)


def test_an_unknown_envelope_is_refused() -> None:
    with refused(errors.UnknownEnvelopeError):
        envelopes.change(99_999, author=REVIEWER, now=NOON, token_budget=5)
    with refused(errors.UnknownEnvelopeError):
        factories.line(Envelope(pk=99_999), 5, tier="")
    with refused(errors.UnknownEnvelopeError):
        envelopes.get("hypothesis", "h1")
    with refused(errors.UnknownEnvelopeError):
        envelopes.grant(99_999, amount=Decimal(5), author=REVIEWER, now=NOON)


# Changes


def test_a_change_takes_effect_at_once_and_lines_follow() -> None:
    own = factories.envelope()
    factories.record(own, 400)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=500, api_call_budget=3)
    assert factories.figures(own) == (500, 400, 0, 100)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=300)
    assert factories.figures(own) == (300, 400, 0, 0)
    assert _lines(own)["api_calls per day"] == (3, True)


def test_a_change_by_plain_sql_moves_the_lines_as_well() -> None:
    own = factories.envelope()
    _sql("UPDATE resource_budgets SET token_budget = 70, cpu_budget = 8.5 WHERE id = %s", own.pk)
    assert [base for base, _named in _lines(own).values()] == [70, Decimal("8.5"), None, None]
    _sql("INSERT INTO resource_budgets (entity_type, entity_id, token_budget) VALUES ('analysis', 'a1', 9)")
    assert _lines(envelopes.get("analysis", "a1"))["llm_tokens per month"] == (9, True)


def test_another_window_brings_lines_of_its_own_and_leaves_the_old_without_a_ceiling() -> None:
    own = factories.envelope()
    factories.record(own, 100, at=NOON - timedelta(days=1))
    factories.record(own, 20)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, window_kind="month")
    assert factories.figures(own) == (1_000, 120, 0, 880)
    assert factories.figures(own, window="day") == (None, 20, 0, None)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, window_kind="day", token_budget=50)
    assert factories.figures(own) == (50, 20, 0, 30)
    assert factories.figures(own, window="month") == (None, 120, 0, None)


def test_a_change_of_what_has_moved_since_is_stale() -> None:
    own = factories.envelope()
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=900, expected={"token_budget": 1_000})
    with refused(errors.StaleEnvelopeError) as refusal:
        envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=800, expected={"token_budget": 1_000})
    assert refusal.value.figures == {"token_budget": 900}
    assert factories.figures(own).limit == 900


# The market


@pytest.mark.parametrize(
    ("base", "weight", "limit"),
    [
        (1_000, "0.25", 1_250),
        (1_000, "-0.5", 500),
        (1_000, "1", 2_000),
        (999, "-0.5", 499),
        (3, "0.333333", 3),
        (1, "-0.000001", 0),
    ],
)
def test_the_market_lifts_and_lowers_a_ceiling_rounded_down(base: int, weight: str, limit: int) -> None:
    own = factories.envelope(tokens=base)
    factories.market(own, weight)
    own.refresh_from_db()
    assert factories.figures(own).limit == own.effective_token_budget == limit


def test_the_market_moves_every_line_but_no_grant() -> None:
    own = factories.envelope(cpu_budget=Decimal("10.5"), storage_budget_gb=Decimal("0.5"), api_call_budget=9)
    factories.model()
    factories.line(own, 101)
    total = own.lines.get(resource_type="llm_tokens", qualifier="")
    envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    factories.market(own, "0.5")
    own.refresh_from_db()
    assert [line.limit for line in standings.of_envelopes([own.pk], at=NOON)[own.pk]] == [
        1_550,  # 1,000 · 1.5 + 50
        15,  # 10.5 · 1.5 = 15.75
        18,  # half a GB for 24 hours, times 1.5
        13,  # 9 · 1.5 = 13.5
        151,
    ]
    assert own.effective_cpu_budget == 15


@pytest.mark.parametrize(
    "closing", ["granted_at = NULL", "granted_by = ''", "priority_score = 0.499999", "state = 'capped'"]
)
@pytest.mark.parametrize(("weight", "left"), [("0.7", 0), ("-0.3", Decimal("-0.3"))])
def test_a_gate_that_closes_takes_back_what_the_market_lifted_and_no_more(
    closing: str, weight: str, left: Decimal
) -> None:
    own = factories.envelope()
    factories.market(own, weight)
    _sql(f"UPDATE resource_budgets SET {closing} WHERE id = %s", own.pk)
    own.refresh_from_db()
    assert own.market_weight == left
    assert own.effective_token_budget == 1_000 * (1 + left)


def test_a_raised_threshold_takes_back_what_the_market_lifts_below_it() -> None:
    low, high = factories.envelope(), factories.envelope()
    for own in (low, high):
        factories.market(own, "0.2")
    _sql("UPDATE resource_budgets SET priority_score = 0.6 WHERE id = %s", high.pk)
    worth_policy.change(author=REVIEWER, now=NOON, score_threshold=Decimal("0.55"))
    assert list(Envelope.objects.order_by("pk").values_list("market_weight", flat=True)) == [0, Decimal("0.2")]


@settings(max_examples=60, deadline=None)
@given(base=st.integers(0, 10**15), weight=st.decimals(Decimal("-0.5"), 1, places=6), used=st.integers(0, 10**15))
def test_remaining_is_what_the_limit_leaves_and_never_negative(base: int, weight: Decimal, used: int) -> None:
    with transaction.atomic():
        own = factories.envelope(tokens=base)
        factories.market(own, weight)
        factories.record(own, used)
        own.refresh_from_db()
        limit = int(base * (1 + weight))
        assert factories.figures(own) == (limit, used, 0, max(0, limit - used))
        assert own.effective_token_budget == limit
        transaction.set_rollback(True)


# Grants


def test_a_grant_lapses_by_itself() -> None:
    own = factories.envelope()
    total = own.lines.get(resource_type="llm_tokens")
    day = timedelta(days=1)
    envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    envelopes.grant(total.pk, amount=Decimal(7), author=REVIEWER, now=NOON, first=NOON + day, last=NOON + 3 * day)
    assert [factories.figures(own, at=NOON + n * day).limit for n in range(-1, 6)] == [
        *(1_000, 1_050, 1_007, 1_007, 1_007, 1_000, 1_000)
    ]


def test_a_grant_can_be_ended_early_and_once() -> None:
    own = factories.envelope()
    total = own.lines.get(resource_type="llm_tokens")
    given_ = envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    assert envelopes.end_grant(given_.pk, author=REVIEWER, now=after(5)) is True
    assert envelopes.end_grant(given_.pk, author=REVIEWER, now=after(6)) is False
    assert factories.figures(own).limit == 1_000


def test_a_grant_lifts_the_fleets_dollars_of_a_day() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal(10))
    fleet = Line.objects.get(envelope=None)
    envelopes.grant(fleet.pk, amount=Decimal("2.5"), author=REVIEWER, now=NOON)
    assert factories.figures(None).limit == Decimal("12.5")
    assert factories.figures(None, at=TOMORROW).limit == 10


def test_a_grant_puts_no_ceiling_where_there_is_none() -> None:
    own = factories.envelope(api_call_budget=None)
    calls = own.lines.get(resource_type="api_calls")
    envelopes.grant(calls.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    assert factories.figures(own, kind="api_calls").limit is None


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "1000000000000001"])
def test_a_grant_is_of_something(amount: str) -> None:
    total = factories.envelope().lines.get(resource_type="llm_tokens")
    with refused(errors.BudgetInvalidError):
        envelopes.grant(total.pk, amount=Decimal(amount), author=REVIEWER, now=NOON)


def test_a_grant_ends_after_it_begins() -> None:
    total = factories.envelope().lines.get(resource_type="llm_tokens")
    with refused(errors.BudgetInvalidError):
        envelopes.grant(total.pk, amount=Decimal(1), author=REVIEWER, now=NOON, last=NOON - timedelta(days=1))


# Freezes and pauses


def test_a_freeze_has_a_reason_and_is_lifted_by_hand() -> None:
    own = factories.envelope()
    with refused(errors.BudgetInvalidError):
        stops.freeze([own.pk], author=revisions.Author("ada"), now=NOON)
    assert stops.freeze([own.pk, own.pk, 99_999], author=REVIEWER, now=NOON) == 1
    own.refresh_from_db()
    assert (own.state, own.state_reason, own.frozen_by_check) == ("frozen", "as agreed", False)
    assert [stops.unfreeze([own.pk], author=REVIEWER, now=after(n)) for n in (1, 2)] == [1, 0]
    own.refresh_from_db()
    assert (own.state, own.state_reason) == ("active", "")


def test_a_capped_envelope_is_capped_again_after_its_freeze() -> None:
    own = factories.envelope()
    _sql("UPDATE resource_budgets SET state = 'capped', state_reason = 'poor returns' WHERE id = %s", own.pk)
    stops.freeze([own.pk], author=REVIEWER, now=NOON)
    stops.freeze([own.pk], author=revisions.Author("bob", "still"), now=after(1))
    stops.unfreeze([own.pk], author=REVIEWER, now=after(2))
    own.refresh_from_db()
    assert (own.state, own.state_reason) == ("capped", "poor returns")


def test_a_pause_is_one_at_a_time_for_a_reason() -> None:
    worker = factories.agent()
    with refused(errors.BudgetInvalidError):
        stops.pause(author=revisions.Author("ada"), now=NOON)
    for whom in (None, worker):
        stops.pause(author=REVIEWER, now=NOON, agent=whom)
        with refused(errors.AlreadyPausedError):
            stops.pause(author=REVIEWER, now=NOON, agent=whom)
    assert stops.resume(author=REVIEWER, now=after(5), agent=worker) is True
    assert stops.resume(author=REVIEWER, now=after(5), agent=worker) is False
    assert Pause.objects.filter(ended_at=None).get().agent is None
    stops.pause(author=REVIEWER, now=after(6), agent=worker)


# Revisions


def test_opening_and_changing_are_on_record_with_who_why_and_cause() -> None:
    own = envelopes.open_envelope(
        "hypothesis",
        "h1",
        author=revisions.Author("ada", "a start", "proposal", "7"),
        now=NOON,
        window_kind="day",
        token_budget=100,
    )
    envelopes.change(own.pk, author=revisions.Author("bob", "more"), now=after(5), token_budget=200, cpu_budget=0)
    opened, changed = own.revisions.order_by("pk")
    assert (opened.at, opened.who, opened.why) == (NOON, "ada", "a start")
    assert (opened.cause_kind, opened.cause_id) == ("proposal", "7")
    assert opened.changes["token_budget"] == [None, 100]
    assert (changed.at, changed.who, changed.cause_kind, changed.changes) == (
        after(5),
        "bob",
        "",
        {"token_budget": [100, 200]},
    )


def test_a_change_by_plain_sql_is_on_record_by_the_name_of_its_role() -> None:
    own = factories.envelope("h1")
    _sql("UPDATE resource_budgets SET token_budget = 5, priority_score = 0.7 WHERE id = %s", own.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (role,) = cursor.fetchone()
    assert _revisions(own)[1:] == [
        (f"SQL as {role}", "", {"token_budget": [1_000, 5], "priority_score": [0, 0.7]}),
    ]


def test_lines_and_grants_and_freezes_are_on_record() -> None:
    own = factories.envelope()
    factories.model()
    line = factories.line(own, 500)
    factories.line(own, 600)
    factories.line(own, 600)
    granted = envelopes.grant(line.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    envelopes.end_grant(granted.pk, author=revisions.Author("bob", "enough"), now=NOON)
    stops.freeze([own.pk], author=revisions.Author("bob", "odd"), now=NOON)
    stops.unfreeze([own.pk], author=revisions.Author("ada", "fine"), now=NOON)
    title = "llm_tokens frontier per day"
    assert _revisions(own)[1:] == [
        ("ada", "as agreed", {title: [None, 500]}),
        ("ada", "as agreed", {title: [500, 600]}),
        ("ada", "as agreed", {f"grant on {title}": [None, 50]}),
        ("bob", "enough", {f"grant on {title}": [50, None]}),
        ("bob", "odd", {"state": ["active", "frozen"], "state_reason": ["", "odd"]}),
        ("ada", "fine", {"state": ["frozen", "active"], "state_reason": ["odd", ""]}),
    ]


def test_a_change_that_changes_nothing_leaves_no_revision() -> None:
    own = factories.envelope()
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=1_000)
    _sql("UPDATE resource_budgets SET roi_score = 3, market_signal = 0.2 WHERE id = %s", own.pk)
    assert own.revisions.count() == 1


def test_an_author_signs_what_he_does_and_nothing_after() -> None:
    own = factories.envelope()
    with revisions.signed(revisions.Author("outer", "x"), now=NOON):
        envelopes.change(own.pk, author=revisions.Author("inner", "y"), now=NOON, token_budget=1)
        _sql("UPDATE resource_budgets SET token_budget = 2 WHERE id = %s", own.pk)
    with refused(errors.BudgetInvalidError), revisions.signed(revisions.Author("liar"), now=NOON):
        raise errors.BudgetInvalidError
    _sql("UPDATE resource_budgets SET token_budget = 3 WHERE id = %s", own.pk)
    assert [who.split(" as ")[0] for who, _why, _changes in _revisions(own)[1:]] == ["inner", "outer", "SQL"]


def test_many_changed_in_one_statement_have_a_revision_each() -> None:
    many = [factories.envelope() for _ in range(3)]
    _sql("UPDATE resource_budgets SET token_budget = token_budget + id")
    assert [own.revisions.count() for own in many] == [2, 2, 2]
    assert [factories.figures(own).limit for own in many] == [1_000 + own.pk for own in many]


# Policy


def test_the_fleets_cap_follows_the_policy() -> None:
    assert factories.figures(None) == (None, 0, 0, None)
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("2.5"))
    assert factories.figures(None).limit == Decimal("2.5")
    _sql("UPDATE economics_policy SET fleet_daily_usd = NULL")
    assert factories.figures(None).limit is None


@pytest.mark.parametrize(
    "change",
    [
        {"zone": "Mars/Olympus"},
        {"zone": ""},
        {"week_starts_on": 8},
        {"fleet_daily_usd": Decimal(-1)},
        {"unsplit_output_share": 2},
        {"reservation_seconds": 0},
    ],
)
def test_a_policy_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    before = budget_policy.get()
    with refused(errors.BudgetInvalidError):
        budget_policy.change(author=REVIEWER, now=NOON, **change)
    assert [getattr(budget_policy.get(), name) for name in change] == [getattr(before, name) for name in change]
