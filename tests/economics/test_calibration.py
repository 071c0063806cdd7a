"""Were they right: what a review found, against what came after it, worked out by hand and against plain Python."""

from __future__ import annotations

import io
from datetime import date, timedelta
from decimal import Decimal
from statistics import correlation
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import calibration, errors, outcomes, worth_policy
from economics.calibration import Bucket, Question
from economics.models import Review, ReviewLine
from tests import callers, factories
from tests.callers import BOOKS
from tests.factories import NOON, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from economics.models import Envelope

pytestmark = pytest.mark.django_db
DAY: Final = timedelta(days=1)
LATER: Final = NOON + 30 * DAY


def _review(*stood: tuple[Envelope, str], at: Any = NOON, state: str = "draft") -> Review:
    """Return the weekly review that found these envelopes at this market weight and, half of it, priority score."""
    made = Review.objects.create(kind="weekly", period=at.date(), policy=worth_policy.get(), drafted_at=at)
    zero = dict.fromkeys(("step", "floor", "edges", "tokens", "judged"), 0)
    same = {"rule": "keep", "because": "as_it_is", "state_before": "active", "state_after": "active"}
    ReviewLine.objects.bulk_create(
        ReviewLine(
            review=made,
            envelope=own,
            line=own.lines.get(resource_type="llm_tokens", qualifier=""),
            before=own.token_budget,
            after=own.token_budget,
            market_weight=Decimal(weight),
            priority_score=Decimal(weight) / 2,
            is_low=False,
            was_low=False,
            **zero,
            **same,
        )
        for own, weight in stood
    )
    if state != "draft":
        Review.objects.filter(pk=made.pk).update(state=state, decided_at=at, decided_by="ada")
    return made


def _fleet(weights: Sequence[str], edges: Sequence[int], tokens: Sequence[int]) -> list[tuple[Envelope, str]]:
    """Return envelopes at these weights, with what came of them on the day after noon."""
    fleet = [(factories.envelope(), weight) for weight in weights]
    for (own, _weight), gained, used in zip(fleet, edges, tokens, strict=True):
        if gained:
            kind = "edges_gained" if gained > 0 else "edges_removed"
            factories.outcome(own, abs(gained), kind=kind, at=NOON + DAY)
        if used:
            factories.record(own, used, at=NOON + DAY)
    return fleet


def _ten() -> list[tuple[Envelope, str]]:
    """Return ten entities: the higher the market stood, the more edges came of a million tokens each."""
    return _fleet([f"0.{n}" for n in range(10)], range(10), [1_000_000] * 10)


def test_a_market_that_was_right() -> None:
    made = _review(*_ten())
    report = calibration.market(Question(), now=LATER)
    assert report[:10] == (
        *("market weight", made.pk, date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 31), 28, "", 10),
        *(Decimal(1), 10),
    )
    assert report.by_yield == 1
    assert (
        report.says == "Entities with a higher market weight brought in more per token: rank correlation 1.00 "
        "over 10 entities."
    )
    assert report.buckets[0] == Bucket(
        place=1,
        entities=2,
        least=Decimal(0),
        most=Decimal("0.1"),
        mean=Decimal("0.05"),
        edges=Decimal(1),
        tokens=Decimal(2_000_000),
        edges_per_million=Decimal("0.5"),
    )
    assert [bucket.edges_per_million for bucket in report.buckets] == [Decimal(n) / 2 for n in (1, 5, 9, 13, 17)]


def test_scores_that_were_wrong() -> None:
    _review(*_fleet([f"0.{9 - n}" for n in range(10)], range(10), [1_000_000] * 10))
    report = calibration.scores(Question(buckets=2), now=LATER)
    assert report.by_yield == -1
    assert report.says.startswith("Entities with a higher priority score brought in less per token")
    assert [(bucket.least, bucket.most, bucket.edges) for bucket in report.buckets] == [
        (Decimal(0), Decimal("0.2"), Decimal(35)),
        (Decimal("0.25"), Decimal("0.45"), Decimal(10)),
    ]


def test_more_tokens_are_no_better_yield() -> None:
    """Those the market lifted used more and so brought in more; for each token all brought in the same."""
    _review(*_fleet([f"0.{n}" for n in range(10)], range(10, 20), [n * 1_000 for n in range(10, 20)]))
    report = calibration.market(Question(), now=LATER)
    assert (report.by_edges, report.by_yield) == (Decimal(1), None)
    assert report.says == "Nothing to compare: all had the same market weight, or brought in the same per token."


