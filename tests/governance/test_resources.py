"""The Resources page: who may see it, what its tabs tell, and how its live part is fetched."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from django.core.cache import cache
from django.test import Client

from auction import clearing, order_book, pools
from auction.models import Clear
from config.models import User
from economics import kept_figures
from governance import roles
from governance.pages import kept
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db

TABS: Final = ("budgets", "usage", "quests", "auction")


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """Let each test begin and end with nothing remembered of another's rows."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ada() -> Client:
    """Return the browser of a reviewer."""
    person = User.objects.create_user("ada")
    roles.give(person, "reviewer")
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def newcomer() -> Client:
    """Return the browser of somebody on the staff who has no right to anything."""
    client = Client()
    client.force_login(User.objects.create_user("newcomer", is_staff=True))
    return client


def _now() -> datetime:
    return datetime.now(UTC)


def _text(answer: Response) -> str:
    """Return the text of a page's main part, its blanks made one."""
    whole = answer.content.decode()
    main = whole[whole.find("<main") :] if "<main" in whole else whole
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


# Who may see it


@pytest.mark.parametrize("address", ["/resources", "/resources/usage", "/resources/auction/live"])
def test_strangers_are_led_to_the_login_page(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/login/?next={address}")


def test_people_who_are_not_on_the_staff_are_led_there_too() -> None:
    client = Client()
    client.force_login(User.objects.create_user("outside"))
    assert client.get("/resources").headers["Location"].startswith("/admin/login/")


def test_whoever_is_on_the_staff_sees_figures_and_is_led_only_where_they_may_go(newcomer: Client, ada: Client) -> None:
    factories.envelope("h1")
    for tab in TABS:
        main = newcomer.get(f"/resources/{tab}").content.decode().partition("<main")[2].partition("</main>")[0]
        assert "/admin/" not in main, tab
    assert "hypothesis:h1" in _text(newcomer.get("/resources/budgets"))
    assert "/admin/economics/envelope/" in ada.get("/resources/budgets").content.decode()


def test_a_tab_that_does_not_exist_is_not_found(ada: Client) -> None:
    assert ada.get("/resources/secrets").status_code == 404


# The frame


def test_tabs_are_links_and_the_present_one_says_so(ada: Client) -> None:
    for tab in TABS:
        nav = re.search(r'<nav class="page-tabs".*?</nav>', ada.get(f"/resources/{tab}").content.decode(), re.DOTALL)
        assert nav is not None
        assert re.findall(r'href="([^"]*)"', nav[0]) == [f"/resources/{one}" for one in TABS]
        assert re.findall(r'href="([^"]*)" aria-current="page"', nav[0]) == [f"/resources/{tab}"]
    assert "Resources: Budgets" in ada.get("/resources").content.decode()


def test_a_page_is_never_kept_by_a_browser_and_runs_nothing_from_elsewhere(ada: Client) -> None:
    answer = ada.get("/resources/auction")
    assert "no-store" in answer.headers["Cache-Control"]
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert not re.search(rb"<script(?![^>]*src=)|<style|\sstyle=", answer.content)


def test_an_empty_house_says_what_to_do_next(ada: Client) -> None:
    shown = {tab: _text(ada.get(f"/resources/{tab}")) for tab in TABS}
    assert "No entity has an envelope yet." in shown["budgets"]
    assert "Nothing was used in these days." in shown["usage"]
    assert "There is no quest yet." in shown["quests"]
    for words in ("No open bid.", "No slot is open.", "No round yet.", "Nobody won a slot", "Nothing was sold"):
        assert words in shown["auction"]


# What the tabs tell


def test_budgets_tell_totals_the_largest_and_what_is_held(ada: Client) -> None:
    now = _now()
    factories.model()
    small, large = factories.envelope("small", tokens=1_000), factories.envelope("large", tokens=50_000)
    factories.record(small, 300, at=now)
    factories.reserve(large, 200, at=now)
    shown = _text(ada.get("/resources/budgets"))
    assert "LLM tokens a day 0 % 51,000 0 300 200 50,500 2 0" in shown
    assert "hypothesis:large 0 % active day 50,000 0 200 49,800" in shown
    assert shown.index("hypothesis:large") < shown.index("hypothesis:small")
    assert "0.39 USD; no cap is set" in shown
    assert re.search(r"Figures of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", shown)


def test_usage_tells_tiers_with_their_models_types_and_what_has_no_price(ada: Client) -> None:
    now = _now()
    factories.model()
    own = factories.envelope("h1", tokens=10_000)
    factories.record(own, 1_000, at=now)
    factories.record(own, 70, at=now, model="unheard-of")
    factories.record(
        factories.envelope("g1", tokens=9_000, entity_type="knowledge_gap"), 500, at=now - timedelta(days=9)
    )
    shown = _text(ada.get("/resources/usage?days=7"))
    assert "LLM tokens frontier 1,000 1.30 100 % nothing 1" in shown
    assert "deep-1 frontier 1,000 1.30 100 % nothing 1 unheard-of — 70 0.00 0 % 70 1" in shown
    assert "LLM tokens — 70 0.00 0 % 70 1" in shown
    assert "hypothesis 1.30 100 % 1,070 — — 2" in shown
    assert "knowledge_gap" not in shown
    assert "knowledge_gap 0.65 33 % 500 — — 1" in _text(ada.get("/resources/usage?days=30"))


@pytest.mark.parametrize("asked", ["", "0", "8", "-1", "seven", "9" * 40, "%00", "７"])  # noqa: RUF001 - a digit of another script
def test_a_period_that_is_not_offered_is_the_usual_one(ada: Client, asked: str) -> None:
    for tab in ("usage", "quests"):
        shown = ada.get(f"/resources/{tab}?days={asked}").content.decode()
        assert re.findall(r'aria-current="true">([^<]*)<', shown) == ["7 days"]


def test_quests_tell_what_they_spent_and_what_came_of_it(ada: Client) -> None:
    now = _now()
    quest = factories.quest("alzheimer-map", 1_000, title="<b>A map</b>")
    clear = _sold(quest.account_id, factories.quest_task(quest, 3).pk, at=now - timedelta(minutes=5))
    shown = _text(ada.get("/resources/quests"))
    assert "alzheimer-map &lt;b&gt;A map&lt;/b&gt; 0 — 1 0 0 — — — 0 900 100" in shown
    assert clear == "sold"
    assert "No quest has paid for a slot in this time." in shown


def _sold(wallet: int, task: str, *, at: datetime) -> str:
    """Sell a slot of the default pool, whose reserve is 100 here, to the only bid; return the state of the clear."""
    pools.configure(pools.DEFAULT, reserve_tokens=100)
    factories.slot(pools.get(pools.DEFAULT), available_at=at)
    order_book.place_bid(
        wallet=wallet,
        task_id=task,
        max_price_tokens=250,
        expected_value_usd=Decimal(3),
        ttl_at=at + timedelta(hours=1),
        now=at,
    )
    clearing.clear_round(at, pools.DEFAULT)
    return Clear.objects.get(winning_task_id=task).state


def test_the_auction_tells_prices_fill_rate_wins_and_the_book(ada: Client) -> None:
    now = _now() - timedelta(minutes=2)
    pools.configure(pools.DEFAULT, usd_per_token=Decimal("0.01"))
    quest = factories.quest("alzheimer-map", 1_000)
    task = factories.quest_task(quest, 3, title="Read the cohort")
    _sold(quest.account_id, task.pk, at=now)
    order_book.place_bid(
        wallet=quest.account_id,
        task_id=factories.quest_task(quest, 1).pk,
        max_price_tokens=60,
        ttl_at=now + timedelta(hours=1),
        now=now + timedelta(seconds=5),
    )
    shown = _text(ada.get("/resources/auction"))
    assert re.search(r"Round \d+ sold 1 of 1 slots at 100 tokens\.", shown)
    assert "Last price 100 wallet tokens; 100 to 100 in 24 hours, mean 100" in shown
    assert "100 % 1 of 1 slots offered" in shown
    assert "Best bid / lowest ask 60 / — 0 would be sold now" in shown
    assert "Read the cohort quest:alzheimer-map 250 100 sold 2.50 3.00 not graded —" in shown
    assert "alzheimer-map" in shown


# Pools, and what is fetched again and again


@pytest.mark.filterwarnings("error::django.core.cache.CacheKeyWarning")
def test_a_pool_may_be_called_what_no_key_of_a_cache_may(ada: Client) -> None:
    factories.pool("gpu hall\x7f")
    assert ada.get("/resources/auction", {"pool": "gpu hall\x7f"}).status_code == 200


def test_pools_are_chosen_where_there_are_several(ada: Client) -> None:
    assert "<select" not in ada.get("/resources/auction").content.decode()
    factories.pool("gpu-hall")
    cache.clear()
    page = ada.get("/resources/auction?pool=gpu-hall").content.decode()
    assert "<option selected>gpu-hall</option>" in page
    assert 'data-from="/resources/auction/live?pool=gpu-hall"' in page


@pytest.mark.parametrize("name", ["nowhere", "%00", "<script>"])
def test_a_pool_that_does_not_exist_is_said_so_and_the_default_one_is_shown(ada: Client, name: str) -> None:
    answer = ada.get("/resources/auction", {"pool": name} if name != "%00" else {"pool": "\0"})
    assert answer.status_code == 200
    assert f"This is {pools.DEFAULT}." in _text(answer)
    assert b"<script>" not in answer.content


def test_the_live_part_is_that_of_the_page_and_nothing_around_it(ada: Client) -> None:
    page = ada.get("/resources/auction").content.decode()
    part = ada.get("/resources/auction/live").content.decode()
    assert "<html" not in part
    assert part.strip() in page
    assert re.findall(r'data-part="([^"]*)"', part) == [
        *("figures", "prices", "depth", "bids", "asks", "rounds", "wins-chart", "wins"),
    ]


def test_figures_are_kept_for_all_with_the_time_they_are_of(ada: Client, newcomer: Client) -> None:
    first = _text(ada.get("/resources/budgets"))
    factories.envelope("late")
    second = newcomer.get("/resources/budgets")
    assert "No entity has an envelope yet." in _text(second)
    times = [re.search(r"Figures of (\S+ \S+) UTC", text) for text in (first, _text(second))]
    assert len({found[1] for found in times if found}) == 1
    cache.clear()
    assert "late" in _text(newcomer.get("/resources/budgets"))


def test_totals_and_usage_are_those_the_clock_made_last_and_say_of_when(ada: Client) -> None:
    at = _now() - timedelta(seconds=20)
    factories.model()
    own = factories.envelope("h1", tokens=1_000)
    factories.record(own, 300, at=at)
    kept_figures.make_due(now=at)
    factories.record(own, 400, at=_now())
    budgets, usage = (_text(ada.get(f"/resources/{tab}")) for tab in ("budgets", "usage"))
    assert "LLM tokens a day 30 % 1,000 0 300 0 700 1 0" in budgets
    assert f"As of {at:%Y-%m-%d %H:%M:%S} UTC" in budgets
    assert "deep-1 frontier 300 0.39 100 % nothing 1" in usage
    assert f"Figures of {at:%Y-%m-%d %H:%M:%S} UTC" in usage


def test_a_round_that_has_cleared_is_in_the_figures_of_the_day_at_once(ada: Client) -> None:
    quest = factories.quest("q", 1_000)
    ada.get("/resources/auction")
    _sold(quest.account_id, factories.quest_task(quest, 3).pk, at=_now() - timedelta(seconds=5))
    cache.delete(kept.key(f"book:{pools.DEFAULT}"))  # kept for two seconds
    shown = _text(ada.get("/resources/auction/live"))
    assert "quest:q 250 100 sold" in shown
