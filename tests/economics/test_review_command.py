"""`manage.py review`: what a person at a terminal reads, decides and looks ahead at."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from economics import daily, reviews
from economics.models import Envelope, Review
from tests.economics.fleets import MONDAY, gained, member, plain_policy, used
from tests.factories import REVIEWER

pytestmark = pytest.mark.django_db


def _run(*words: str) -> str:
    out = io.StringIO()
    call_command("review", *words, stdout=out)
    return out.getvalue()


def _draft() -> Review:
    """Return the draft by which `good` is to gain 200 tokens of `idle`."""
    plain_policy()
    good, idle = member("good"), member("idle")
    used(good, 1_000, 1_000)
    gained(good, 20)
    used(idle, 100, 100)
    return reviews.draft_weekly(author=REVIEWER, now=MONDAY)


def test_the_newest_review_is_shown_as_a_table() -> None:
    draft = _draft()
    assert _run() == (
        f"Weekly review of 2026-03-02 (id {draft.pk}), by version 2 of the policy of worth. "
        "A draft: nothing has moved. The policy leaves reviews to reviewers.\n"
        f"Decide with --apply {draft.pk} or --discard {draft.pk}, --author NAME and --reason TEXT.\n"
        "LLM tokens  lines  may gain  before  freed  placed  after  reserve  reserve after\n"
        "per week        2         1   2,000    200     200  2,000        0              0\n"
        "\n"
        "2 envelopes, 2 with a proven ROI. Lines: 0 reduced, 1 reclaimed, 1 gain, 0 stay. "
        "Envelopes: 0 capped, 0 released. Largest step 20.0%.\n"
        "\n"
        "The lines that move most (ROI in net edges per million LLM tokens):\n"
        "hypothesis:good  per week  gain     1,000 -> 1,200\n"
        "    ROI 10,000.00 is at least 5,000.00, the good quantile of its type; market weight +0.1. "
        "It gains the most that a review gives, 20% of its base.\n"
        "hypothesis:idle  per week  reclaim  1,000 ->   800\n"
        "    Used 10% of its base in the last window and 10% in the one before.\n"
    )


def test_without_a_review_it_says_what_to_do() -> None:
    assert _run() == "There is no weekly review yet. Draft one with --draft, or look ahead with --dry-run.\n"


def test_a_draft_is_applied_once_in_somebodys_name() -> None:
    draft = _draft()
    words = ("--apply", str(draft.pk), "--author", "ada", "--reason", "reads well")
    assert "UTC by ada: reads well\n" in _run(*words)
    assert "UTC by ada: reads well\n" in _run(*words[:3], "bob", *words[4:])
    assert dict(Envelope.objects.values_list("entity_id", "token_budget")) == {"good": 1_200, "idle": 800}
    with pytest.raises(CommandError, match=r"^review_decided: .* decided_by: ada\.$"):
        _run("--discard", str(draft.pk), "--author", "bob", "--reason", "no")


def test_a_draft_is_discarded_for_a_reason() -> None:
    draft = _draft()
    assert "Discarded" in _run("--discard", str(draft.pk), "--author", "ada", "--reason", "too early")
    assert Review.objects.values_list("state", "decision_reason").get() == ("discarded", "too early")


def test_this_weeks_review_is_drafted_and_shown() -> None:
    member("good")
    assert "Weekly review of" in _run("--draft", "--author", "ada")
    assert Review.objects.values_list("kind", "drafted_by").get() == ("weekly", "ada")
    assert _run("--draft") == _run("--show", str(Review.objects.get().pk)) == _run()


@pytest.mark.parametrize("words", [("--draft", "--dry-run"), ("--what-if", "review_step=0.1", "auto_apply=true")])
def test_looking_ahead_writes_nothing(words: tuple[str, ...]) -> None:
    member("good")
    told = _run(*words)
    assert told.startswith("What this week's review would move ")
    assert "1 envelopes" in told
    assert Review.objects.count() == 0


def test_a_daily_review_is_told_in_lines() -> None:
    good = member("good")
    used(good, 700, before=MONDAY + timedelta(days=7))
    made = daily.review(now=MONDAY + timedelta(days=1))
    told = _run("--show", str(made.pk))
    assert "  LLM tokens used: 700, without a price 700\n" in told
    assert "    hypothesis:good: 0 USD, 700 LLM tokens\n" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--show", "99"], "unknown_review: There is no such review. review_id: 99."),
        (["--apply", "99"], "--apply takes --author and --reason"),
        (["--apply", "99", "--dry-run"], "--dry-run goes with --draft."),
        (["--what-if", "mood=1"], "mood=1: say TERM=VALUE; the terms are evidence_weight, "),
        (["--what-if", "review_step"], "review_step: say TERM=VALUE"),
        (["--what-if", "review_step=much"], "review_step=much: much is no value for review_step."),
        (["--what-if", "roi_days=1.5"], "roi_days=1.5: 1.5 is no value for roi_days."),
        (["--what-if", "auto_apply=1"], "auto_apply=1: 1 is no value for auto_apply."),
        (["--what-if", "review_step=0.9"], "invalid_policy: "),
        (["--what-if", "gain=NaN"], "invalid_policy: "),
        (["--what-if", "roi_days=40000"], "invalid_policy: "),
    ],
)
def test_what_is_not_understood_or_refused_is_said(words: list[str], said: str) -> None:
    with pytest.raises(CommandError) as error:
        _run(*words)
    assert str(error.value).startswith(said)
