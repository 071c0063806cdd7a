"""Reviews in the admin: what a reviewer reads, who may decide, and what a look ahead shows and does not write."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from economics import daily, envelopes, reviews, revisions, worth_policy
from economics.models import Envelope, Reserve, Review, ReviewLine, ReviewPool, WorthPolicy
from tests import reviewers
from tests.economics import fleets
from tests.economics.fleets import MONDAY, gained, member, plain_policy, used
from tests.factories import REVIEWER
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

WHAT_IF, DRAFT = (reverse(f"admin:economics_review_{name}") for name in ("what_if", "draft"))


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _fleet() -> tuple[Envelope, Envelope]:
    """Return two envelopes of 1,000 a week: `good` with 20 edges for its tokens, and `idle`, which used a tenth."""
    plain_policy()
    good, idle = member("good"), member("idle")
    used(good, 1_000, 1_000)
    gained(good, 20)
    used(idle, 100, 100)
    return good, idle


def _draft() -> Review:
    """Return the draft by which `good` is to gain 200 tokens of `idle`."""
    _fleet()
    return reviews.draft_weekly(author=REVIEWER, now=MONDAY)


def _cells(response: Any, section: str) -> list[list[str]]:
    """Return the rows of the table under a heading, as text."""
    found = re.search(rf"<h2[^>]*>\s*{section}.*?<tbody>(.*?)</tbody>", response.content.decode(), re.DOTALL)
    assert found, section
    rows = re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


# Reading


def test_a_review_shows_what_moves_by_pool_by_rule_and_by_line(root: Client) -> None:
    shown = root.get(page(Review, _draft().pk))
    assert _cells(shown, "What moves") == [["per week", "2", "1", "2,000", "-200", "+200", "2,000", "0", "0"]]
    assert [row[:2] for row in _cells(shown, "By rule")[:4]] == [
        ["Reduced", "0"],
        ["Reclaimed", "1"],
        ["Gained", "1"],
        ["Kept", "0"],
    ]
    gain, reclaim = _cells(shown, "The 20 lines")
    assert gain[:6] == ["hypothesis:good", "per week", "gain", "1,000", "1,200", "+200"]
    assert reclaim[5:] == ["-200", "Used 10% of its base in the last window and 10% in the one before."]
    assert "A draft; nothing has moved. The policy leaves reviews to reviewers." in shown.content.decode()


def test_a_review_tells_what_moves_by_type_of_entity(root: Client) -> None:
    shown = root.get(page(Review, _draft().pk))
    assert _cells(shown, "By type of entity") == [
        ["hypothesis", "per week", "2", "2", "2,000", "-200", "+200", "2,000"]
    ]


def test_the_lines_of_a_review_are_sent_with_their_reasons_and_figures(root: Client) -> None:
    draft = _draft()
    asked: dict[str, Any] = {"review__id__exact": draft.pk, "rule__exact": "reclaim"}
    response: Any = root.get(f"{page(ReviewLine)}export/", asked)
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    (row,) = csv.DictReader(text.splitlines())
    told = [row[name] for name in ("week", "entity_id", "rule", "before", "after", "window_kind", "reason")]
    why = "Used 10% of its base in the last window and 10% in the one before."
    assert told == [str(draft.period), "idle", "reclaim", "1000", "800", "week", why]


def test_a_review_takes_as_many_queries_for_many_lines_as_for_few(root: Client) -> None:
    first = _draft()
    counts = []
    for review in (first, None):
        made = review or _many()
        addresses = (page(Review), page(Review, made.pk), f"{page(ReviewLine)}?review__id__exact={made.pk}")
        for address in addresses:
            root.get(address)  # what a process asks for once
            cache.clear()
            with CaptureQueriesContext(connection) as captured:
                assert root.get(address).status_code == 200
            counts.append(len(captured))
    assert counts[:3] == counts[3:]
    assert max(counts) <= 15


def _many() -> Review:
    """Return next week's draft, over five hundred envelopes more."""
    for number in range(500):
        member(f"more-{number}")
    return reviews.draft_weekly(author=REVIEWER, now=MONDAY + timedelta(days=7))


@pytest.mark.parametrize("key", ["abc", "9" * 30, "a%00b", "-1"])
def test_there_is_no_page_of_a_review_that_is_not_there(root: Client, key: str) -> None:
    assert root.get(page(Review, 1).replace("/1/", f"/{key}/")).status_code == 302


def test_a_review_leads_to_its_lines_and_to_its_neighbours(root: Client) -> None:
    first = _draft()
    reviews.discard(first.pk, author=REVIEWER, now=MONDAY)
    second = reviews.draft_weekly(author=REVIEWER, now=MONDAY + timedelta(days=7))
    assert page(Review, second.pk) in root.get(page(Review, first.pk)).content.decode()
    shown = root.get(page(Review, second.pk)).content.decode()
    assert page(Review, first.pk) in shown
    assert f"review__id__exact={second.pk}&amp;moved=yes" in shown


def test_the_list_tells_what_moves_and_what_waits(root: Client) -> None:
    _draft()
    shown = root.get(page(Review)).content.decode()
    assert "per week: 200 freed, 200 placed" in shown
    assert "The policy leaves reviews to reviewers." in shown


