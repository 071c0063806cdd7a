"""Scores: what counts and what does not, and all of them at once equal to the arithmetic one by one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from economics import budget_policy, cycle, errors, observations, revisions, score_words, scores, scoring, worth_policy
from economics.models import Assessment, Observation, Revision, Score
from economics.scores import Move, Recomputed
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused

if TYPE_CHECKING:
    from economics.models import WorthPolicy

pytestmark = pytest.mark.django_db

H1 = ("hypothesis", "h1")
DAY = 86_400
COUNTED = "5 papers at 1, 1 link in the knowledge graph at 0.5"
TIMES = "\N{MULTIPLICATION SIGN}"


def _present(entity_id: str = "h1") -> Score:
    return Score.objects.get(entity_type="hypothesis", entity_id=entity_id, superseded_at=None)


def _papers(number: int, entity_id: str = "h1", **terms: Any) -> list[int]:
    return [factories.observation(entity_id, reference=f"pmid:{n}", **terms).pk for n in range(number)]


# Worked examples


def test_a_score_by_hand() -> None:
    _papers(5)
    factories.assessment("h1", "novelty", "0.8")
    for voter in ("ada", "ben", "ada"):
        factories.observation("h1", kind="vote", principal=voter)
    assert scores.recompute(now=after(1)) == Recomputed(1, 1, 0, (Move(*H1, Decimal(0), Decimal("0.457496")),))
    score = _present()
    # 1 - exp(-5/5) = 0.632121 and 1 - exp(-2/10) = 0.181269
    # 0.35 * 0.632121 + 0.25 * 0.8 + 0.2 * 0 + 0.2 * 0.181269 = 0.22124235 + 0.2 + 0.0362538 = 0.45749615
    assert (score.evidence_strength, score.novelty) == (Decimal("0.632121"), Decimal("0.8"))
    assert (score.strategic_alignment, score.community_interest) == (None, Decimal("0.181269"))
    assert (score.score, score.policy_id, score.at) == (Decimal("0.457496"), 1, after(1))
    assert score.inputs == {
        "evidence_strength": {
            "from": "observed",
            "paper": 5,
            "debate": 0,
            "replication": 0,
            "kg_link": 0,
            "points": 5,
        },
        "novelty": {"from": "given", "assessment": Assessment.objects.get().pk},
        "strategic_alignment": {"from": "missing"},
        "community_interest": {"from": "observed", "vote": 2, "comment": 0, "bounty": 0, "points": 2},
    }


def test_a_score_in_sentences() -> None:
    _papers(5)
    factories.observation("h1", kind="kg_link", reference="a-b")
    factories.assessment("h1", "novelty", "0.8", why="a new mechanism")
    scores.recompute(now=after(1))
    assert score_words.explain(_present()) == [
        f"Evidence 0.667129 {TIMES} 0.35 = 0.23349515: {COUNTED}: 5.5 points in all, 1 - exp(-5.5 / 5).",
        f"Novelty 0.8 {TIMES} 0.25 = 0.2: as ada judged it on 2026-03-02: a new mechanism",
        "Strategic alignment is missing: nothing speaks for it, so it counts 0.",
        "Community interest is missing: nothing speaks for it, so it counts 0.",
        "Score 0.23349515 + 0.2 = 0.433495, by version 1 of the policy of worth, 2026-03-02 12:00 UTC.",
    ]


def test_an_old_score_is_explained_by_the_policy_it_was_made_by() -> None:
    _papers(5)
    scores.recompute(now=after(1))
    told = score_words.explain(_present())
    worth_policy.change(author=REVIEWER, now=after(2), paper_points=Decimal(2), evidence_scale=Decimal(7))
    scores.recompute(now=after(3))
    old = Score.objects.get(superseded_at=after(3))
    assert score_words.explain(old) == told
    assert _present().evidence_strength == scoring.saturation(Decimal(10), Decimal(7))


# What counts


def test_what_happens_later_does_not_count_yet() -> None:
    factories.observation("h1", at=after(100))
    factories.assessment("h1", "novelty", "1", at=after(200))
    assert scores.recompute(now=after(99)).scored == 0
    scores.recompute(now=after(100))
    assert (_present().evidence_strength, _present().novelty) == (Decimal("0.181269"), None)
    scores.recompute(now=after(200))
    assert _present().novelty == 1


def test_a_judgement_counts_before_what_is_seen_and_hands_back() -> None:
    _papers(5)
    for value, expected in (("0.9", "0.9"), ("0", "0"), (None, "0.632121")):
        factories.assessment("h1", "evidence_strength", value)
        scores.recompute(now=NOON)
        assert _present().evidence_strength == Decimal(expected)


def test_a_withdrawn_observation_counts_no_more() -> None:
    first, *_others = _papers(5)
    scores.recompute(now=after(1))
    assert observations.withdraw([first], who="ada", now=after(10)) == 1
    assert observations.withdraw([first], who="ben", now=after(11)) == 0
    scores.recompute(now=after(10))
    assert _present().inputs["evidence_strength"]["paper"] == 4


def test_an_entity_of_which_nothing_is_left_falls_to_zero_once() -> None:
    pks = _papers(2)
    envelope = factories.envelope("h1")
    scores.recompute(now=after(1))
    observations.withdraw(pks, who="ada", now=after(2))
    assert scores.recompute(now=after(3)) == Recomputed(0, 1, 1, (Move(*H1, Decimal("0.115388"), Decimal(0)),))
    score = _present()
    assert (score.score, score.evidence_strength) == (Decimal(0), None)
    assert {part["from"] for part in score.inputs.values()} == {"missing"}
    assert scores.recompute(now=after(4)) == Recomputed()
    envelope.refresh_from_db()
    assert envelope.priority_score == 0


def test_a_paper_told_by_two_sources_counts_once() -> None:
    factories.observation("h1", reference="pmid:1", source="one")
    factories.observation("h1", reference="pmid:1", source="two")
    scores.recompute(now=NOON)
    assert _present().inputs["evidence_strength"]["paper"] == 1


# Recomputing


def test_a_second_time_writes_nothing() -> None:
    _papers(3)
    factories.envelope("h1")
    assert scores.recompute(now=after(1)).changed == 1
    assert scores.recompute(now=after(2)) == Recomputed(scored=1)
    assert Score.objects.count() == 1


def test_a_change_supersedes_and_keeps_the_old() -> None:
    _papers(1)
    scores.recompute(now=after(1))
    factories.observation("h1", kind="replication", reference="r1")
    scores.recompute(now=after(2))
    old, new = Score.objects.order_by("pk")
    assert (old.superseded_at, new.superseded_at) == (after(2), None)
    assert (old.score, new.score) == (Decimal("0.063444"), Decimal("0.192735"))


def test_a_new_version_of_the_policy_is_put_to_every_score() -> None:
    _papers(1)
    _papers(2, "h2")
    scores.recompute(now=after(1))
    worth_policy.change(author=REVIEWER, now=after(2), review_step=Decimal("0.1"))
    assert scores.recompute(now=after(3)) == Recomputed(scored=2, changed=2)
    assert {score.policy_id for score in Score.objects.filter(superseded_at=None)} == {2}


def test_envelopes_get_their_priority_and_a_revision_that_says_why() -> None:
    scored, unscored = factories.envelope("h1"), factories.envelope("h2")
    _papers(5)
    assert scores.recompute(now=after(1)).envelopes == 1
    for envelope in (scored, unscored):
        envelope.refresh_from_db()
    assert (scored.priority_score, unscored.priority_score) == (Decimal("0.221242"), Decimal(0))
    revision = Revision.objects.latest("pk")
    assert (revision.envelope_id, revision.who, revision.cause_kind) == (scored.pk, "scoring", "score")
    assert revision.changes == {"priority_score": [0, 0.221242]}


def test_an_envelope_opened_later_or_set_by_hand_is_put_right() -> None:
    _papers(5)
    scores.recompute(now=after(1))
    late = factories.envelope("h1", at=after(2))
    assert scores.recompute(now=after(3)) == Recomputed(scored=1, envelopes=1)
    late.refresh_from_db()
    assert late.priority_score == Decimal("0.221242")


def test_a_score_that_falls_below_the_threshold_takes_the_markets_lift_back() -> None:
    factories.assessment("h1", "evidence_strength", "1")
    factories.assessment("h1", "novelty", "1")
    envelope = factories.envelope("h1", granted=True)
    scores.recompute(now=after(1))
    type(envelope).objects.filter(pk=envelope.pk).update(market_weight="0.2")
    factories.assessment("h1", "novelty", "0.5", at=after(2))
    scores.recompute(now=after(3))
    envelope.refresh_from_db()
    assert (envelope.priority_score, envelope.market_weight) == (Decimal("0.475"), Decimal(0))


def test_recompute_never_looks_back() -> None:
    _papers(1)
    scores.recompute(now=after(10))
    factories.observation("h1", reference="new")
    assert scores.recompute(now=after(9)) == Recomputed()
    assert scores.recompute(now=after(10)).changed == 1


def test_recompute_when_due() -> None:
    _papers(1)
    assert scores.recompute_when_due(now=NOON).changed == 1
    assert scores.recompute_when_due(now=after(3_599)) == Recomputed()
    assert scores.recompute_when_due(now=after(3_600)).scored == 1
    budget_policy.change(author=REVIEWER, now=after(3_600), score_seconds=10)
    assert scores.recompute_when_due(now=after(3_610)).scored == 1


def test_a_tick_scores_when_due() -> None:
    _papers(1)
    cycle.run_due(now=NOON)
    assert _present().at == NOON


def test_preview_writes_nothing() -> None:
    _papers(5)
    expected = Recomputed(1, 1, 0, (Move(*H1, Decimal(0), Decimal("0.221242")),))
    assert scores.preview(now=NOON) == expected
    assert Score.objects.count() == 0
    assert scores.recompute(now=NOON) == expected


# Judging


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"entity_type": ""}, "/entity_type"),
        ({"entity_id": "x" * 201}, "/entity_id"),
        ({"component": "charm"}, "/component"),
        ({"value": Decimal("1.000001")}, "/value"),
        ({"value": Decimal("-0.1")}, "/value"),
        ({"value": Decimal("NaN")}, "/value"),
        ({"value": Decimal("0.0000001")}, "/value"),
        ({"author": revisions.Author("ada", "")}, "/reason"),
        ({"author": revisions.Author("", "why")}, "/author"),
    ],
)
def test_assess_refuses_what_is_no_judgement(terms: dict[str, Any], pointer: str) -> None:
    lawful = {
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "component": "novelty",
        "value": Decimal("0.5"),
        "author": REVIEWER,
    }
    with refused(errors.InvalidScoreError) as refusal:
        scores.assess(**{**lawful, **terms}, now=NOON)
    assert refusal.value.pointer == pointer


# All at once, against one by one

ENTITIES = ("h1", "h2", "h3")
OBSERVED = st.tuples(
    st.sampled_from(ENTITIES),
    st.sampled_from([*scoring.EVIDENCE, *scoring.INTEREST]),
    st.sampled_from(["a", "b", "c", "ü"]),
    st.sampled_from(["ada", "ben", "eve"]),
    st.integers(-5, 5),  # days before and after
    st.none() | st.integers(-5, 5),  # withdrawn
)
JUDGED = st.tuples(
    st.sampled_from(ENTITIES),
    st.sampled_from(scoring.COMPONENTS),
    st.none() | st.decimals(0, 1, places=6),
    st.integers(-5, 5),
)
WORTH = st.decimals(0, 1000, places=6)
POLICIES = st.fixed_dictionaries(
    {
        **{f"{kind}_points": WORTH for kind in (*scoring.EVIDENCE, *scoring.INTEREST)},
        "evidence_scale": st.decimals("0.001", 100_000, places=6),
        "interest_scale": st.decimals("0.001", 100_000, places=6),
    }
)


@st.composite
def weights(draw: st.DrawFn) -> dict[str, Decimal]:
    """Draw four weights that sum to 1."""
    cuts = sorted(draw(st.lists(st.integers(0, 10**6), min_size=3, max_size=3)))
    parts = [high - low for low, high in zip([0, *cuts], [*cuts, 10**6], strict=True)]
    return {name: Decimal(part).scaleb(-6) for name, part in zip(scoring.WEIGHTS, parts, strict=True)}


def _expected(seen: list[Any], judged: list[Any], policy: WorthPolicy) -> dict[str, tuple[Any, ...]]:
    """Return what the arithmetic makes of each entity of which something is live at noon."""
    terms = worth_policy.terms(policy)
    alive = [row for row in seen if row[4] <= 0 and (row[5] is None or row[5] > 0)]
    made = {}
    for entity in ENTITIES:
        counted = scoring.counts((kind, ref, who) for name, kind, ref, who, *_ in alive if name == entity)
        given = {component: value for name, component, value, day in judged if name == entity and day <= 0}
        if counted or given:
            parts = scoring.components(given, counted, terms)
            made[entity] = (*parts.values(), scoring.score(parts, terms))
    return made


def _scored(policy: WorthPolicy) -> dict[str, tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT entity_id, evidence_strength, novelty, strategic_alignment, community_interest, score "
            f"FROM ({scores.SCORED}) AS s",
            {"now": NOON, **worth_policy.terms(policy)},
        )
        return {name: tuple(rest) for name, *rest in cursor.fetchall()}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OBSERVED, max_size=25), st.lists(JUDGED, max_size=8), POLICIES, weights())
def test_all_at_once_equals_one_by_one(
    seen: list[Any], judged: list[Any], terms: dict[str, Any], shares: dict[str, Any]
) -> None:
    with transaction.atomic():
        Observation.objects.bulk_create(
            Observation(
                entity_type="hypothesis",
                entity_id=entity,
                kind=kind,
                reference=reference,
                principal=principal,
                source="test",
                event_id=str(number),
                at=after(day * DAY),
                withdrawn_at=None if withdrawn is None else after(withdrawn * DAY),
                withdrawn_by="" if withdrawn is None else "ada",
            )
            for number, (entity, kind, reference, principal, day, withdrawn) in enumerate(seen)
        )
        for entity, component, value, day in judged:
            factories.assessment(entity, component, value, at=after(day * DAY))
        policy = worth_policy.change(author=REVIEWER, now=NOON, **terms, **shares)
        expected = _expected(seen, judged, policy)
        assert _scored(policy) == expected
        scores.recompute(now=NOON)
        written = {score.entity_id: score.score for score in Score.objects.filter(superseded_at=None)}
        assert written == {name: row[-1] for name, row in expected.items()}
        transaction.set_rollback(True)
