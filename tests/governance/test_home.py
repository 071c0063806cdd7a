"""The home page: who sees which panel, what each says, what a new operator is told, and how many queries it takes."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from auction import quests
from auction.models import AuditRun, Pool, Round
from config import keys
from economics import budget_policy, safety, stops
from economics.models import Envelope
from governance import ballots
from tests import factories, reviewers
from tests.factories import REVIEWER
from tests.governance import senate
from tests.reviewers import page, staff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from config.models import User
    from governance.models import Proposal

pytestmark = pytest.mark.django_db

PANELS = {"queue", "near", "spend", "spenders", "pools", "alerts", "audit", "upkeep"}


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    """Begin and end without what pages kept of another test's house."""
    cache.clear()
    yield
    cache.clear()


def _signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _now() -> datetime:
    return timezone.now()


def _home(client: Client) -> dict[str, Any]:
    """Return what the page is made of, its panels without markup."""
    response = client.get(reverse("admin:index"))
    assert response.status_code == 200
    made: dict[str, Any] = dict(response.context["home"])
    return {name: _plain(part) if name in PANELS else part for name, part in made.items()}


def _plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup)).strip()


def _figures(client: Client) -> dict[str, tuple[str, str, str]]:
    return {figure.title: (figure.value, figure.note, figure.tone) for figure in _home(client)["figures"]}


def _asked(**terms: Any) -> Proposal:
    draft = senate.draft(gain_by=_now() + timedelta(days=28), filed_at=_now(), **terms)
    return ballots.submit(draft.pk, by=senate.proposer(senate.scout()), now=_now())


def _spent(tokens: int, *, entity: str = "h1", budget: int = 1_000) -> Envelope:
    """Return an envelope of so many tokens a day, of which some were used now, checked against its limit."""
    own = factories.envelope(entity, tokens=budget, at=_now())
    factories.record(own, tokens, at=_now())
    safety.check(now=_now())
    return own


def _round(pool: Pool, price: int | None, *, sold: int, minutes: int = 5) -> Round:
    """Return a round of some minutes ago that offered four slots."""
    at = _now() - timedelta(minutes=minutes)
    Pool.objects.filter(pk=pool.pk).update(last_round_at=at)
    figures = {"market_price_tokens": price, "slots_offered": 4, "slots_sold": sold, "bids_lost": 0}
    sums = {"charged_tokens": (price or 0) * sold, "premium_tokens": 0}
    kept: dict[str, Any] = {"parameters": {}, "frontier": {}, "digest": "", "pricing_rule": "uniform"}
    return Round.objects.create(pool=pool, cycle_at=at, cleared_at=at, **figures, **sums, **kept)


# Who sees what


@pytest.mark.parametrize(
    ("right", "shown"),
    [
        ("governance.view_proposal", {"queue"}),
        ("economics.view_envelope", {"near"}),
        ("economics.view_usageday", {"spend", "spenders"}),
        ("auction.view_round", {"pools"}),
        ("auction.view_auditrun", {"audit"}),
        ("economics.view_usage", {"upkeep"}),
        ("economics.view_alert", {"alerts"}),
    ],
)
def test_each_panel_takes_its_right(client: Client, right: str, shown: set[str]) -> None:
    home = _home(staff(client, right))
    assert {name for name in PANELS if home.get(name)} == shown


def test_a_reviewer_sees_every_panel_and_nobody_else_sees_any(client: Client) -> None:
    assert _home(_signed_in(senate.reviewer())).keys() >= PANELS
    home = _home(staff(client))
    assert (home["figures"], home["steps"], home["pause"]) == ([], [], None)
    assert not PANELS & home.keys()


def test_what_is_kept_for_one_is_not_shown_to_who_may_not_see_it(client: Client) -> None:
    _spent(900)
    assert "hypothesis:h1" in _home(_signed_in(senate.reviewer()))["near"]
    assert "near" not in _home(staff(client, "economics.view_usageday"))


def test_names_of_entities_lead_to_envelopes_for_those_who_may_see_them(client: Client) -> None:
    own = _spent(900)
    leads = f'href="{page(Envelope, own.pk)}"'
    assert leads in str(_signed_in(senate.reviewer()).get(reverse("admin:index")).context["home"]["alerts"])
    reader = staff(client, "economics.view_alert")
    assert leads not in str(reader.get(reverse("admin:index")).context["home"]["alerts"])


# What the panels say


