"""What the books say after the demo, read from the database once everything has come to rest."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Max, Min, Q, Sum

from auction import audit, replay
from auction.demo.cast import Player
from auction.models import Bid, Clear, Payout, Pool, Round, Task
from auction.models.results import CAPTURED
from config.models import Agent
from economics import ledger


class RoundLine(NamedTuple):
    """One round: what was offered and sold, at what market price, and what was released to winners."""

    cleared_at: datetime
    offered: int
    sold: int
    price: int | None
    lost: int
    premium: int


class WalletLine(NamedTuple):
    """One agent's wallet before and after, and what happened to it in between (wallet tokens)."""

    agent: str
    before: int
    charged: int
    earned: int
    after: int
    held: int
    ends: Counter[str]


class Settled(NamedTuple):
    """One finished slot: its task, and the LLM tokens and the model reported for it."""

    task_id: str
    tokens: int
    model: str


class Story(NamedTuple):
    """One task from bid to reward."""

    task_id: str
    agent: str
    expected_usd: Decimal
    bid: int
    charge: int
    tokens: int
    model: str
    impact_usd: Decimal
    reward: int


class Money(NamedTuple):
    """Where all wallet tokens came from and where they are."""

    issued: int
    granted: int
    supply: int
    wallets: int
    treasury: int
    revenue: int


class Figures(NamedTuple):
    """All of it."""

    rounds: list[RoundLine]
    cycles: int
    cycles_twice: int
    tasks: Counter[str]
    bids: Counter[str]
    resting: int
    clears: Counter[str]
    settled: list[Settled]
    usage_tokens: int
    wallets: list[WalletLine]
    money: Money
    reward_due: int
    reward_paid: int
    payouts: int
    story: Story | None
    audited: str
    differences: list[str]
    replayed: int
    replay_differences: list[str]


def collect(pool: Pool, workers: Sequence[Player], *, now: datetime) -> Figures:
    """Read the figures, audit the books and do every round again."""
    rounds = list(Round.objects.filter(pool=pool).order_by("pk"))
    trading = _while_there_were_bids(rounds)
    payouts = Payout.objects.filter(pool=pool, paid_tokens__gt=0)
    rewards = Clear.objects.aggregate(
        due=Sum("reward_due_tokens", default=0), paid=Sum("reward_paid_tokens", default=0)
    )
    wallets = [_wallet(worker) for worker in workers]
    finished = Clear.objects.filter(state=Clear.State.FINISHED).order_by("pk")
    return Figures(
        rounds=[
            RoundLine(r.cleared_at, r.slots_offered, r.slots_sold, r.market_price_tokens, r.bids_lost, r.premium_tokens)
            for r in trading
        ],
        cycles=_cycles(trading, pool.cycle_seconds),
        cycles_twice=len(rounds) - len({r.cycle_at for r in rounds}),
        tasks=Counter(Task.objects.values_list("state", flat=True)),
        bids=Counter(Bid.objects.values_list("status", flat=True)),
        resting=Bid.objects.filter(time_in_force=Bid.TimeInForce.GTD).count(),
        clears=Counter(Clear.objects.values_list("state", flat=True)),
        settled=[Settled(c.winning_task_id, c.actual_cost_tokens or 0, c.cost_model) for c in finished],
        usage_tokens=_usage(),
        wallets=wallets,
        money=_money(pool, wallets),
        reward_due=rewards["due"],
        reward_paid=rewards["paid"],
        payouts=payouts.count(),
        story=_story(),
        audited=audit.scope(),
        differences=[str(one) for one in audit.audit(now=now).differences],
        replayed=len(rounds),
        replay_differences=[f"round {r.pk}: {line}" for r in rounds for line in replay.replay_round(r.pk).differences],
    )


def _while_there_were_bids(rounds: Sequence[Round]) -> list[Round]:
    span = Bid.objects.aggregate(first=Min("placed_at"), last=Max("closed_at"))
    if span["first"] is None or span["last"] is None:
        return []
    return [r for r in rounds if span["first"] <= r.cleared_at <= span["last"]]


def _cycles(rounds: Sequence[Round], seconds: int) -> int:
    """Return how many cycles lie between the first and the last of these rounds, both counted."""
    if not rounds:
        return 0
    return int((rounds[-1].cycle_at - rounds[0].cycle_at).total_seconds()) // seconds + 1


def _wallet(worker: Player) -> WalletLine:
    account = ledger.open_wallet(agent=Agent.objects.get(pk=worker.agent))
    clears = Clear.objects.filter(account_id=account.pk)
    moved = clears.aggregate(
        charged=Sum("charge_tokens", filter=Q(state__in=CAPTURED), default=0),
        earned=Sum("reward_paid_tokens", default=0),
    )
    return WalletLine(
        worker.agent,
        before=worker.purse,
        charged=moved["charged"],
        earned=moved["earned"],
        after=account.balance,
        held=account.held,
        ends=Counter(clears.values_list("state", flat=True)),
    )


def _money(pool: Pool, wallets: Sequence[WalletLine]) -> Money:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(amount) FILTER (WHERE reason = 'issue'), 0)::bigint,
                   coalesce(sum(amount) FILTER (WHERE reason = 'grant'), 0)::bigint FROM token_ledger
            """
        )
        issued, granted = cursor.fetchone()
    return Money(
        issued=issued,
        granted=granted,
        supply=ledger.supply(),
        wallets=sum(line.after for line in wallets),
        treasury=ledger.house_account(ledger.TREASURY).balance,
        revenue=ledger.house_account(f"revenue:{pool.name}").balance,
    )


def _usage() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(amount), 0)::bigint FROM resource_usage WHERE resource_type = 'llm_tokens'")
        total: int = cursor.fetchone()[0]
    return total


def _story() -> Story | None:
    """Return the dearest finished slot that also earned a reward."""
    clear = (
        Clear.objects.filter(reward_paid_tokens__gt=0)
        .select_related("winning_task", "account")
        .order_by("-charge_tokens", "-premium_tokens", "pk")
        .first()
    )
    if clear is None:
        return None
    return Story(
        task_id=clear.winning_task_id,
        agent=clear.account.owner_id,
        expected_usd=clear.winning_task.expected_value_usd,
        bid=clear.max_price_tokens,
        charge=clear.charge_tokens,
        tokens=clear.actual_cost_tokens or 0,
        model=clear.cost_model,
        impact_usd=clear.actual_impact or Decimal(0),
        reward=clear.reward_paid_tokens or 0,
    )


def at_rest(pool: Pool) -> bool:
    """Tell whether every sold slot has come to its end and every reward due was paid out."""
    unsettled = Clear.objects.filter(pool=pool, state__in=["sold", "running"])
    unpaid = Clear.objects.filter(pool=pool, reward_due_tokens__isnull=False, payout=None)
    return not (unsettled.exists() or unpaid.exists() or ledger.house_account(f"revenue:{pool.name}").balance)


def so_far(pool: Pool) -> str:
    """Return the state of the market in one line."""
    rounds = Round.objects.filter(pool=pool)
    sold = rounds.aggregate(sum=Sum("slots_sold", default=0))["sum"]
    last = rounds.filter(slots_sold__gt=0).order_by("-pk").values_list("market_price_tokens", flat=True).first()
    done = Clear.objects.filter(pool=pool, state=Clear.State.FINISHED).count()
    bids = Bid.objects.filter(pool=pool, status=Bid.Status.OPEN).count()
    price = "none" if last is None else f"{last:,}"
    return f"{rounds.count():3} rounds  {sold:4} slots sold  {done:4} finished  {bids:3} bids open  last price {price}"
