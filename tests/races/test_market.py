"""The market weighs beside itself, beside scores and posts and people who close the gate: one step a day, no more."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import connection

from economics import market, scores, signals, worth_policy
from economics.models import Envelope, Revision, Signal
from tests import factories
from tests.economics import exchanges
from tests.factories import NOON, REVIEWER
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
ENVELOPES = 12
DAY = timedelta(days=1)
GATE_OPEN = """
    granted_at IS NOT NULL AND granted_by <> '' AND state <> 'capped'
    AND priority_score >= (SELECT score_threshold FROM economics_worth_policies ORDER BY version DESC LIMIT 1)
"""


def _weigher(number: int) -> bool:
    return market.weigh(now=NOON + number * DAY) is not None


def _lifted_behind_a_closed_gate() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM resource_budgets WHERE market_weight > 0 AND NOT ({GATE_OPEN})")
        found: int = cursor.fetchone()[0]
    return found


def test_one_of_many_who_weigh_makes_the_days_step() -> None:
    by = exchanges.source()
    own = [exchanges.granted(f"h{place}") for place in range(ENVELOPES)]
    for envelope in own:
        for day in range(ROUNDS):
            exchanges.signal(by, envelope.entity_id, "1", NOON + day * DAY)

    outcomes = race(_weigher, _weigher, _weigher, rounds=ROUNDS)

    assert all(sum(one.value for one in crew) == 1 for crew in outcomes)
    for envelope in own:
        steps = _steps(envelope.pk)
        assert len(steps) == len({day for day, _before, _after in steps})
        assert all(abs(after - before) <= Decimal("0.1") for _day, before, after in steps)
        envelope.refresh_from_db()
        assert envelope.market_weight == envelope.market_signal == steps[-1][2]


def test_nothing_is_lifted_behind_a_gate_that_closes_meanwhile() -> None:
    """Scores fall, a threshold rises, somebody caps, and an exchange posts, all while the market weighs."""
    by = exchanges.source()
    own = [exchanges.granted(f"h{place}") for place in range(ENVELOPES)]
    ids = [envelope.pk for envelope in own]
    for envelope in own:
        factories.assessment(envelope.entity_id, "novelty", "1")

    def post(number: int) -> None:
        rows = [
            exchanges.posted(
                by, envelope.entity_id, str(1 - place % 3 / 4), NOON + number * DAY, event_id=f"{number}-{place}"
            )
            for place, envelope in enumerate(own)
        ]
        signals.post_many(rows, agent=None, now=NOON + number * DAY)

    def score(number: int) -> None:
        """Score a third 0.25, below the threshold, and the others 0.6: 0.35 for evidence, 0.25 for novelty."""
        for place, envelope in enumerate(own):
            evidence = "0" if (place + number) % 3 == 0 else "1"
            factories.assessment(envelope.entity_id, "evidence_strength", evidence, at=NOON + number * DAY)
        scores.recompute(now=NOON + number * DAY)

    def cap(number: int) -> None:
        pk = ids[number % ENVELOPES]
        Envelope.objects.filter(pk=pk).update(state="capped" if number % 2 else "active", state_reason="x")

    def move_threshold(number: int) -> int:
        threshold = Decimal("0.8") if number % 2 else Decimal("0.5")
        worth_policy.change(author=REVIEWER, now=NOON, score_threshold=threshold)
        return _lifted_behind_a_closed_gate()

    deeds: list[Callable[[int], object]] = [_weigher, _weigher, post, score, cap, move_threshold]
    for first in range(2):  # a second time, so that there are weights to be taken back
        outcomes = race(*deeds, rounds=ROUNDS)
        assert all(crew[0].value + crew[1].value == (1 if first == 0 else 0) for crew in outcomes)
        assert [crew[-1].value for crew in outcomes] == [0] * ROUNDS
        assert _lifted_behind_a_closed_gate() == 0

    assert Signal.objects.count() == ROUNDS * ENVELOPES
    for envelope in own:
        steps = _steps(envelope.pk)
        assert all(-Decimal("0.5") <= after <= 1 for _day, _before, after in steps)
        assert all(abs(after - before) <= Decimal("0.1") or after <= 0 for _day, before, after in steps)
        assert len(steps) == len({day for day, _before, _after in steps})


def _steps(envelope_id: int) -> list[tuple[str, Decimal, Decimal]]:
    """Return the steps the market made on an envelope: the day, and the weight before and after."""
    found = Revision.objects.filter(envelope_id=envelope_id, cause_kind="market").order_by("pk")
    return [
        (one.cause_id, *(Decimal(str(weight)) for weight in one.changes["market_weight"]))  # type: ignore[misc]
        for one in found
    ]
