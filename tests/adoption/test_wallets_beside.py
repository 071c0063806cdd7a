"""A wallet that was opened here before theirs was taken over: its owner loses nothing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.core.management import call_command

from auction import audit
from config.models import Agent
from economics import ledger
from economics.models import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    World = Callable[[str], str]


def _adopt() -> str:
    out = io.StringIO()
    call_command("adopt", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["minimal", "broad", "textkeys"])
def test_a_wallet_opened_here_first_gets_what_theirs_holds(name: str, adopted: World) -> None:
    url = adopted(name)
    with psycopg.connect(url, options="-c search_path=public") as session:
        owner, held = session.execute(
            "SELECT owner_id, balance FROM token_accounts a WHERE owner_type = 'agent' AND economy_part = 0"
            " AND balance > 0 AND balance < 1000000 AND owner_id ~ '^[A-Za-z0-9_-]{1,64}$'"
            " AND 1 = (SELECT count(*) FROM token_accounts o WHERE (o.owner_type, o.owner_id) = ('agent', a.owner_id))"
            " ORDER BY owner_id LIMIT 1"
        ).fetchone() or ("", 0)
    agent = Agent.objects.create(pk=owner, kind="worker")
    wallet = ledger.open_wallet(agent=agent)
    supply = ledger.supply()

    said = _adopt()
    assert "opened_beside: 1" in said
    assert Account.objects.get(pk=wallet.pk).balance == held
    assert ledger.supply() == supply + held
    assert audit.differences() == []
    again = _adopt()
    assert "wallets opened" not in again
    assert Account.objects.get(pk=wallet.pk).balance == held