def test_a_daily_review_is_a_table_of_its_figures(root: Client) -> None:
    good, _idle = _fleet()
    used(good, 700, before=MONDAY + timedelta(days=7))
    made = daily.review(now=MONDAY + timedelta(days=1))
    shown = root.get(page(Review, made.pk))
    assert ["LLM tokens used", "700", "that day"] in _cells(shown, "What the day came to")
    assert _cells(shown, "Who spent most") == [["hypothesis:good", "0", "700"]]
    empty = root.get(page(Review, daily.review(now=MONDAY + timedelta(days=3)).pk))
    assert "Nobody used anything that day." in empty.content.decode()


def test_lines_can_be_narrowed_and_tell_why(root: Client) -> None:
    draft = _draft()
    asked: dict[str, Any] = {
        "review__id__exact": draft.pk,
        "rule__exact": "reclaim",
        "moved": "yes",
        "type": "hypothesis",
    }
    shown = root.get(page(ReviewLine), asked)
    assert [line.envelope.entity_id for line in shown.context["cl"].result_list] == ["idle"]
    assert "Used 10% of its base" in shown.content.decode()
    assert list(root.get(page(ReviewLine), {"moved": "no"}).context["cl"].result_list) == []


def test_a_line_shows_what_it_was_judged_by(root: Client) -> None:
    draft = _draft()
    line = draft.lines.get(envelope__entity_id="idle")
    shown = root.get(page(ReviewLine, line.pk))
    assert "reclaim (idle)" in shown.content.decode()
    assert ["Used last", "10%", "of its base, in the last full window"] in _cells(shown, "The figures it was judged by")


def test_looking_ahead_says_in_words_what_no_policy_may_be(root: Client) -> None:
    terms = worth_policy.terms(worth_policy.get())
    asked = {name: str(value) for name, value in terms.items() if value is not False}
    shown = root.get(WHAT_IF, {**asked, "asked": "yes", "novelty_weight": "0.9"}).content.decode()
    assert "The four weights of a score sum to 1." in shown
    assert "worth_weights_sum_to_one" not in shown


def test_pools_and_reserves_are_listed(root: Client) -> None:
    draft = _draft()
    fleets.reserve(1_234, tier="frontier")
    assert "1,234" in root.get(page(Reserve)).content.decode()
    assert list(root.get(page(ReviewPool)).context["cl"].result_list) == list(draft.pools.all())


def test_an_envelope_shows_its_last_reviews(root: Client) -> None:
    draft = _draft()
    idle = Envelope.objects.get(entity_id="idle")
    shown = root.get(page(Envelope, idle.pk)).content.decode()
    assert page(Review, draft.pk) in shown
    assert "Used 10% of its base" in shown
    other = member("unseen")
    assert "no weekly review has looked at it yet" in root.get(page(Envelope, other.pk)).content.decode()


# Deciding


def test_apply_shows_what_will_move_and_asks_why(root: Client) -> None:
    draft = _draft()
    asked = press(root, "apply_review", draft)
    text = asked.content.decode()
    assert (asked.status_code, "per week" in text, "-200" in text) == (200, True, True)
    assert "days ago, on the figures of then" in text  # the test's Monday is long past
    assert Review.objects.get().state == "draft"
    done = press(root, "apply_review", draft, confirmed="yes", reason="looks right")
    assert said(done)[-1] == "Applied: per week: 200 freed, 200 placed."
    told = Review.objects.values_list("state", "decided_by", "decision_reason").get()
    assert told == ("applied", "root", "looks right")
    assert dict(Envelope.objects.values_list("entity_id", "token_budget")) == {"good": 1_200, "idle": 800}
    assert LogEntry.objects.get().change_message == "Applied: looks right"


def test_a_fresh_draft_comes_without_a_warning(root: Client) -> None:
    draft = _draft()
    fresh = Review.objects.create(
        kind="weekly", period=draft.period + timedelta(days=7), policy=draft.policy, drafted_at=timezone.now(),
        figures=draft.figures,
    )  # fmt: skip
    assert "figures of then" not in press(root, "apply_review", fresh).content.decode()


def test_apply_without_a_reason_asks_again(root: Client) -> None:
    asked = press(root, "apply_review", _draft(), confirmed="yes", reason="")
    assert (asked.status_code, list(asked.context["form"].errors)) == (200, ["reason"])


def test_a_stale_draft_is_told_with_what_moved(root: Client) -> None:
    draft = _draft()
    idle = Envelope.objects.get(entity_id="idle")
    envelopes.change(idle.pk, author=REVIEWER, now=MONDAY, token_budget=5)
    done = press(root, "apply_review", draft, confirmed="yes", reason="looks right")
    assert said(done)[-1].endswith("discard it and draft another. [stale_review: moved hypothesis:idle]")
    assert Review.objects.get().state == "draft"
    assert LogEntry.objects.count() == 0 or not Review.objects.filter(state="applied").exists()


