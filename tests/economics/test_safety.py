"""The daily check: alerts once per window, freezes that lift by themselves, and what it leaves alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import admission, budget_policy, envelopes, errors, metering, safety, standings, stops
from economics.models import Alert, Envelope, Revision
from economics.safety import Checked
from tests import factories
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

pytestmark = pytest.mark.django_db

DAY = 86_400
MIDNIGHT = NOON.replace(hour=0)


def _alerts(**which: Any) -> list[tuple[int, str, str]]:
    """Return threshold, settled and limit of the alerts that are not armed again, oldest first."""
    rows = Alert.objects.filter(rearmed_at=None, **which).order_by("pk")
    return [(row.threshold, f"{row.settled.normalize():f}", f"{row.limit.normalize():f}") for row in rows]


def _state(of: Envelope) -> tuple[str, bool, datetime | None, str]:
    of.refresh_from_db()
    return of.state, of.frozen_by_check, of.frozen_until, of.state_reason


def _raise(of: Envelope, at: datetime = NOON, **ceilings: Any) -> None:
    envelopes.change(of.pk, author=REVIEWER, now=at, **ceilings)


def _checks(moments: Iterable[datetime]) -> list[Checked]:
    return [safety.check(now=moment) for moment in moments]


# Alerts


def test_each_threshold_raises_one_alert_when_it_is_reached() -> None:
    own = factories.envelope(tokens=1_000)
    raised = []
    for second, tokens in enumerate((499, 1, 299, 1, 199, 1)):
        factories.record(own, tokens, at=after(second))
        raised += [check.raised for check in _checks([after(second), after(second)])]
    assert raised == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert _alerts() == [(50, "500", "1000"), (80, "800", "1000"), (100, "1000", "1000")]
    assert set(Alert.objects.values_list("line__resource_type", "window_start", "froze")) == {
        ("llm_tokens", MIDNIGHT, False)
    }
    assert list(Alert.objects.order_by("pk").values_list("raised_at", flat=True)) == [after(1), after(3), after(5)]


def test_a_leap_raises_every_threshold_it_passes() -> None:
    factories.record(factories.envelope(tokens=1_000), 900)
    assert safety.check(now=NOON) == Checked(raised=2)
    assert _alerts() == [(50, "900", "1000"), (80, "900", "1000")]


def test_a_new_window_raises_its_own() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 600)
    assert [check.raised for check in _checks([NOON, after(DAY)])] == [1, 0]
    factories.record(own, 500, at=after(DAY))
    assert safety.check(now=after(DAY + 1)).raised == 1
    assert _alerts() == [(50, "600", "1000"), (50, "500", "1000")]
    starts = Alert.objects.order_by("pk").values_list("window_start", flat=True)
    assert list(starts) == [MIDNIGHT, MIDNIGHT + timedelta(days=1)]


def test_a_raised_limit_arms_again_what_is_not_reached_any_more() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 1_000)
    assert safety.check(now=NOON).raised == 3
    _raise(own, token_budget=1_600)
    assert safety.check(now=after(1)) == Checked(rearmed=2)
    assert _alerts() == [(50, "1000", "1000")]
    assert set(Alert.objects.values_list("threshold", "rearmed_at")) == {(50, None), (80, after(1)), (100, after(1))}

    factories.record(own, 280, at=after(2))
    assert safety.check(now=after(2)) == Checked(raised=1)
    assert _alerts() == [(50, "1000", "1000"), (80, "1280", "1600")]


def test_a_correction_arms_again_too() -> None:
    own = factories.envelope(tokens=1_000)
    wrong = factories.record(own, 600)
    safety.check(now=NOON)
    metering.correct(wrong.pk, key="k", note="counted twice", author="ada", now=after(1))
    assert safety.check(now=after(1)) == Checked(rearmed=1)
    factories.record(own, 500, at=after(2))
    assert safety.check(now=after(2)) == Checked(raised=1)


def test_a_ceiling_taken_away_arms_again() -> None:
    own = factories.envelope(tokens=10_000)
    factories.line(own, 100)
    factories.model()
    factories.record(own, 90)
    assert safety.check(now=NOON) == Checked(raised=2)
    factories.line(own, None)
    assert safety.check(now=after(1)) == Checked(rearmed=2)


def test_alerts_of_past_windows_stay_as_they_are() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 600)
    safety.check(now=NOON)
    _raise(own, token_budget=10_000)
    assert safety.check(now=after(DAY)) == Checked()
    assert Alert.objects.get().rearmed_at is None


def test_a_window_that_begins_with_another_kind_of_window_keeps_its_alerts() -> None:
    """On the 2nd the month's window began when the day of the 1st did; that day's alert is past all the same."""
    first = MIDNIGHT.replace(day=1)
    own = factories.envelope(tokens=1_000)
    factories.line(own, 10_000, tier="", window="month")
    factories.record(own, 600, at=first)
    safety.check(now=first)
    _raise(own, token_budget=10_000)
    assert safety.check(now=NOON) == Checked()
    assert Alert.objects.get().rearmed_at is None


def test_nothing_settled_raises_nothing_whatever_is_held() -> None:
    factories.model()
    factories.reserve(factories.envelope(tokens=1_000), 1_000)
    factories.envelope(tokens=0)
    assert safety.check(now=NOON) == Checked()


def test_grants_and_market_weight_are_part_of_the_limit() -> None:
    own = factories.envelope(tokens=1_000)
    factories.market(own, "0.1")
    line = own.lines.get(resource_type="llm_tokens")
    grant = envelopes.grant(line.pk, amount=Decimal(400), author=REVIEWER, now=NOON)
    factories.record(own, 1_200)
    assert safety.check(now=NOON) == Checked(raised=2)
    assert _alerts() == [(50, "1200", "1500"), (80, "1200", "1500")]

    envelopes.end_grant(grant.pk, author=REVIEWER, now=after(1))
    assert safety.check(now=after(1)) == Checked(raised=1, frozen=1)
    assert _alerts(threshold=100) == [(100, "1200", "1100")]


def test_the_figures_are_those_of_admission() -> None:
    """Every class, window and qualifier, with weights and grants: alerts say what `standing` says."""
    own = factories.envelope(
        "all", tokens=100, cpu_budget=Decimal("7.5"), storage_budget_gb=Decimal("0.5"), api_call_budget=10
    )
    Envelope.objects.filter(pk=own.pk).update(market_weight=Decimal("-0.25"))
    for window in ("week", "month", "lifetime"):
        factories.line(own, 150, tier="", window=window)
    factories.line(own, 90, tier="small")
    factories.line(own, 5, tier="acme", resource_type="api_calls")
    factories.model("tiny", tier="small")
    envelopes.grant(own.lines.get(resource_type="cpu_seconds").pk, amount=Decimal("2.5"), author=REVIEWER, now=NOON)
    factories.record(own, 1_000, model="tiny")
    factories.record(own, Decimal("20.25"), resource_type="cpu_seconds")
    factories.record(own, Decimal("40.5"), resource_type="storage_gb_hours")
    factories.record(own, 12, resource_type="api_calls", provider="acme")
    safety.check(now=NOON)
    alerts = Alert.objects.filter(threshold=100).order_by("line_id")
    (standing,) = standings.of_envelopes([own.pk], at=NOON).values()
    assert len(standing) == 9
    assert [(a.line_id, a.window_start, a.settled, a.limit) for a in alerts] == [
        (line.line_id, line.window_start, line.settled, line.limit) for line in standing
    ]


def test_the_fleet_is_alerted_and_freezes_nobody() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("0.1"))
    factories.model()
    own = factories.envelope(tokens=1_000)
    factories.record(own, 100)  # costs 0.13 USD
    assert safety.check(now=NOON) == Checked(raised=3)
    assert _alerts(line__envelope=None) == [(50, "0.13", "0.1"), (80, "0.13", "0.1"), (100, "0.13", "0.1")]
    assert _state(own)[0] == "active"


def test_windows_are_those_of_the_policys_zone() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, zone="Asia/Kolkata")
    own = factories.envelope(tokens=100)
    factories.record(own, 200)
    safety.check(now=NOON)
    assert Alert.objects.values_list("window_start", flat=True).distinct().get() == after(-17.5 * 3600)
    assert _state(own)[2] == after(6.5 * 3600)


# Freezes


def test_an_envelope_over_its_limit_is_frozen() -> None:
    factories.model()
    own, other = factories.envelope(tokens=1_000), factories.envelope(tokens=1_000)
    for each in (own, other):
        factories.record(each, 1_000)
    factories.record(own, 1)
    assert safety.check(now=NOON) == Checked(raised=6, frozen=1)
    reason = "Over its limit: llm_tokens per day (1001 of 1000)"
    assert _state(own) == ("frozen", True, MIDNIGHT + timedelta(days=1), reason)
    assert _state(other) == ("active", False, None, "")  # at its limit, not over it
    froze = Alert.objects.filter(froze=True).values_list("line__envelope", "threshold")
    assert list(froze) == [(own.pk, 100)]
    refusal = admission.reserve(factories.ask(own, 1), agent_id=factories.agent().pk, now=after(1))
    assert isinstance(refusal, errors.EnvelopeFrozenError)
    assert reason in refusal.detail


def test_a_freeze_is_signed() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 1_001)
    _checks([after(1), after(DAY)])
    frozen, lifted = Revision.objects.filter(envelope=own, cause_kind="freeze").order_by("pk")
    assert (frozen.who, frozen.at, frozen.changes["state"]) == ("daily check", after(1), ["active", "frozen"])
    assert (lifted.who, lifted.at, lifted.changes["state"]) == ("daily check", after(DAY), ["frozen", "active"])
    Envelope.objects.filter(pk=own.pk).update(priority_score=1)
    assert Revision.objects.latest("pk").who != "daily check"


def test_an_alert_raised_at_the_limit_says_so_when_it_freezes_later() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 1_000)
    safety.check(now=NOON)
    factories.record(own, 1)
    assert safety.check(now=after(1)) == Checked(frozen=1)
    assert list(Alert.objects.filter(froze=True).values_list("threshold", flat=True)) == [100]


def test_a_freeze_lifts_when_its_window_has_ended() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 2_000)
    midnight = MIDNIGHT + timedelta(days=1)
    moments = [NOON, after(1), midnight - timedelta(microseconds=1), midnight, midnight]
    assert _checks(moments) == [Checked(3, 0, 1, 0), Checked(), Checked(), Checked(lifted=1), Checked()]
    assert _state(own) == ("active", False, None, "")


def test_a_freeze_lifts_when_the_limit_was_raised_enough() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 1_200)
    safety.check(now=NOON)
    _raise(own, token_budget=1_199)
    assert safety.check(now=after(1)) == Checked()
    _raise(own, token_budget=1_200)
    assert safety.check(now=after(2)) == Checked(lifted=1)
    factories.record(own, 1, at=after(3))
    assert safety.check(now=after(3)) == Checked(frozen=1)
    _raise(own, token_budget=5_000)
    assert safety.check(now=after(4)) == Checked(rearmed=3, lifted=1)
    factories.record(own, 4_000, at=after(5))
    assert safety.check(now=after(5)) == Checked(raised=3, frozen=1)
    assert Alert.objects.filter(froze=True).count() == 2


def test_a_lifetime_freeze_has_no_end_and_lifts_when_raised() -> None:
    own = factories.envelope(tokens=1_000, window_kind="lifetime")
    factories.record(own, 1_001)
    assert _checks([NOON, after(400 * DAY)]) == [Checked(raised=3, frozen=1), Checked()]
    assert _state(own) == ("frozen", True, None, "Over its limit: llm_tokens per lifetime (1001 of 1000)")
    _raise(own, after(400 * DAY), token_budget=1_001)
    assert safety.check(now=after(400 * DAY)) == Checked(lifted=1)


def test_a_capped_envelope_is_capped_again() -> None:
    own = factories.envelope(tokens=1_000)
    Envelope.objects.filter(pk=own.pk).update(state="capped", state_reason="low ROI")
    factories.record(own, 1_001)
    safety.check(now=NOON)
    factories.market(own, "0.1")
    assert safety.check(now=after(DAY)) == Checked(lifted=1)
    assert _state(own) == ("capped", False, None, "low ROI")
    assert own.market_weight == 0


def test_a_persons_freeze_is_left_alone() -> None:
    own, taken_over = factories.envelope(tokens=1_000), factories.envelope(tokens=1_000)
    stops.freeze([own.pk], author=REVIEWER, now=NOON)
    for each in (own, taken_over):
        factories.record(each, 2_000)
    assert safety.check(now=NOON) == Checked(raised=6, frozen=1)
    stops.freeze([taken_over.pk], author=REVIEWER, now=after(1))
    assert safety.check(now=after(DAY)) == Checked()
    assert _state(own) == _state(taken_over) == ("frozen", False, None, "as agreed")
    assert list(Alert.objects.filter(froze=True).values_list("line__envelope", flat=True)) == [taken_over.pk]
    assert stops.unfreeze([own.pk, taken_over.pk], author=REVIEWER, now=after(DAY)) == 2
    assert _state(own) == _state(taken_over) == ("active", False, None, "")


def test_anything_settled_on_a_limit_of_zero_is_over_it() -> None:
    own = factories.envelope(tokens=0)
    factories.record(own, 1)
    assert safety.check(now=NOON) == Checked(raised=3, frozen=1)
    assert _alerts() == [(50, "1", "0"), (80, "1", "0"), (100, "1", "0")]


def test_a_freeze_names_every_line_that_is_over_and_lasts_as_long_as_one_of_them() -> None:
    own = factories.envelope(tokens=1_000)
    factories.line(own, 500, tier="", window="week")
    factories.record(own, 1_100)
    assert safety.check(now=NOON) == Checked(raised=6, frozen=1)
    sunday = MIDNIGHT + timedelta(days=7)
    both = "Over its limit: llm_tokens per day, llm_tokens per week (1100 of 1000, 1100 of 500)"
    assert _state(own) == ("frozen", True, sunday, both)

    factories.record(own, 100, at=after(1))
    assert safety.check(now=after(1)) == Checked()
    assert _state(own)[3] == both  # not written anew with every figure

    assert safety.check(now=after(DAY)) == Checked()
    assert _state(own) == ("frozen", True, sunday, "Over its limit: llm_tokens per week (1200 of 500)")
    assert safety.check(now=sunday) == Checked(lifted=1)


def test_a_line_that_comes_to_be_over_joins_the_freeze() -> None:
    own = factories.envelope(tokens=1_000, cpu_budget=Decimal(10))
    factories.record(own, 1_001)
    safety.check(now=NOON)
    factories.record(own, 11, resource_type="cpu_seconds", at=after(1))
    assert safety.check(now=after(1)) == Checked(raised=3)
    reason = "Over its limit: llm_tokens per day, cpu_seconds per day (1001 of 1000, 11 of 10)"
    assert _state(own)[3] == reason
    assert Alert.objects.filter(froze=True).count() == 2


# When, and how much work


def test_it_runs_as_often_as_the_policy_says() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, safety_seconds=60)
    own = factories.envelope(tokens=1_000)
    raised = []
    for second, tokens in ((0, 500), (59, 300), (60, 100), (119, 100), (120, 1)):
        factories.record(own, tokens, at=after(second))
        raised.append(safety.check_when_due(now=after(second)).raised)
    assert raised == [1, 0, 1, 0, 1]
    assert budget_policy.get().last_safety_at == after(120)


def test_a_check_for_a_moment_before_the_last_does_nothing() -> None:
    own = factories.envelope(tokens=1_000)
    safety.check(now=after(DAY))
    factories.record(own, 2_000)
    assert safety.check(now=NOON) == Checked()
    assert budget_policy.get().last_safety_at == after(DAY)


def test_fifty_envelopes_take_as_many_statements_as_one() -> None:
    counts = []
    for number in (1, 50):
        for _ in range(number):
            factories.record(factories.envelope(tokens=1_000), 2_000)
        with CaptureQueriesContext(connection) as statements:
            assert safety.check(now=NOON).frozen == number
        counts.append(len(statements))
    with CaptureQueriesContext(connection) as statements:
        assert safety.check(now=after(DAY)).lifted == 51
    assert [*counts, len(statements)] == [10, 10, 10]


def test_acknowledge_keeps_who_saw_it_first() -> None:
    own = factories.envelope(tokens=1_000)
    factories.record(own, 900)
    safety.check(now=NOON)
    half, most = Alert.objects.order_by("pk")
    assert safety.acknowledge([half.pk], who="ada", now=after(1)) == 1
    assert safety.acknowledge([half.pk, most.pk], who="bob", now=after(2)) == 1
    assert list(Alert.objects.order_by("pk").values_list("seen_by", "seen_at")) == [
        ("ada", after(1)),
        ("bob", after(2)),
    ]
    assert safety.check(now=after(3)) == Checked()
