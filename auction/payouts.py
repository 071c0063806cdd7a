"""The payout: a pool's revenue goes to the treasury, and the rewards due come out of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from auction import pools
from auction.models import Clear, Payout
from economics import ledger, mint
from economics.money import largest_remainder


class _Part(NamedTuple):
    """One wallet's part of one clear's reward, in wallet tokens."""

    clear: int
    wallet: int
    role: str
    amount: int


@transaction.atomic
def pay_out(*, now: datetime, pool: str = pools.DEFAULT) -> Payout | None:
    """Sweep the pool's revenue to the treasury and pay the rewards due, once per cycle; return the payout.

    A cycle paid before returns its first payout; with nothing to sweep and nothing due there is none. A reward is
    split between payer and runner by the pool's `runner_share` (of a slot that was given only the runner's part is
    paid), cut so that no balance (holds included) passes the wallet cap, and paid pro rata when the treasury is short;
    what stays unpaid lapses.
    """
    book = pools.get(pool)
    cycle_at = pools.cycle_start(book, now)
    if done := Payout.objects.filter(pool=book, cycle_at=cycle_at).first():
        return done
    due = list(
        Clear.objects.select_for_update(of=("self",), no_key=True)
        .filter(pool=book, reward_due_tokens__isnull=False, payout=None)
        .order_by("pk")
    )
    split = [part for clear in due for part in _split(clear, book.runner_share)]
    house = {book.revenue_account_id, ledger.house_account(ledger.TREASURY).pk}
    *wallets, revenue, treasury = ledger.locked(house | {part.wallet for part in split})
    if done := Payout.objects.filter(pool=book, cycle_at=cycle_at).first():
        return done
    if not due and not revenue.balance:
        return None
    capped = _cut_to_cap(split, {wallet.pk: wallet.balance for wallet in wallets}, mint.policy().wallet_cap)
    paid = _share_out(capped, treasury.balance + revenue.balance)
    payout = Payout.objects.create(
        pool=book,
        cycle_at=cycle_at,
        swept_tokens=revenue.balance,
        due_tokens=sum(clear.reward_due_tokens or 0 for clear in due),
        paid_tokens=sum(part.amount for part in paid),
        created_at=now,
    )
    name = f"{book.name}:{cycle_at.isoformat()}"
    sweep = ledger.Movement(revenue.pk, treasury.pk, revenue.balance, "sweep", f"sweep:{name}")
    ledger.post_many([sweep], now=now)
    ledger.post_many(
        [
            ledger.Movement(treasury.pk, part.wallet, part.amount, "reward", f"reward:{part.clear}:{part.role}")
            for part in paid
        ],
        now=now,
    )
    _mark_paid(due, paid, payout)
    return payout


def _split(clear: Clear, runner_share: Decimal) -> list[_Part]:
    """Return who gets what of a reward. What was given cost its owner nothing, and earns it nothing."""
    due = clear.reward_due_tokens or 0
    if clear.is_given and clear.runner_account_id is not None:
        return [_Part(clear.pk, clear.runner_account_id, "runner", int(due * runner_share))]
    if clear.runner_account_id in (None, clear.account_id):
        return [_Part(clear.pk, clear.account_id, "payer", due)]
    for_runner = int(due * runner_share)
    return [
        _Part(clear.pk, clear.account_id, "payer", due - for_runner),
        _Part(clear.pk, clear.runner_account_id, "runner", for_runner),
    ]


def _cut_to_cap(parts: Sequence[_Part], balances: dict[int, int], cap: int) -> list[_Part]:
    """Cut each part so that no wallet's balance passes the cap, the earlier clears first."""
    cut = []
    for part in parts:
        amount = min(part.amount, max(0, cap - balances[part.wallet]))
        balances[part.wallet] += amount
        cut.append(part._replace(amount=amount))
    return cut


def _share_out(parts: Sequence[_Part], available: int) -> list[_Part]:
    """Return the parts as they can be paid: whole, or pro rata by largest remainder when `available` is less."""
    wanted = sum(part.amount for part in parts)
    if wanted <= available:
        return list(parts)
    amounts = largest_remainder(available, [part.amount for part in parts])
    return [part._replace(amount=amount) for part, amount in zip(parts, amounts, strict=True)]


def _mark_paid(due: Sequence[Clear], paid: Sequence[_Part], payout: Payout) -> None:
    totals = {clear.pk: 0 for clear in due}
    for part in paid:
        totals[part.clear] += part.amount
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE compute_auction_clears c SET reward_paid_tokens = p.paid, payout_id = %s
              FROM unnest(%s::bigint[], %s::bigint[]) AS p(id, paid) WHERE c.id = p.id
            """,
            [payout.pk, list(totals), list(totals.values())],
        )