def test_discard_asks_why_and_a_decided_review_offers_no_deed(root: Client) -> None:
    draft = _draft()
    assert press(root, "discard_review", draft).status_code == 200
    press(root, "discard_review", draft, confirmed="yes", reason="too early")
    assert Review.objects.values_list("state", "decision_reason").get() == ("discarded", "too early")
    assert re.findall(r'name="action" value="(\w+)"', root.get(page(Review, draft.pk)).content.decode()) == []
    again = press(root, "apply_review", draft, confirmed="yes", reason="after all")
    assert said(again)[-1] == "The weekly review of 2026-03-02 was discarded by root."


def test_this_weeks_review_is_drafted_once(root: Client) -> None:
    _fleet()
    assert root.get(DRAFT).status_code == 405
    first, second = root.post(DRAFT), root.post(DRAFT)
    made = Review.objects.get()
    assert first.headers["Location"] == second.headers["Location"] == page(Review, made.pk)
    assert (made.drafted_by, said(second)) == ("root", ["Drafted.", "This week's review is there already."])


@pytest.mark.parametrize(
    ("permissions", "deeds"),
    [
        (["economics.view_review"], []),
        (["economics.view_review", "economics.change_review"], ["apply_review", "discard_review"]),
    ],
)
def test_only_those_with_the_right_decide(client: Client, permissions: list[str], deeds: list[str]) -> None:
    draft, reader = _draft(), staff(client, *permissions)
    assert offered(reader, Review) == deeds
    assert ("Draft this week" in reader.get(page(Review)).content.decode()) == bool(deeds)
    assert reader.get(WHAT_IF).status_code == 200
    press(reader, "apply_review", draft, confirmed="yes", reason="mine")
    assert Review.objects.get().state == ("applied" if deeds else "draft")
    assert reader.post(DRAFT).status_code == (302 if deeds else 403)


def test_a_stranger_sees_no_review(client: Client) -> None:
    draft, stranger = _draft(), staff(client, "economics.view_envelope")
    assert [stranger.get(where).status_code for where in (page(Review), page(Review, draft.pk), WHAT_IF)] == [403] * 3


# Looking ahead


def _asked(**changes: object) -> dict[str, Any]:
    """Return the form as a person sends it: all terms of the policy in force but for `changes`."""
    present = worth_policy.terms(worth_policy.get())
    terms = {name: value for name, value in {**present, **changes}.items() if value is not False}
    return {"asked": "yes", **terms}


def test_a_look_ahead_sets_both_policies_beside_each_other(root: Client) -> None:
    _fleet()
    before = WorthPolicy.objects.count()
    shown = root.get(WHAT_IF, _asked(roi_days=14, review_step="0.1"))
    assert "Review step: 0.2 → 0.1" in shown.context["changes"]
    assert len(shown.context["changes"]) == 2
    assert "Now" in shown.content.decode()
    assert (Review.objects.count(), WorthPolicy.objects.count()) == (0, before)


def test_a_look_ahead_begins_with_the_policy_in_force(root: Client) -> None:
    shown = root.get(WHAT_IF)
    assert 'name="review_step" value="0.2"' in shown.content.decode()
    assert "lines" not in shown.context  # nothing is drafted before it is asked for
    same = root.get(WHAT_IF, _asked())
    assert "changes" not in same.context
    assert "lines" in same.context
    assert same.context["form"].errors == {}


def test_a_look_ahead_without_envelopes_says_so(root: Client) -> None:
    text = root.get(WHAT_IF, _asked()).content.decode()
    assert "There is no line of LLM tokens with a ceiling" in text
    assert "No line moves." in text


@pytest.mark.parametrize("changes", [{"evidence_weight": "0.5"}, {"review_step": "0.9"}, {"roi_days": "often"}])
def test_a_policy_that_may_not_be_is_told_at_the_form(root: Client, changes: dict[str, object]) -> None:
    shown = root.get(WHAT_IF, _asked(**changes))
    assert (shown.status_code, bool(shown.context["form"].errors)) == (200, True)
    assert "No such policy may be" in shown.content.decode()


def test_the_author_of_a_policys_own_review_is_the_policy(root: Client) -> None:
    _fleet()
    worth_policy.change(
        author=revisions.Author("ada", "why"), now=MONDAY, auto_apply=True, auto_most_step=1, auto_most_share=1
    )
    made = reviews.draft_when_due(now=MONDAY)
    assert made is not None
    assert "applied 2026-03-02 00:00 UTC by policy" in root.get(page(Review, made.pk)).content.decode()


def test_the_terms_that_are_changed_are_unfolded(root: Client) -> None:
    _fleet()
    fields = root.get(WHAT_IF).context["form"]
    assert [is_open for _title, _fields, is_open in fields.groups()] == [True] + [False] * 6
    data = {"asked": "yes", **{name: field.value() for name, field in ((f.name, f) for f in fields)}, "roi_days": 14}
    asked = root.get(WHAT_IF, {name: value for name, value in data.items() if value is not False})
    unfolded = [title for title, _fields, is_open in asked.context["form"].groups() if is_open]
    assert (unfolded[0], "ROI" in unfolded, len(unfolded)) == ("Weekly reviews", True, 2)
