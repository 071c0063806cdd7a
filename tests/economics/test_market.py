"""Market weights: a step a day towards the signal, and a gate that nothing opens but the Senate and the score."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import admission, budget_policy, cycle, errors, market, scoring, signals, standings, stops, worth_policy
from economics.models import Envelope, Reservation, Revision
from tests import factories
from tests.economics import exchanges
from tests.factories import NOON, REVIEWER

if TYPE_CHECKING:
    from config.models import Agent

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _weights(*days: int) -> list[Decimal]:
    """Weigh on each of these days; return the first envelope's weight after each."""
    return [_weigh(day) for day in days]


def _weigh(day: int) -> Decimal:
    market.weigh(now=NOON + day * DAY)
    return Envelope.objects.earliest("pk").market_weight


def _told(weighed: market.Weighed | None) -> tuple[int, int, int, int]:
    assert weighed is not None
    return weighed.raised, weighed.lowered, weighed.stayed, weighed.held_back


# The daily step


def test_a_weight_moves_by_a_step_a_day_until_it_is_there() -> None:
    """After n days h = 2^(-n/7) and 2c - 1 = 0.8 · h / (1 + h): 0.4, 0.3802, 0.3605, 0.3410, 0.3218."""
    own, by = exchanges.granted("h1"), exchanges.source()
    exchanges.signal(by, own.entity_id, "0.9", NOON)
    assert _weights(0, 1, 2, 3, 4) == [Decimal(text) for text in ("0.1", "0.2", "0.3", "0.34102", "0.321803")]
    own.refresh_from_db()
    assert own.market_signal == own.market_weight
    assert own.effective_token_budget == 1_321


def test_a_weight_falls_by_a_step_a_day_and_rises_again() -> None:
    own, by = exchanges.granted("h1"), exchanges.source(kind="confidence")
    for day in range(8):
        exchanges.signal(by, own.entity_id, "0", NOON + day * DAY)
    assert _weights(*range(7)) == [Decimal(-n) / 10 for n in (1, 2, 3, 4, 5, 5, 5)]  # never below -0.5
    own.refresh_from_db()
    assert (own.market_signal, own.effective_token_budget) == (Decimal("-0.5"), 500)


def test_without_signals_a_weight_goes_back_to_0() -> None:
    own = exchanges.granted("h1")
    factories.market(own, "0.25")
    assert _weights(0, 1, 2, 3) == [Decimal("0.15"), Decimal("0.05"), 0, 0]
    own.refresh_from_db()
    assert own.market_signal is None


def test_a_step_is_made_once_a_day_and_none_is_made_up() -> None:
    own = exchanges.granted("h1")
    exchanges.signal(exchanges.source(kind="confidence"), own.entity_id, "1")
    assert _told(market.weigh(now=NOON)) == (1, 0, 0, 0)
    assert market.weigh(now=NOON + timedelta(hours=11)) is None
    assert market.weigh(now=NOON - DAY) is None  # nor does a day that is over come back
    own.refresh_from_db()
    assert own.market_weight == Decimal("0.1")
    assert _told(market.weigh(now=NOON + 5 * DAY)) == (1, 0, 0, 0)
    own.refresh_from_db()
    assert own.market_weight == Decimal("0.2")
    assert budget_policy.get().last_weighed_on == date(2026, 3, 7)


def test_a_day_begins_in_the_policys_zone() -> None:
    budget_policy.change(author=REVIEWER, now=NOON, zone="Asia/Tokyo")
    assert market.weigh(now=datetime(2026, 3, 2, 14, 59, tzinfo=UTC)) is not None
    assert market.weigh(now=datetime(2026, 3, 2, 15, 1, tzinfo=UTC)) is not None  # past midnight there
    assert budget_policy.get().last_weighed_on == date(2026, 3, 3)


def test_the_tick_weighs_when_a_day_has_begun() -> None:
    own = exchanges.granted("h1")
    exchanges.signal(exchanges.source(), own.entity_id, "1")
    for hours in (0, 1, 25):
        cycle.run_due(now=NOON + timedelta(hours=hours))
    own.refresh_from_db()
    assert own.market_weight == Decimal("0.2")
    assert market.weigh_when_due(now=NOON + timedelta(hours=26)) is None


def test_a_rehearsal_says_the_same_and_writes_nothing() -> None:
    up, down = exchanges.granted("h1"), exchanges.granted("h2")
    by = exchanges.source()
    exchanges.signal(by, up.entity_id, "1")
    exchanges.signal(by, down.entity_id, "0.4")
    rehearsed = market.weigh(now=NOON, dry_run=True)
    assert not Envelope.objects.exclude(market_weight=0).exists()
    assert budget_policy.get().last_weighed_on is None
    done = market.weigh(now=NOON)
    assert rehearsed == done
    assert done == market.Weighed(
        date(2026, 3, 2),
        raised=1,
        lowered=1,
        stayed=0,
        held_back=0,
        largest=[
            market.Move("hypothesis", "h1", Decimal("0.75"), Decimal("0.5"), Decimal(0), Decimal("0.1"), is_free=True),
            market.Move(
                "hypothesis", "h2", Decimal("0.45"), Decimal("-0.1"), Decimal(0), Decimal("-0.1"), is_free=True
            ),
        ],
    )
    assert market.weigh(now=NOON, dry_run=True) is None


