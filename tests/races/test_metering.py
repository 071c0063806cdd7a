"""Usage that arrives from all sides at one moment is counted once, on every line and in every day."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from django.db import transaction

from economics import admission, budget_policy, envelopes, metering, recount, unpriced
from economics.models import Usage, UsageDay
from tests import factories
from tests.factories import NOON, REVIEWER, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent
    from economics.events import Event
    from economics.models import Envelope

ROUNDS: Final = 12


@transaction.atomic
def _world(number: int = 4) -> list[Envelope]:
    """Return envelopes with lines of a tier and of other windows, in a world with a model of each of two tiers."""
    factories.model()
    factories.model("quick-1", tier="small", rate="0.01", output_rate="0.01")
    own = [factories.envelope(tokens=10**9) for _ in range(number)]
    for envelope in own[::2]:
        factories.line(envelope, 10**8)
        factories.line(envelope, 10**8, tier="", window="month")
    return own


def _batch(own: list[Envelope], number: int, size: int = 60) -> list[Event]:
    """Return events of all envelopes and of two days, the same for the same number."""
    return [
        factories.event(
            own[place % len(own)],
            place + 1,
            at=NOON - timedelta(days=place % 2),
            event_id=f"e{number}-{place}",
            model=("deep-1", "quick-1", "unheard-of")[place % 3],
        )
        for place in range(size)
    ]


def _record(events: list[Event]) -> list[str]:
    return [one.status for one in metering.record_many(events, agent_id="reporter", now=after(1))]


def test_batches_with_the_same_events_in_opposite_order_count_them_once() -> None:
    own = _world()

    def record(*, backwards: bool) -> Callable[[int], list[str]]:
        step = -1 if backwards else 1
        return lambda number: _record(_batch(own, number)[::step])

    outcomes = race(record(backwards=False), record(backwards=True), record(backwards=False), rounds=ROUNDS)

    for workers in outcomes:
        counts = [outcome.value.count("recorded") for outcome in workers]
        assert sorted(counts) == [0, 0, 60]
        assert sum(outcome.value.count("duplicate") for outcome in workers) == 120
    assert Usage.objects.count() == 60 * ROUNDS
    assert sum(factories.figures(one).settled for one in own) == ROUNDS * sum(range(1, 61, 2))


def test_one_event_told_by_many_with_other_figures_counts_as_the_first_told_it() -> None:
    (own,) = _world(1)

    def tell(tokens: int) -> Callable[[int], list[str]]:
        return lambda number: _record([factories.event(own, tokens, at=NOON, event_id=f"e{number}")])

    outcomes = race(tell(1), tell(2), tell(2), tell(3), rounds=ROUNDS)

    for workers in outcomes:
        said = [outcome.value[0] for outcome in workers]
        assert said.count("recorded") == 1
        winner = said.index("recorded")
        alike = 1 if winner in {1, 2} else 0
        assert (said.count("duplicate"), said.count("conflict")) == (alike, 3 - alike)


def _ingest(own: list[Envelope], place: int) -> Callable[[int], None]:
    """Return the deed of a source that reports on all envelopes, and on one that may not have been opened yet."""

    def deed(number: int) -> None:
        unborn = factories.event(own[0], 5, entity_id=f"new-{number}", event_id=f"b{place}-{number}", at=NOON)
        _record([*_batch(own, 1_000 * place + number), unborn][:: (-1) ** place])

    return deed


def _spend(own: list[Envelope], by: Agent, place: int) -> Callable[[int], None]:
    """Return the deed of an agent that reserves on all envelopes, and settles, releases or forgets."""

    def deed(number: int) -> None:
        for envelope in own[:: (-1) ** place]:
            held = factories.reserve(envelope, 10, by=by, at=after(number), lives=1 + place)
            if (number + place) % 3 == 0:
                admission.settle(held.pk, admission.Spent(amount=Decimal(9)), now=after(number))
            elif (number + place) % 3 == 1:
                admission.release(held.pk, now=after(number))

    return deed


def test_batches_reservations_and_openings_leave_counters_that_can_be_counted_again() -> None:
    own = _world()
    agents = [factories.agent() for _ in range(3)]

    def open_new(number: int) -> None:
        made = factories.envelope(f"new-{number}")
        factories.line(made, 50)
        factories.line(own[number % 4], 50, tier="small", window="week")

    def sweep(number: int) -> None:
        admission.expire(now=after(number))

    def change(number: int) -> None:
        envelopes.change(own[number % 4].pk, author=REVIEWER, now=NOON, token_budget=10**9 + number)
        envelopes.change(own[number % 4].pk, author=REVIEWER, now=NOON, window_kind=("day", "month")[number % 2])

    spending = [_spend(own, agent, place) for place, agent in enumerate(agents)]
    race(_ingest(own, 1), _ingest(own, 2), *spending, open_new, sweep, change, rounds=ROUNDS)

    assert recount.differences(since=None) == []
    for number in range(ROUNDS):
        assert factories.figures(envelopes.get("hypothesis", f"new-{number}")).settled == 10
    assert Usage.objects.filter(reservation_id=None).count() == 2 * 61 * ROUNDS


def test_prices_that_arrive_while_usage_is_settled_corrected_and_reported_are_counted_once() -> None:
    own = _world()
    by = factories.agent()
    with transaction.atomic():
        waiting = [
            [factories.record(envelope, 10, model=f"late-{number}", slot_id="s") for envelope in own]
            for number in range(ROUNDS)
        ]

    def list_price(number: int) -> None:
        factories.model(f"late-{number}", rate="0.5", output_rate="0.5")

    def price(_number: int) -> int:
        return unpriced.price_unpriced(now=NOON)

    def correct(number: int) -> None:
        for usage in waiting[number][::-1]:
            metering.correct(usage.pk, key="half", note="n", author="a", now=NOON, amount=Decimal(4))

    def spend(_number: int) -> None:
        for envelope in own:
            held = factories.reserve(envelope, 10, by=by)
            admission.settle(held.pk, admission.Spent(amount=Decimal(0)), now=NOON)

    def report(number: int) -> None:
        _record([factories.event(envelope, 10, model=f"late-{number}", at=NOON) for envelope in own[::-1]])

    race(list_price, price, price, correct, spend, report, rounds=ROUNDS)
    while unpriced.price_unpriced(now=NOON):
        pass

    assert not Usage.objects.filter(cost=None).exists()
    assert recount.differences(since=None) == []
    # 10 of each corrected by 4, and 10 more, at half a dollar.
    assert factories.figures(None) == (None, ROUNDS * len(own) * 8, 0, None)


def test_a_correction_is_made_once_per_key_and_never_of_more_than_is_left() -> None:
    (own,) = _world(1)
    with transaction.atomic():
        rows = [factories.record(own, 10).pk for _ in range(ROUNDS)]

    def correct(key: str, amount: int | None) -> Callable[[int], int]:
        taken = None if amount is None else Decimal(amount)
        return lambda number: int(
            metering.correct(rows[number], key=key, note="n", author="a", now=NOON, amount=taken).amount
        )

    outcomes = race(
        correct("one", 6),
        correct("one", 6),
        correct("two", 6),
        correct("three", None),
        correct("three", None),
        rounds=ROUNDS,
    )

    for one, again, two, *threes in outcomes:
        refusals = {outcome.refusal for outcome in (one, again, two, *threes)}
        assert refusals <= {"", "correction_too_large"}
        assert one.value == again.value
        assert {three.refusal for three in threes} in ({""}, {"correction_too_large"})
    left = Usage.objects.filter(corrects_id=None).count() * 10 + sum(
        Usage.objects.filter(corrects_id__isnull=False).values_list("amount", flat=True)
    )
    assert factories.figures(own).settled == left >= 0


def test_a_calendar_that_changes_while_usage_arrives_loses_none() -> None:
    own = _world()

    def move(number: int) -> None:
        zone = ("America/Havana", "Asia/Kathmandu", "UTC")[number % 3]
        budget_policy.change(author=REVIEWER, now=NOON, zone=zone, week_starts_on=number % 7 + 1)

    def ingest(place: int) -> Callable[[int], list[str]]:
        return lambda number: _record(_batch(own, 1_000 * place + number))

    def correct(number: int) -> None:
        usage = Usage.objects.filter(corrects_id=None).order_by("pk")[number : number + 1].first()
        if usage is not None:
            metering.correct(usage.pk, key=f"{number}", note="n", author="a", now=NOON)

    race(move, ingest(1), ingest(2), correct, rounds=ROUNDS)

    assert recount.differences(since=None) == []
    assert sum(UsageDay.objects.values_list("events", flat=True)) == Usage.objects.count()
    assert not UsageDay.objects.filter(unpriced_amount__lt=0).exists()


def test_a_program_with_a_snapshot_of_old_misses_no_line(committed_db: str) -> None:
    """Whoever cannot see the lines opened since his snapshot is refused: what he writes would not count there."""
    (own,) = _world(1)
    used = (
        "INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, tier) VALUES (%s, %s, %s, 10, %s)"
    )
    with psycopg.connect(committed_db) as program:
        program.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        program.execute("SELECT count(*) FROM economics_lines")
        factories.line(own, 500, tier="small")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            program.execute(used, [own.entity_type, own.entity_id, "llm_tokens", "small"])
        program.rollback()
        program.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        program.execute("SELECT count(*) FROM economics_lines")
        factories.line(own, 500, tier="small", window="week")
        program.execute(used, [own.entity_type, own.entity_id, "llm_tokens", "small"])
    assert set(own.lines.filter(qualifier="small").values_list("counters__settled", flat=True)) == {Decimal(10)}