def test_equals_share_a_rank_and_a_bucket() -> None:
    """Six stand at 0 and four at 0.5: mean ranks 3.5 and 8.5, which are the 2nd and the 5th of five buckets."""
    _review(*_fleet(["0"] * 6 + ["0.5"] * 4, [0] * 6 + [5] * 4, [1_000] * 10))
    report = calibration.market(Question(), now=LATER)
    assert [(bucket.place, bucket.entities) for bucket in report.buckets] == [(2, 6), (5, 4)]
    assert report.by_yield == 1


def test_too_little_is_said_to_be_too_little() -> None:
    _review(*_fleet(["0.1"] * 9, [1] * 9, [1_000] * 9), *_fleet(["0.5"], [7], [0]))
    report = calibration.market(Question(), now=LATER)
    assert (report.entities, report.users) == (10, 9)
    assert report.says == "Too little to say: 9 entities used LLM tokens, and 10 are needed."


def test_what_chance_may_explain_is_no_link() -> None:
    _review(*_fleet([f"0.{n}" for n in range(10)], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3], [1_000] * 10))
    report = calibration.market(Question(), now=LATER)
    assert report.says == "No link that chance would not explain: rank correlation 0.39 over 10 entities."


def test_only_what_came_after_it_counts_and_only_for_so_many_days() -> None:
    fleet = _ten()
    _review(*fleet)
    own = fleet[0][0]
    for place, days in enumerate((-1, 0, 1, 28, 29)):
        factories.outcome(own, 10**place, kind="edges_gained", at=NOON + days * DAY)
    everything = sum(range(10))
    sums = {
        days: sum(b.edges for b in calibration.market(Question(days=days), now=LATER).buckets)
        for days in (1, 27, 28, 29)
    }
    assert sums == {1: everything + 100, 27: everything + 100, 28: everything + 1_100, 29: everything + 11_100}


def test_a_young_review_says_how_young() -> None:
    _review(*_ten())
    report = calibration.market(Question(), now=NOON + 4 * DAY)
    assert (report.since, report.until) == (date(2026, 3, 3), date(2026, 3, 6))
    assert report.says.startswith("Only 3 of 28 days have passed. Entities")
    report = calibration.market(Question(), now=NOON)
    assert (report.since, report.until, report.users) == (date(2026, 3, 3), date(2026, 3, 3), 0)
    assert report.says.startswith("Only 0 of 28 days have passed. Too little to say")


def test_the_latest_review_whose_days_have_passed_is_asked() -> None:
    fleet = _ten()
    first, second, third = (_review(*fleet, at=NOON + weeks * 7 * DAY) for weeks in range(3))
    told = [
        calibration.market(Question(), now=NOON + days * DAY).review_id for days in (1, 28, 29, 35, 36, 42, 43, 100)
    ]
    assert told == [first.pk] * 4 + [second.pk] * 2 + [third.pk] * 2
    assert calibration.market(Question(review_id=third.pk), now=NOON).review_id == third.pk
    assert calibration.market(Question(period=second.period), now=NOON).review_id == second.pk


def test_a_review_that_is_not_there_is_refused() -> None:
    Review.objects.create(
        kind="daily",
        period=NOON.date(),
        state="applied",
        policy=worth_policy.get(),
        drafted_at=NOON,
        decided_at=NOON,
        decided_by="policy",
    )
    for asked in (Question(), Question(review_id=1), Question(period=NOON.date())):
        with refused(errors.UnknownReviewError):
            calibration.market(asked, now=LATER)


def test_one_type_and_one_line_of_each_entity() -> None:
    fleet = [(factories.envelope(entity_type="analysis"), "0.5"), *_ten()]
    made = _review(*fleet)
    own = fleet[0][0]
    row = ReviewLine.objects.get(review=made, envelope=own)
    row.pk, row.line = None, factories.line(own, 500)
    row.save(force_insert=True)
    assert [calibration.market(Question(entity_type=kind), now=LATER).entities for kind in ("", "analysis", "x")] == [
        *(11, 1, 0)
    ]
    assert calibration.market(Question(entity_type="x"), now=LATER).buckets == []


