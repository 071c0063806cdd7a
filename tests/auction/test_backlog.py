"""Tasks: filed for a wallet, cancelled with their bid, and refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import backlog, errors
from auction.models import Bid, Task
from economics.models import Account
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from config.errors import RefusedError

pytestmark = pytest.mark.usefixtures("balanced_books")


def test_a_task_is_filed_for_the_agents_own_wallet_which_is_opened() -> None:
    agent = factories.agent("ada")
    task = backlog.file_task(
        filed_by=agent,
        now=NOON,
        task_id="t1",
        title="Read ten papers",
        entity_type="hypothesis",
        entity_id="h1",
        expected_value_usd=Decimal("2.5"),
    )
    task.refresh_from_db()
    assert (task.wallet.owner_type, task.wallet.owner_id, task.wallet.balance) == ("agent", "ada", 0)
    assert (task.state, task.created_at, task.expected_value_usd) == ("open", NOON, Decimal("2.5"))


def test_a_task_without_an_id_gets_one() -> None:
    agent = factories.agent()
    names = {backlog.file_task(filed_by=agent, now=NOON).pk for _ in range(2)}
    assert len(names) == 2


REFUSED: dict[str, tuple[dict[str, Any], type[RefusedError]]] = {
    "entity without id": ({"entity_type": "hypothesis"}, errors.InvalidTaskError),
    "entity without type": ({"entity_id": "h1"}, errors.InvalidTaskError),
    "negative value": ({"expected_value_usd": Decimal("-0.01")}, errors.InvalidValueError),
    "no number": ({"expected_value_usd": Decimal("NaN")}, errors.InvalidValueError),
    "no end": ({"expected_value_usd": Decimal("Infinity")}, errors.InvalidValueError),
    "more than all money": ({"expected_value_usd": Decimal("1e15")}, errors.InvalidValueError),
    "id that is taken": ({"task_id": "taken"}, errors.TaskIdTakenError),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_filed_is_refused_and_writes_nothing(what: str) -> None:
    terms, refusal = REFUSED[what]
    factories.task(factories.wallet(), "taken")
    with factories.refused(refusal):
        backlog.file_task(filed_by=factories.agent(), now=NOON, **terms)
    assert Task.objects.count() == 1


def test_a_grader_files_no_task() -> None:
    with factories.refused(errors.GradersDoNotTradeError):
        backlog.file_task(filed_by=factories.agent(kind="grader"), now=NOON)


def test_cancelling_a_task_cancels_its_bid_and_frees_its_tokens_once() -> None:
    owner = factories.wallet(100)
    bid = factories.bid(owner, 60, factories.pool())
    for _ in range(2):
        task = backlog.cancel_task(bid.task_id, wallet=owner.pk, now=after(1))
        assert (task.state, task.closed_at) == ("cancelled", after(1))
        assert Bid.objects.get(pk=bid.pk).status == "cancelled"
        assert Account.objects.get(pk=owner.pk).held == 0


def test_another_wallets_task_cannot_be_cancelled() -> None:
    owner, other = factories.wallet(100), factories.wallet()
    bid = factories.bid(owner, 60, factories.pool())
    with factories.refused(errors.UnknownTaskError):
        backlog.cancel_task(bid.task_id, wallet=other.pk, now=after(1))
    assert Bid.objects.get(pk=bid.pk).status == "open"


def test_a_sold_or_finished_task_cannot_be_cancelled() -> None:
    clear = factories.sale()
    with factories.refused(errors.TaskNotOpenError):
        backlog.cancel_task(clear.winning_task_id, wallet=clear.account_id, now=after(1))
    factories.run(clear, 10, at=after(1))
    with factories.refused(errors.TaskNotOpenError):
        backlog.cancel_task(clear.winning_task_id, wallet=clear.account_id, now=after(2))