def test_spend_stands_against_the_cap_of_the_fleet(client: Client) -> None:
    factories.model()
    reader = staff(client, "economics.view_usageday")
    assert _figures(reader)["Spent today"] == ("0.00", "USD; no cap is set", "")
    for cap, said in (
        ("10", ("1.30", "of 10.00 USD (13 %)", "good")),
        ("1.5", ("1.30", "of 1.50 USD (87 %)", "wait")),
        ("1", ("1.30", "of 1.00 USD (130 %)", "bad")),
    ):
        if cap == "10":
            _spent(1_000)
        budget_policy.change(author=REVIEWER, now=_now(), fleet_daily_usd=Decimal(cap))
        assert _figures(reader)["Spent today"] == said


def test_spend_is_drawn_by_tier_with_a_table_behind_it(client: Client) -> None:
    factories.model()
    _spent(1_000)
    home = _home(staff(client, "economics.view_usageday"))
    assert "Spend of the last 30 days USD a day; 1.30 in all" in home["spend"]
    assert "Day frontier all" in home["spend"]
    assert home["spend"].endswith("1.30 1.30")
    assert "hypothesis:h1 1.30" in home["spenders"]


def test_kinds_beyond_the_palette_are_drawn_as_one(client: Client) -> None:
    own = factories.envelope(tokens=10_000, at=_now())
    for place in range(8):
        factories.model(f"model-{place}", tier=f"tier-{place}", rate="0.001", output_rate="0.001")
        factories.record(own, 100 * (9 - place), at=_now(), model=f"model-{place}")
    told = _home(staff(client, "economics.view_usageday"))["spend"]
    assert "Day tier-0 tier-1 tier-2 tier-3 tier-4 others all" in told
    assert told.endswith("0.90 0.80 0.70 0.60 0.50 0.90 4.40")


def test_lines_near_their_limits_are_told_with_what_is_left(client: Client) -> None:
    _spent(900)
    _spent(1_100, entity="h2")
    home = _home(staff(client, "economics.view_envelope"))
    assert home["figures"][0][1:4] == ("2", "1 reached it", "bad")
    told = home["near"]
    assert told.index("hypothesis:h2 frozen LLM tokens per day 110 % 1,100 of 1,000") < told.index("hypothesis:h1")
    assert "hypothesis:h1 LLM tokens per day 90 % 900 of 1,000; resets" in told


def test_what_waits_for_a_vote_comes_with_its_deadline_until_it_is_cast() -> None:
    ada, ben = senate.reviewer("ada"), senate.reviewer("ben")
    proposal = _asked()
    told = _home(_signed_in(ada))
    assert f"hypothesis:{proposal.entity_id} +500 LLM tokens a window 0 of 2" in told["queue"]
    assert _figures(_signed_in(ada))["Waits for me"] == ("1", "first vote closes in 2 days", "wait")
    ballots.cast(proposal.pk, voter=ada, choice="reject", reason="No.", now=_now())
    assert _figures(_signed_in(ada))["Waits for me"] == ("0", "no vote of yours is asked for", "good")
    assert _figures(_signed_in(ben))["Waits for me"][0] == "1"


def test_more_votes_than_are_shown_are_counted() -> None:
    ada, _ben = senate.reviewer("ada"), senate.reviewer("ben")
    for _number in range(8):
        _asked()
    told = _home(_signed_in(ada))["queue"]
    assert told.count("+500 LLM tokens") == 6
    assert "2 more wait for your vote." in told


def test_rounds_are_told_by_pool_with_price_and_fill_rate(client: Client) -> None:
    pool, still = factories.pool("busy"), factories.pool("still")
    Pool.objects.filter(pk=still.pk).update(mode="stopped")
    _round(pool, 70, sold=3, minutes=30)
    _round(pool, 90, sold=4)
    _round(still, None, sold=0, minutes=90)
    home = _home(staff(client, "auction.view_round"))
    assert home["figures"][0][1:4] == ("58 %", "7 of 12 slots in 24 h; still is stopped", "wait")
    assert "busy last round 5 minutes ago 90 88 %" in home["pools"]
    assert "still stopped last round 1 hour ago — 0 %" in home["pools"]
    assert "Price in busy" in home["pools"]
    assert re.search(r"\d\d:\d\d busy 90 4 of 4 \d\d:\d\d busy 70 3 of 4", home["pools"])


