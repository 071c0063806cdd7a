"""One's own wallet over HTTP, and nobody else's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from economics import ledger
from tests import callers, factories

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db

ACCOUNTS = "/api/economics/accounts"


def _read(caller: Caller, path: str = "", **query: object) -> Any:
    answer = caller.get(f"{ACCOUNTS}{path}", **query)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def test_an_agent_sees_its_own_wallet_only() -> None:
    trader = callers.trader(500, name="ann")
    callers.trader(700)
    factories.wallet(900, quest="ann")
    factories.bid(factories.wallet(owner=trader.agent), 200, factories.pool(), at=callers.now())
    (account,) = _read(trader)["results"]
    assert (account["owner_type"], account["owner_id"]) == ("agent", "ann")
    assert (account["balance"], account["held"], account["available"]) == (500, 200, 300)
    assert _read(trader, f"/{account['id']}/") == account


def test_an_agent_without_a_wallet_has_no_account() -> None:
    assert _read(callers.caller()) == {"results": [], "next": None}
    assert _read(callers.caller("grader"))["results"] == []


@pytest.mark.parametrize("path", ["", "/entries"])
def test_the_accounts_of_others_and_of_the_house_do_not_exist_for_one(path: str) -> None:
    trader = callers.trader()
    others = [factories.wallet(owner=callers.trader().agent).pk, ledger.house_account("treasury").pk, 10**17]
    for number in others:
        answer = trader.get(f"{ACCOUNTS}/{number}{path}")
        assert (answer.status_code, callers.problem(answer)["code"]) == (404, "unknown_account")


def test_entries_carry_the_sign_of_their_direction_and_no_other_side() -> None:
    trader = callers.trader(500)
    wallet = factories.wallet(owner=trader.agent)
    treasury = ledger.house_account("treasury")
    ledger.post(debit=wallet.pk, credit=treasury.pk, amount=120, reason="fee", key="fee:1", now=callers.now(), memo="m")
    out, into = _read(trader, f"/{wallet.pk}/entries")["results"]
    assert (out["amount_tokens"], out["reason"], out["key"], out["memo"]) == (-120, "fee", "fee:1", "m")
    assert (into["amount_tokens"], into["reason"]) == (500, "grant")
    assert out.keys() == {"id", "created_at", "amount_tokens", "reason", "key", "memo"}


def test_entries_come_in_pages_at_a_constant_cost() -> None:
    trader = callers.trader(1)
    wallet = factories.wallet(owner=trader.agent)
    for _number in range(6):
        factories.wallet(1, owner=trader.agent)
    first = _read(trader, f"/{wallet.pk}/entries", page_size=4)
    with CaptureQueriesContext(connection) as queries:
        rest = json.loads(trader.get(first["next"]).content)
    assert (len(first["results"]), len(rest["results"]), rest["next"], len(queries)) == (4, 3, None, 3)
    ids = [one["id"] for one in first["results"] + rest["results"]]
    assert ids == sorted(ids, reverse=True)


def test_the_books_are_read_only_here() -> None:
    trader = callers.trader()
    for path in (ACCOUNTS, f"{ACCOUNTS}/1", f"{ACCOUNTS}/1/entries"):
        assert trader.post(path, {}).status_code == 405