def test_only_what_changes_is_written_and_signed_by_the_market() -> None:
    own, quiet = exchanges.granted("h1"), exchanges.granted("h2")
    exchanges.signal(exchanges.source(), own.entity_id, "1")
    market.weigh(now=NOON)
    found = Revision.objects.filter(cause_kind="market")
    assert [(one.envelope_id, one.at, one.who, one.why, one.cause_id, one.changes) for one in found] == [
        (
            own.pk,
            NOON,
            "market",
            "a step towards what the market says",
            "2026-03-02",
            {"market_weight": [0, 0.1]},
        )
    ]
    assert quiet.revisions.count() == Envelope.objects.get(pk=quiet.pk).revisions.count()


def test_the_number_of_statements_does_not_grow() -> None:
    by = exchanges.source()
    counted = []
    for day, number in enumerate((2, 20)):
        for place in range(number):
            own = exchanges.granted(f"h{day}-{place}")
            exchanges.signal(by, own.entity_id, "1")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            market.weigh(now=NOON + day * DAY)
        counted.append(len(queries))
    assert counted[0] == counted[1]


# The gate


@pytest.mark.parametrize(
    "closed",
    [{"granted_at": None}, {"granted_by": ""}, {"priority_score": Decimal("0.499999")}, {"state": "capped"}],
    ids=str,
)
def test_a_closed_gate_lets_a_weight_fall_but_not_rise(closed: dict[str, Any]) -> None:
    sure, doubted = exchanges.granted("sure"), exchanges.granted("doubted")
    by = exchanges.source()
    exchanges.signal(by, "sure", "0.99")
    exchanges.signal(by, "doubted", "0.01")
    Envelope.objects.update(**closed)
    assert _told(market.weigh(now=NOON)) == (0, 1, 1, 1)
    for own in (sure, doubted):
        own.refresh_from_db()
    assert (sure.market_weight, sure.market_signal) == (Decimal(0), Decimal("0.49"))
    assert (doubted.market_weight, doubted.market_signal) == (Decimal("-0.1"), Decimal("-0.49"))


@pytest.mark.parametrize(
    ("closed", "why"),
    [
        ({}, []),
        ({"granted_by": ""}, ["The Senate has not granted it."]),
        ({"priority_score": Decimal("0.49")}, ["Its priority score is below 0.5."]),
        (
            {"granted_at": None, "priority_score": Decimal(0), "state": "capped"},
            ["The Senate has not granted it.", "Its priority score is below 0.5.", "It is capped."],
        ),
    ],
    ids=str,
)
def test_a_closed_gate_says_why(closed: dict[str, Any], why: list[str]) -> None:
    own = exchanges.granted("h1")
    if closed:
        Envelope.objects.filter(pk=own.pk).update(**closed)
    own.refresh_from_db()
    assert market.shut(own, worth_policy.get()) == why


def test_what_is_said_of_an_entity_is_seen_before_it_is_applied() -> None:
    assert market.said("hypothesis", "h1", now=NOON) == market.Said(0, Decimal("0.5"), Decimal(0))
    exchanges.signal(exchanges.source(), "h1", "0.9")
    assert market.said("hypothesis", "h1", now=NOON) == market.Said(1, Decimal("0.7"), Decimal("0.4"))


def test_a_gate_that_closes_takes_all_back_at_once_and_reopened_begins_anew() -> None:
    own = exchanges.granted("h1")
    exchanges.signal(exchanges.source(), own.entity_id, "1")
    assert _weights(0, 1, 2) == [Decimal("0.1"), Decimal("0.2"), Decimal("0.3")]
    worth_policy.change(author=REVIEWER, now=NOON + 2 * DAY, score_threshold=Decimal("0.6"))
    assert _weights(3) == [0]
    worth_policy.change(author=REVIEWER, now=NOON + 3 * DAY, score_threshold=Decimal("0.5"))
    assert _weights(4) == [Decimal("0.1")]


def test_a_weight_below_0_comes_up_to_0_and_no_farther_behind_a_closed_gate() -> None:
    own = exchanges.granted("h1", priority="0.1")
    exchanges.signal(exchanges.source(), own.entity_id, "1")
    Envelope.objects.filter(pk=own.pk).update(market_weight=Decimal("-0.15"))
    assert _weights(0, 1, 2) == [Decimal("-0.05"), 0, 0]


def test_a_frozen_envelope_is_weighed_like_any_other_and_a_capped_one_thawed_stays_capped() -> None:
    own = exchanges.granted("h1")
    exchanges.signal(exchanges.source(), own.entity_id, "1")
    Envelope.objects.filter(pk=own.pk).update(state="capped", state_reason="low")
    stops.freeze([own.pk], author=REVIEWER, now=NOON)
    assert _weights(0) == [Decimal("0.1")]
    stops.unfreeze([own.pk], author=REVIEWER, now=NOON)
    own.refresh_from_db()
    assert (own.state, own.market_weight) == ("capped", Decimal(0))