@pytest.mark.parametrize(
    ("minutes", "differences", "figure", "said"),
    [
        (4, 0, ("passed", "last pass 4 minutes ago", "good"), "are what the rows behind them say"),
        (40, 0, ("passed", "last pass 40 minutes ago", "wait"), "see whether beat and worker run"),
        (4, 1, ("1 difference", "last pass 4 minutes ago", "bad"), "Read the report"),
    ],
)
def test_the_audit_tells_its_result_and_the_time_of_its_last_pass(
    client: Client, minutes: int, differences: int, figure: tuple[str, str, str], said: str
) -> None:
    at = _now() - timedelta(minutes=minutes, seconds=1)
    found = [{"what": "held", "stored": "1", "rebuilt": "2"}] * differences
    AuditRun.objects.create(started_at=at, finished_at=at, passed=not found, differences=found)
    auditor = staff(client, "auction.view_auditrun")
    assert _figures(auditor)["Audit"] == figure
    assert said in _home(auditor)["audit"]
    assert f"{at:%Y-%m-%d %H:%M} UTC" in _home(auditor)["audit"]


def test_a_pause_of_the_fleet_is_told_first() -> None:
    stops.pause(author=REVIEWER._replace(who="olga", why="<b>a runaway</b>"), now=_now())
    shown = _signed_in(senate.reviewer()).get(reverse("admin:index")).content.decode()
    assert "All spending of the fleet is paused" in shown
    assert "by olga: &lt;b&gt;a runaway&lt;/b&gt;" in shown


def test_usage_without_a_price_is_told_and_where_to_price_it(client: Client) -> None:
    reader = staff(client, "economics.view_usage", "economics.view_price")
    assert "All usage has its price. Nobody has checked the limits yet" in _home(reader)["upkeep"]
    _spent(100)
    told = _home(reader)["upkeep"]
    assert told.startswith("Upkeep 1 row of usage has no price yet")
    assert told.endswith("Limits were checked just now. Price it")


# A new house


def test_a_new_house_says_what_to_do_first_until_it_is_done() -> None:
    operator = Client()
    reviewers.root(operator)
    steps = _home(operator)["steps"]
    assert [step.is_done for step in steps] == [False] * len(steps)
    assert all(step.link for step in steps)
    senate.reviewers(2)
    factories.model()
    budget_policy.change(author=REVIEWER, now=_now(), fleet_daily_usd=Decimal(50))
    factories.envelope()
    assert [step.is_done for step in _home(operator)["steps"]] == [True, True, True, True, False, False]
    keys.issue(
        agent=senate.scout(),
        scopes=["budgets:read"],
        lifetime=keys.LIFETIME,
        label="",
        prefix="0" * 12,
        issued_by=None,
        now=_now(),
    )
    factories.quest("tau")
    assert quests.are_open()
    assert _home(operator)["steps"] == []


def test_a_step_leads_only_those_who_may_take_it(client: Client) -> None:
    assert _home(_signed_in(senate.reviewer()))["steps"] == []
    steps = _home(staff(client, "auction.add_quest"))["steps"]
    assert [bool(step.link) for step in steps] == [False] * 5 + [True]


def test_every_panel_says_something_where_there_is_nothing() -> None:
    home = _home(_signed_in(senate.reviewer()))
    for panel, said in (
        ("queue", "Nothing waits for you."),
        ("near", "No envelope has used 80 % of a limit"),
        ("spend", "Nothing spent in these days."),
        ("spenders", "Nothing was spent today or yesterday."),
        ("pools", "No round in the last 24 hours."),
        ("alerts", "No alerts."),
        ("audit", "No pass yet."),
    ):
        assert said in home[panel], panel


# Queries


def _queries(person: User) -> tuple[int, int]:
    """Return how many queries the page takes with nothing kept, and how many the next one."""
    client, counts = _signed_in(person), []
    cache.clear()
    for _time in range(2):
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("admin:index"))
        counts.append(len(captured))
    return counts[0], counts[1]


def test_the_number_of_queries_is_the_same_for_few_rows_and_for_many() -> None:
    ada = senate.reviewer("ada")
    senate.reviewer("ben")
    pool = factories.pool("busy")
    counts = []
    for number in (1, 40):
        for place in range(number):
            _asked()
            _spent(900, entity=f"spent-{number}-{place}")
            _round(pool, 10 + place, sold=1, minutes=number + place)
            _round(factories.pool(), 10, sold=1)
        AuditRun.objects.create(started_at=_now(), finished_at=_now(), passed=True)
        counts.append(_queries(ada))
    assert counts[0] == counts[1]
    assert counts[0][0] <= 25
    assert counts[0][1] <= 16
