"""Recomputations beside each other, beside whoever observes and judges, and beside a change of the policy."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg

from config.errors import RefusedError
from economics import observations, scores, scoring, worth_policy
from economics.models import Assessment, Envelope, Observation, Score
from tests import factories
from tests.factories import NOON, REVIEWER, after
from tests.races.crew import race, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 20
ENTITIES = 6


def _recompute(number: int) -> int:
    return scores.recompute(now=after(10 * number + 5)).changed


def _observe(source: str) -> Callable[[int], int]:
    """Return a deed that records what the others with this source record, too."""

    def deed(number: int) -> int:
        rows = [
            observations.Observed(
                entity_type="hypothesis",
                entity_id=f"h{place}",
                kind="paper",
                reference=f"pmid:{number}",
                source=source,
                event_id=f"{number}-{place}",
            )
            for place in range(ENTITIES)
        ]
        results = observations.observe_many(rows, now=after(10 * number))
        return sum(result.status == observations.RECORDED for result in results)

    return deed


def _change(number: int) -> None:
    threshold = Decimal(number % 10) / 10
    try:
        worth_policy.change(
            author=REVIEWER, now=after(10 * number), evidence_scale=Decimal(5 + number), score_threshold=threshold
        )
    except RefusedError as refusal:
        assert refusal.code == "stale_policy"  # noqa: PT017 - any other is a defect


def _judge(number: int) -> None:
    factories.assessment(f"h{number % ENTITIES}", "novelty", Decimal(number) / 100, at=after(10 * number))


def test_one_present_score_per_entity_whoever_comes_first() -> None:
    for place in range(ENTITIES):
        envelope = factories.envelope(f"h{place}", granted=True)
        factories.assessment(f"h{place}", "strategic_alignment", "1")
        factories.assessment(f"h{place}", "community_interest", "1")
        factories.assessment(f"h{place}", "novelty", "1")
        scores.recompute(now=NOON)
        Envelope.objects.filter(pk=envelope.pk).update(market_weight="0.2")

    deeds: list[Callable[[int], object]] = [_recompute, _recompute, _observe("a"), _observe("a"), _change, _judge]
    outcomes = race(*deeds, rounds=ROUNDS)

    assert sum(seen.value for _, _, *both, _, _ in outcomes for seen in both) == ENTITIES * ROUNDS
    scores.recompute(now=after(10_000))
    present = Score.objects.filter(superseded_at=None)
    assert Counter(present.values_list("entity_id", flat=True)) == {f"h{place}": 1 for place in range(ENTITIES)}
    terms = worth_policy.terms(worth_policy.get())
    for score in present:
        seen = Observation.objects.filter(entity_id=score.entity_id).values_list("kind", "reference", "principal")
        judged = Assessment.objects.filter(entity_id=score.entity_id).order_by("pk").values_list("component", "value")
        assert score.score == scoring.score(scoring.components(dict(judged), scoring.counts(seen), terms), terms)
    by_entity = dict(present.values_list("entity_id", "score"))
    for envelope in Envelope.objects.all():
        assert envelope.priority_score == by_entity[envelope.entity_id]
        # No envelope is lifted that the gate of the policy in force holds back.
        assert envelope.market_weight == 0 or envelope.priority_score >= terms["score_threshold"]
    spans = list(Score.objects.order_by("entity_id", "pk").values_list("entity_id", "at", "superseded_at"))
    for (entity, _at, ended), (following, began, _) in pairwise(spans):
        assert entity != following or ended == began


def test_a_policy_on_its_way_is_waited_for(committed_db: str) -> None:
    """Its gate was closed by the old score, the new score would pass the old gate: one of both must see the other."""
    envelope = factories.envelope("h0", granted=True)
    for component in scoring.COMPONENTS:
        factories.assessment("h0", component, "1")
    scores.recompute(now=NOON)
    Envelope.objects.filter(pk=envelope.pk).update(market_weight="0.2")
    factories.assessment("h0", "evidence_strength", "0", at=after(1))  # 0.65
    with psycopg.connect(committed_db) as hold:
        hold.execute("INSERT INTO economics_worth_policies (version, score_threshold) VALUES (2, 0.8)")
        with stuck(lambda: scores.recompute(now=after(2)), committed_db):
            hold.commit()
    envelope.refresh_from_db()
    assert (envelope.priority_score, envelope.market_weight) == (Decimal("0.65"), Decimal(0))
    assert Score.objects.get(superseded_at=None).policy_id == 2


def test_a_recomputation_beside_another_waits_only_if_told_to(committed_db: str) -> None:
    factories.assessment("h0", "novelty", "1")
    with psycopg.connect(committed_db) as hold:
        hold.execute("SELECT FROM economics_policy FOR NO KEY UPDATE")
        assert scores.recompute(now=NOON) == scores.Recomputed()
        with stuck(lambda: scores.recompute(now=NOON, wait=True), committed_db):
            hold.commit()
    assert Score.objects.count() == 1