# What the market may do, end to end


def _most(own: Envelope, by: Agent, at: datetime) -> int:
    """Return how many LLM tokens are admitted, found by asking."""
    least, most = 0, 4_000
    while least < most:
        half = (least + most + 1) // 2
        got = admission.reserve(factories.ask(own, half), agent_id=by.pk, now=at, dry_run=True)
        least, most = (half, most) if isinstance(got, Reservation) else (least, half - 1)
    return least


@pytest.mark.parametrize(
    ("granted", "priority", "tokens", "admitted"),
    [
        (False, "0.9", 1_000, [1_000, 1_000, 1_000]),  # not granted: not one token more
        (True, "0.4", 1_000, [1_000, 1_000, 1_000]),  # not scored high enough: neither
        (True, "0.9", 1_000, [1_000, 1_100, 1_200]),  # granted and scored: base · (1 + w)
        (True, "0.9", 0, [0, 0, 0]),  # nothing is granted, and twice nothing is nothing
        (False, "0.9", 0, [0, 0, 0]),
    ],
)
def test_a_market_speeds_up_what_the_senate_granted_and_opens_nothing(
    granted: bool,  # noqa: FBT001 - a case of the table
    priority: str,
    tokens: int,
    admitted: list[int],
) -> None:
    factories.model(rate="0", output_rate="0")
    asker = factories.agent()
    own = factories.envelope("h1", tokens=tokens, granted=granted)
    Envelope.objects.filter(pk=own.pk).update(priority_score=Decimal(priority))
    for _ in range(49):
        exchanges.signal(exchanges.source(kind="confidence"), "h1", "1")
    assert _confidence("h1") == Decimal("0.99")
    found = [_most(own, asker, NOON)]
    for day in range(2):
        market.weigh(now=NOON + day * DAY)
        found.append(_most(own, asker, NOON + day * DAY))
    assert found == admitted
    got = admission.reserve(factories.ask(own, admitted[-1] + 1), agent_id=asker.pk, now=NOON + DAY)
    assert isinstance(got, errors.BudgetExhaustedError)
    assert got.figures["limit"] == admitted[-1]


def test_an_entity_without_an_envelope_gets_none_by_its_price() -> None:
    exchanges.signal(exchanges.source(), "nobody", "1")
    assert _told(market.weigh(now=NOON)) == (0, 0, 0, 0)
    assert not Envelope.objects.exists()


def _confidence(entity_id: str) -> Decimal:
    with connection.cursor() as cursor:
        cursor.execute(signals.CONFIDENCES, {**worth_policy.terms(worth_policy.get()), "now": NOON})
        found: dict[str, Decimal] = {pk: c for _type, pk, _signals, c, _signal in cursor.fetchall()}
    return found[entity_id]


# For any numbers

WEIGHTS = st.decimals(Decimal("-0.5"), 1, places=6)
GATES = st.sampled_from(["granted", "not granted", "capped", "frozen"])


@settings(max_examples=60, deadline=None)
@given(
    fleet=st.lists(
        st.tuples(WEIGHTS, GATES, st.decimals(0, 1, places=6), st.none() | st.decimals(0, 1, places=12)),
        min_size=1,
        max_size=8,
    ),
    step=st.sampled_from(["0", "0.000001", "0.05", "0.1", "1"]),
    gain=st.sampled_from(["0", "0.5", "1"]),
)
def test_every_step_is_that_of_the_formula(
    fleet: list[tuple[Decimal, str, Decimal, Decimal | None]], step: str, gain: str
) -> None:
    with transaction.atomic():
        worth_policy.change(author=REVIEWER, now=NOON, most_daily_step=Decimal(step), gain=Decimal(gain))
        by, expected = exchanges.source(), {}
        for place, (weight, gate, priority, price) in enumerate(fleet):
            is_open = gate in {"granted", "frozen"} and priority >= Decimal("0.5")
            before = weight if is_open else min(weight, Decimal(0))
            own = factories.envelope(f"h{place}", granted=gate != "not granted")
            state = gate if gate in {"capped", "frozen"} else "active"
            Envelope.objects.filter(pk=own.pk).update(state=state, state_reason="x", priority_score=priority)
            Envelope.objects.filter(pk=own.pk).update(market_weight=before)
            said = [] if price is None else [(price, Decimal(0))]
            if price is not None:
                exchanges.signal(by, own.entity_id, price)
            signal = scoring.market_signal(scoring.confidence(said, Decimal(7)), Decimal(gain))
            expected[own.pk] = scoring.market_step(before, signal, Decimal(step), gate_open=is_open)
        market.weigh(now=NOON)
        after = dict(Envelope.objects.values_list("pk", "market_weight"))
        assert after == expected
        lines = standings.of_envelopes(list(after), at=NOON)
        assert all(lines[pk][0].limit == int(1_000 * (1 + weight)) for pk, weight in after.items())
        transaction.set_rollback(True)
