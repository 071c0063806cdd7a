"""Outcomes that are told, taken back and added up from all sides at one moment count once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Sum

from economics import outcomes, returns
from economics.models import BudgetPolicy, Envelope, Outcome
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from economics.outcomes import Achieved

ROUNDS: Final = 12
YESTERDAY: Final = NOON - timedelta(days=1)


@transaction.atomic
def _world(number: int = 4) -> list[Envelope]:
    """Return envelopes that used a million tokens each yesterday."""
    own = [factories.envelope(tokens=10**9) for _ in range(number)]
    for envelope in own:
        factories.record(envelope, 1_000_000, at=YESTERDAY)
    return own


def _batch(own: list[Envelope], number: int, size: int = 60) -> list[Achieved]:
    """Return outcomes of all envelopes, the same for the same number."""
    return [
        factories.achieved(own[place % len(own)], place + 1, at=YESTERDAY, event_id=f"e{number}-{place}")
        for place in range(size)
    ]


def _record(batch: list[Achieved]) -> list[str]:
    return [one.status for one in outcomes.record_many(batch, agent_id="grader", now=NOON)]


def test_the_same_batch_told_by_many_in_opposite_orders_counts_once() -> None:
    own = _world()

    def tell(*, backwards: bool) -> Callable[[int], list[str]]:
        step = -1 if backwards else 1
        return lambda number: _record(_batch(own, number)[::step])

    told = race(tell(backwards=False), tell(backwards=True), tell(backwards=False), tell(backwards=True), rounds=ROUNDS)

    for workers in told:
        counts = [outcome.value.count("recorded") for outcome in workers]
        assert sorted(counts) == [0, 0, 0, 60]
        assert sum(outcome.value.count("duplicate") for outcome in workers) == 180
    assert Outcome.objects.aggregate(total=Sum("amount"))["total"] == ROUNDS * sum(range(1, 61))


def test_corrections_of_one_outcome_never_take_back_more_than_it_had() -> None:
    (own,) = _world(1)
    rows = [factories.outcome(own, 10, at=YESTERDAY) for _ in range(ROUNDS)]

    def correct(amount: int | None, key: str) -> Callable[[int], object]:
        taken = None if amount is None else Decimal(amount)

        def deed(number: int) -> Decimal:
            return outcomes.correct(rows[number].pk, key=key, note="wrong", author="ada", now=NOON, amount=taken).amount

        return deed

    deeds = (correct(6, "a"), correct(6, "b"), correct(5, "c"), correct(4, "d"), correct(None, "e"), correct(None, "e"))
    done = race(*deeds, rounds=ROUNDS)

    for row, workers in zip(rows, done, strict=True):
        assert {worker.refusal for worker in workers} <= {"", "correction_too_large"}
        by_key = {key: worker.value for key, worker in zip("abcdee", workers, strict=True) if not worker.refusal}
        taken = -(Outcome.objects.filter(corrects=row).aggregate(total=Sum("amount"))["total"] or 0)
        assert taken == -sum(by_key.values())
        assert 4 < taken <= 10
        assert len({worker.value for worker in workers[4:] if not worker.refusal}) <= 1


def test_refreshes_beside_recording_end_at_what_the_rows_come_to() -> None:
    own = _world(8)

    def record(place: int) -> Callable[[int], object]:
        return lambda number: _record(_batch(own, 100 * place + number, 16)[:: (-1) ** place])

    def refresh(_number: int) -> int:
        return returns.refresh(now=NOON)

    def lift(number: int) -> None:
        """Change the envelopes in the opposite order, as reviewers do."""
        for envelope in own[::-1]:
            with transaction.atomic():
                Envelope.objects.filter(pk=envelope.pk).update(request_token_cap=number + 1)

    race(record(1), record(2), refresh, refresh, lift, rounds=ROUNDS)

    returns.refresh(now=NOON)
    stored = dict(Envelope.objects.values_list("pk", "roi_score"))
    total = Decimal(Outcome.objects.aggregate(total=Sum("amount"))["total"])
    mu = total / 8_000_000
    for envelope in own:
        rows = Outcome.objects.filter(entity_id=envelope.entity_id)
        edges = rows.aggregate(total=Sum("amount"))["total"]
        assert stored[envelope.pk] == round((edges + 1_000_000 * mu) / 2_000_000, 15)


def test_many_ticks_at_midnight_refresh_once() -> None:
    own = _world(3)
    days = [NOON + timedelta(days=number) for number in range(ROUNDS)]

    def tick(number: int) -> int:
        return returns.refresh_when_due(now=days[number])

    with transaction.atomic():
        for day in days:
            outcomes.record_many(
                [factories.achieved(envelope, 1, at=day - timedelta(days=1)) for envelope in own],
                agent_id="g",
                now=after(0),
            )
    done = race(tick, tick, tick, rounds=ROUNDS)

    assert [sorted(worker.value for worker in workers) for workers in done] == [[0, 0, 3]] * ROUNDS
    assert BudgetPolicy.objects.get().last_returns_on == days[-1].date()
