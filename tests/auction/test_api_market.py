"""The market in public: what everybody may see, and that nobody's name is in it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction import clearing
from auction.models import Clear, Pool
from tests import callers, factories
from tests.callers import MARKET, Caller

pytestmark = pytest.mark.django_db


class Market(NamedTuple):
    """Three traders with telling names, five bids, three slots sold, one of them run and graded."""

    pool: Pool
    traders: list[Caller]
    provider: Caller
    clears: list[Clear]


@pytest.fixture
def market() -> Market:
    """Play one round a minute ago and leave bids and offers for the next."""
    then = callers.now() - timedelta(minutes=1)
    pool = factories.pool("market", cycle_seconds=1)
    traders = [callers.trader(name=f"trader-named-{name}") for name in ("ann", "ben", "cem")]
    wallets = [factories.wallet(owner=trader.agent) for trader in traders]
    provider = callers.caller("provider", name="provider-named-pia")
    factories.slots(pool, 2)
    factories.slot(
        pool,
        provider=provider.agent,
        available_at=then - timedelta(hours=1),
        offer_until=callers.now() + timedelta(hours=1),
    )
    for number, price in enumerate((500, 400, 300, 200, 100)):
        work = factories.task(
            wallets[number % 3], f"task-named-{number}", entity_type="hypothesis", entity_id="entity-named"
        )
        factories.bid(wallets[number % 3], price, pool, work=work, at=then)
    clearing.clear_round(then, pool.name)
    clears = list(Clear.objects.order_by("-max_price_tokens"))
    factories.run(clears[0], 2000, Decimal("12.5"), at=then + timedelta(seconds=1))
    factories.slot(pool, provider=provider.agent, available_at=then, offer_until=callers.now() + timedelta(hours=1))
    factories.slot(pool, reserve=50)
    for number, price in ((0, 70), (1, 90), (2, 70)):
        factories.bid(wallets[number], price, pool, at=callers.now())
    return Market(pool, traders, provider, list(Clear.objects.order_by("pk")))


def _read(path: str, **query: object) -> Any:
    answer = callers.caller("exchange").get(f"{MARKET}/{path}", **query)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def test_no_public_page_names_anybody(market: Market) -> None:
    outsider = callers.caller("exchange", name="outsider")
    slot, sold = market.clears[0].slot_id, market.clears[0].round_id
    for path in (
        *("order-book?pool=market", "stats?pool=market", "rounds", f"rounds/{sold}", "clears", f"clears/{slot}"),
        *("slots", f"slots/{slot}", "pools", "pools/market", "bids", "tasks", "wins"),
    ):
        answer = outsider.get(f"{MARKET}/{path}")
        assert answer.status_code == 200, path
        assert b"named" not in answer.content, path
        assert b"owner" not in answer.content, path
        own = path in {"bids", "tasks", "wins"}
        shown = json.loads(answer.content)
        assert not own or shown["results"] == []
        assert own or shown.get("results", shown)


def test_the_book_shows_depth_by_price_and_open_slots(market: Market) -> None:
    book = _read("order-book", pool="market")
    assert book["bids"] == [
        {"price_tokens": 90, "count": 1, "cumulative": 1},
        {"price_tokens": 70, "count": 2, "cumulative": 3},
    ]
    assert [ask["ask_tokens"] for ask in book["asks"]] == [1, 50]
    assert [len(side) for side in _read("order-book", pool="market", limit=1).values()] == [1, 1]


def test_the_statistics_tell_the_last_day(market: Market) -> None:
    stats = _read("stats", pool="market")
    assert (stats["rounds"], stats["slots_sold"], stats["fill_rate"]) == (1, 3, 1.0)
    assert (stats["charged_tokens"], stats["premium_released_tokens"]) == (600, 600)
    assert stats["top_wins"][0]["actual_impact"] == "12.5"
    assert stats["top_wins"][0]["impact_roi"] == "0.00625"


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        *(("order-book", {"limit": limit}, code) for limit, code in (("0", "min_value"), ("1001", "max_value"))),
        *(("order-book", {"limit": limit}, "invalid") for limit in ("x", "1.5", "")),
        *(("stats", {"hours": hours}, code) for hours, code in (("0", "min_value"), ("721", "max_value"))),
        *((path, {"pool": ""}, "blank") for path in ("order-book", "stats")),
        ("order-book", {"pool": "a\0b"}, "null_characters_not_allowed"),
        ("rounds", {"since": "yesterday"}, "invalid"),
        ("rounds", {"since": "2026-01-01T00:00:00"}, "zone_missing"),
        ("clears", {"state": "sold out"}, "invalid_choice"),
        ("clears", {"graded": "maybe"}, "invalid_choice"),
        ("clears", {"pool": "a\0b"}, "null_characters_not_allowed"),
        ("slots", {"own": "maybe"}, "invalid_choice"),
        ("bids", {"status": "maybe"}, "invalid_choice"),
    ],
)
def test_a_query_that_means_nothing_is_refused(path: str, query: dict[str, object], code: str) -> None:
    answer = callers.caller().get(f"{MARKET}/{path}", **query)
    document = callers.problem(answer)
    assert (answer.status_code, document["code"]) == (400, code)
    assert [fault["parameter"] for fault in document["errors"]] == list(query)


@pytest.mark.parametrize("path", ["order-book", "stats"])
def test_an_unknown_pool_is_said_to_be_one(path: str) -> None:
    answer = callers.caller().get(f"{MARKET}/{path}", pool="nowhere")
    assert (answer.status_code, callers.problem(answer)["code"]) == (404, "unknown_pool")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *(("pools/nowhere", "unknown_pool"), ("rounds/7", "not_found"), ("clears/nothing", "unknown_slot")),
        *(("slots/nothing", "unknown_slot"), ("bids/7", "unknown_bid"), ("tasks/nothing", "unknown_task")),
        ("wins/nothing", "unknown_slot"),
    ],
)
def test_what_is_not_there_is_named(path: str, code: str) -> None:
    answer = callers.trader().get(f"{MARKET}/{path}")
    assert (answer.status_code, callers.problem(answer)["code"]) == (404, code)


def test_a_round_shows_its_parameters_and_keeps_its_frontier(market: Market) -> None:
    (sold,) = _read("rounds", pool="market")["results"]
    assert sold == _read(f"rounds/{sold['id']}")
    assert "frontier" not in sold
    assert sold["market_price_tokens"] == 200
    assert (sold["slots_offered"], sold["slots_sold"], sold["bids_lost"]) == (3, 3, 2)
    assert sold["parameters"]["reserve_tokens"] == 1


def test_rounds_and_clears_are_narrowed_by_pool_and_time(market: Market) -> None:
    cleared = market.clears[0].cleared_at
    for path, number in (("rounds", 1), ("clears", 3)):
        assert len(_read(path, pool="market", since=cleared.isoformat())["results"]) == number
        assert _read(path, until=cleared.isoformat())["results"] == []
        assert _read(path, pool="elsewhere")["results"] == []


def test_a_clear_shows_the_market_price_and_what_came_of_it(market: Market) -> None:
    done = _read("clears", graded="true")["results"]
    assert [(one["state"], one["clearing_price_tokens"], one["actual_cost_tokens"]) for one in done] == [
        ("finished", 200, 2000)
    ]
    assert (done[0]["actual_impact"], done[0]["impact_roi"]) == ("12.5", "0.00625")
    assert "charge_tokens" not in done[0]
    assert len(_read("clears", graded="false")["results"]) == 2
    assert len(_read("clears", state="sold")["results"]) == 2


def test_a_win_is_shown_in_full_to_its_owner_only(market: Market) -> None:
    ann, ben, _cem = market.traders
    (win,) = json.loads(ann.get(f"{MARKET}/wins/").content)["results"]
    assert (win["task_id"], win["state"], win["max_price_tokens"]) == ("task-named-0", "finished", 500)
    assert (win["charge_tokens"], win["premium_tokens"], win["clearing_price_tokens"]) == (200, 300, 200)
    assert win["reward_due_tokens"] == 62_500
    assert json.loads(ann.get(f"{MARKET}/wins/{win['slot_id']}").content) == win
    assert ben.get(f"{MARKET}/wins/{win['slot_id']}").status_code == 404
    assert json.loads(ann.get(f"{MARKET}/wins/", state="sold").content)["results"] == []
    assert "named-ben" not in json.dumps(win)


def test_offers_are_shown_while_open_and_ones_own_in_any_state(market: Market) -> None:
    offers = _read("slots", pool="market")["results"]
    assert [(one["state"], one["own"]) for one in offers] == [("open", False)] * 2
    own = json.loads(market.provider.get(f"{MARKET}/slots/", own="true").content)["results"]
    assert [(one["state"], one["own"]) for one in own] == [("sold", True), ("open", True)]
    sold = json.loads(market.provider.get(f"{MARKET}/slots/", own="true", state="sold").content)["results"]
    assert len(sold) == 1
    assert _read(f"slots/{own[1]['id']}") == own[1] | {"own": False}


def test_a_pool_tells_its_rules(market: Market) -> None:
    rules = _read("pools/market")
    assert rules == next(pool for pool in _read("pools")["results"] if pool["name"] == "market")
    assert (rules["mode"], rules["pricing_rule"], rules["usd_per_token"]) == ("auction", "uniform", "0.0001")


def _queries(caller: Caller, path: str) -> int:
    caller.get(f"{MARKET}/{path}")  # a key's use is written down once a minute
    with CaptureQueriesContext(connection) as queries:
        assert caller.get(f"{MARKET}/{path}").status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        *(("order-book?pool=market", 4), ("stats?pool=market", 5), ("rounds", 2), ("clears", 2), ("slots", 2)),
        *(("pools", 2), ("bids", 3), ("tasks", 3), ("wins", 3), ("slots?own=true", 2)),
    ],
)
def test_a_page_costs_the_same_queries_however_many_rows(market: Market, path: str, number: int) -> None:
    reader = market.traders[0]
    few = _queries(reader, path)
    then = callers.now()
    for turn in range(3):
        wallet = factories.wallet(owner=reader.agent)
        factories.slot(market.pool, available_at=then)
        factories.bid(wallet, 1_000, market.pool, at=then)
        clearing.clear_round(then + timedelta(seconds=1 + turn), market.pool.name)
        factories.pool(f"another-{turn}")
    factories.bid(factories.wallet(owner=reader.agent), 1, market.pool, at=then)
    assert (few, _queries(reader, path)) == (number, number)