def _ranks(numbers: Sequence[Any]) -> list[float]:
    return [(sum(o < n for o in numbers) + sum(o <= n for o in numbers) + 1) / 2 for n in numbers]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.integers(-5, 5), st.sampled_from((0, 1_000, 2_000))), min_size=2, max_size=14
    )
)
@settings(max_examples=40)
def test_it_is_spearmans_correlation(rows: list[tuple[int, int, int]]) -> None:
    weights, edges, tokens = zip(*rows, strict=True)
    made = _review(*_fleet([f"0.{weight}" for weight in weights], edges, tokens), state="discarded")
    report = calibration.market(Question(review_id=made.pk), now=LATER)
    users = [(weight, Decimal(gained) / used) for weight, gained, used in rows if used]
    for pairs, got in ((list(zip(weights, edges, strict=True)), report.by_edges), (users, report.by_yield)):
        ones, others = (_ranks([pair[side] for pair in pairs]) for side in (0, 1))
        if len(set(ones)) < 2 or len(set(others)) < 2:
            assert got is None
        else:
            assert float(got or 0) == pytest.approx(correlation(ones, others), abs=0.0001)
    assert sum(bucket.entities for bucket in report.buckets) == report.entities == len(rows)
    assert sum(bucket.edges for bucket in report.buckets) == sum(edges)


def test_it_takes_as_many_statements_for_many_as_for_few() -> None:
    counts = []
    for _ in range(2):
        made = _review(*_ten(), *_ten(), at=NOON, state="discarded")
        with CaptureQueriesContext(connection) as captured:
            calibration.market(Question(review_id=made.pk), now=LATER)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 8


# The command and the API


def _said(*words: str) -> str:
    out = io.StringIO()
    call_command("calibration", *words, stdout=out, no_color=True)
    return out.getvalue()


def test_the_command_prints_both_reports_as_they_are_read() -> None:
    made = _review(*_ten())
    said = _said("--review", str(made.pk))
    assert said.startswith(
        "Were high-weight entities better?\n"
        f"10 entities by their market weight in review {made.pk} (week of 2026-03-02), and what came in the 28 days "
        "from 2026-03-03:\n"
        "bucket  entities  from   to  mean  net edges  LLM tokens  edges per million\n"
        "     1         2     0  0.1  0.05          1   2,000,000                0.5\n"
    )
    assert "\n\nDid high scores yield more?\n" in said
    assert said.endswith(
        "Rank correlation with net edges: 1 over 10 entities; with edges per token: 1 over the 10 that used tokens.\n"
        "Entities with a higher priority score brought in more per token: rank correlation 1.00 over 10 entities.\n"
    )
    rows = _said("--period", "2026-03-02", "--csv", "--buckets", "2", "--days", "7").splitlines()
    assert rows[0] == "what,bucket,entities,from,to,mean,net edges,LLM tokens,edges per million"
    assert [row.split(",")[:3] for row in rows[1:]] == [
        [what, place, "5"] for what in ("market weight", "priority score") for place in "12"
    ]


def test_the_command_refuses_what_is_not_there() -> None:
    with pytest.raises(CommandError, match="unknown_review: There is no weekly review yet"):
        _said()
    with pytest.raises(CommandError, match="unknown_review: There is no such weekly review"):
        _said("--review", "99")
    with pytest.raises(CommandError, match="1 to 366"):
        _said("--days", "0")


def test_the_reports_over_http() -> None:
    made = _review(*_ten())
    reader = callers.caller("worker")
    for name, what in (("market-calibration", "market weight"), ("score-calibration", "priority score")):
        answer = reader.get(f"{BOOKS}/reports/{name}/", review=made.pk, days=28, buckets=2)
        assert answer.status_code == 200
        told = answer.json()
        assert (told["what"], told["entities"], told["by_yield"], told["since"]) == (what, 10, "1", "2026-03-03")
        assert [(bucket["edges"], bucket["edges_per_million"]) for bucket in told["buckets"]] == [
            ("10", "2"),
            ("35", "7"),
        ]
        assert told["says"].startswith(f"Entities with a higher {what} brought in more")
        assert reader.get(f"{BOOKS}/reports/{name}/", review=made.pk + 1).status_code == 404
        for wrong in ({"days": 0}, {"days": 367}, {"buckets": 21}, {"period": "monday"}, {"review": "x"}):
            assert reader.get(f"{BOOKS}/reports/{name}/", **wrong).status_code == 400
    assert callers.caller(scopes=["market:read"]).get(f"{BOOKS}/reports/market-calibration/").status_code == 403


def test_outcomes_count_as_the_policy_in_force_weighs_them() -> None:
    fleet = _ten()
    _review(*fleet)
    papers = [factories.achieved(own, 2, kind="papers", at=NOON + DAY) for own, _weight in fleet]
    outcomes.record_many(papers, agent_id="g", now=LATER)
    worth_policy.change(author=factories.REVIEWER, now=LATER, paper_edges=Decimal(10))
    assert sum(bucket.edges for bucket in calibration.market(Question(), now=LATER).buckets) == 45 + 10 * 2 * 10
