"""Stipends: a share of each day's issue goes to the quests by the proportional split."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_FLOOR

from django.db import transaction

from auction import split
from auction.models import QuestAllocation, StipendDay
from economics import ledger, mint
from economics.money import largest_remainder


def pay_due(*, now: datetime) -> list[StipendDay]:
    """Pay the stipends of every day that was issued and has none yet, the oldest first; return the days paid.

    Each day is a transaction of its own and paid once, whoever else pays at the same time. The split is that of `now`:
    of a day missed in an outage nobody knows any more what it was.
    """
    last = StipendDay.objects.order_by("-day").values_list("day", flat=True).first()
    days = [_pay(day, amount, now=now) for day, amount in mint.issued(after=last)]
    return [day for day in days if day is not None]


@transaction.atomic
def _pay(day: date, issued: int, *, now: datetime) -> StipendDay | None:
    """Pay one day: floor(issued · stipend_share), split, cut to the wallet cap; None when somebody else just did.

    What a full wallet does not take stays in the treasury. When the treasury is short, pro rata by largest remainder.
    """
    policy = mint.policy()
    treasury = ledger.house_account(ledger.TREASURY)
    pot = int((issued * policy.stipend_share).to_integral_value(ROUND_FLOOR))
    parts = split.get_quest_budget_allocation(pot, now=now)
    *wallets, treasury = ledger.locked({treasury.pk, *(part.account_id for part in parts)})
    if StipendDay.objects.filter(pk=day).exists():
        return None
    balances = {wallet.pk: wallet.balance for wallet in wallets}
    cut = [min(part.tokens, max(0, policy.wallet_cap - balances[part.account_id])) for part in parts]
    amounts = cut if sum(cut) <= treasury.balance else largest_remainder(treasury.balance, cut)
    ledger.post_many(
        [
            ledger.Movement(treasury.pk, part.account_id, amount, "stipend", f"stipend:{day}:{part.quest_id}")
            for part, amount in zip(parts, amounts, strict=True)
        ],
        now=now,
    )
    _keep(day, parts, amounts, now=now)
    return StipendDay.objects.create(day=day, pot_tokens=pot, paid_tokens=sum(amounts), at=now)


def _keep(day: date, parts: Sequence[split.Allocation], amounts: Sequence[int], *, now: datetime) -> None:
    QuestAllocation.objects.bulk_create(
        QuestAllocation(
            quest_id=part.quest_id,
            day=day,
            tokens=part.tokens,
            share=part.share,
            value_usd=part.value_usd,
            reliability=part.reliability,
            paid_tokens=amount,
            created_at=now,
        )
        for part, amount in zip(parts, amounts, strict=True)
    )
