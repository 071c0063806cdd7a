"""The ledger: accounts, transfers between them, and holds. Balances follow the rows by a trigger."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from config.models import Agent
from economics import errors
from economics.models import Account, Transfer
from economics.models.money import MOST_TOKENS

MINT = "mint"
TREASURY = "treasury"
LARGEST_TRANSFER = MOST_TOKENS
LONGEST_KEY, LONGEST_MEMO, LONGEST_OWNER = 200, 500, 64


class Movement(NamedTuple):
    """A transfer to be posted; `amount` in wallet tokens, ids of accounts."""

    debit: int
    credit: int
    amount: int
    reason: str
    key: str


class Difference(NamedTuple):
    """A disagreement between what is stored and what the rows say."""

    what: str
    stored: int | str | None
    rebuilt: int | str | None

    def __str__(self) -> str:
        """Return the line an operator reads."""
        return f"{self.what}: stored {self.stored}, rebuilt {self.rebuilt}"


def ensure_house_accounts() -> None:
    """Create mint and treasury where they are missing."""
    for name in (MINT, TREASURY):
        house_account(name)


def house_account(name: str) -> Account:
    """Return the house's account of this name (`mint`, `treasury`, `revenue:<pool>`), opened when missing."""
    return _opened("house", name, agent=None)


def open_wallet(*, agent: Agent | None = None, quest: str | None = None) -> Account:
    """Return the wallet of an agent or a quest, opened empty when missing.

    Refuses graders, exchanges and ids too long.
    """
    if agent is None:
        if not quest or len(quest) > LONGEST_OWNER:
            msg = f"A wallet belongs to an agent or to a quest, whose id has 1 to {LONGEST_OWNER} characters."
            raise errors.InvalidTransferError(msg)
        return _opened("quest", quest, agent=None)
    if agent.kind == Agent.Kind.GRADER:
        raise errors.GradersOwnNoWalletError
    if agent.kind == Agent.Kind.EXCHANGE:
        raise errors.ExchangesOwnNoWalletError
    return _opened("agent", agent.id, agent=agent)


def wallet_of(agent: Agent) -> int:
    """Return the account id of an agent's wallet, or 0, which no account has, when it has none yet."""
    return Account.objects.filter(owner_type="agent", owner_id=agent.id).values_list("pk", flat=True).first() or 0


def _opened(owner_type: str, owner_id: str, *, agent: Agent | None) -> Account:
    wallet, _ = Account.objects.get_or_create(
        owner_type=owner_type,
        owner_id=owner_id,
        defaults={"agent": agent, "agent_kind": agent.kind if agent else None},
    )
    return wallet


@transaction.atomic
def post(  # noqa: PLR0913 - a transfer has this many parts
    *,
    debit: int,
    credit: int,
    amount: int,
    reason: str,
    key: str,
    now: datetime,
    memo: str = "",
    reverses: Transfer | None = None,
) -> Transfer:
    """Move `amount` wallet tokens (1 to 10^15) from account `debit` to account `credit`, once per `key`.

    The same key with the same parts returns the first transfer; with others it is refused, as is an amount above
    what the debit account has available (the mint excepted).
    """
    if not 1 <= amount <= LARGEST_TRANSFER or debit == credit:
        raise errors.InvalidTransferError
    if not 1 <= len(key) <= LONGEST_KEY or len(memo) > LONGEST_MEMO:
        msg = f"A key has 1 to {LONGEST_KEY} characters, a memo at most {LONGEST_MEMO}."
        raise errors.InvalidTransferError(msg)
    accounts = {a.pk: a for a in locked([debit, credit])}
    if len(accounts) != 2:  # noqa: PLR2004 - a transfer has two sides
        msg = "There is no such account."
        raise errors.InvalidTransferError(msg)
    asked = Movement(debit, credit, amount, reason, key)
    if existing := Transfer.objects.filter(key=key).first():
        return _same(existing, asked)
    payer = accounts[debit]
    if str(payer) != f"house:{MINT}" and payer.available < amount:
        raise errors.InsufficientTokensError(available=payer.available, asked=amount)
    posted = Transfer(
        debit_account_id=debit,
        credit_account_id=credit,
        amount=amount,
        reason=reason,
        key=key,
        memo=memo,
        reverses=reverses,
        created_at=now,
    )
    try:
        with transaction.atomic():
            posted.save(force_insert=True)
    except IntegrityError:
        # The locks keep out whoever names the same accounts; the key may just have been posted between others.
        if not (existing := Transfer.objects.filter(key=key).first()):
            raise
        return _same(existing, asked)
    return posted


def _same(existing: Transfer, asked: Movement) -> Transfer:
    stored = Movement(
        existing.debit_account_id, existing.credit_account_id, existing.amount, existing.reason, existing.key
    )
    if stored != asked:
        raise errors.TransferKeyReusedError(key=asked.key)
    return existing


def post_many(movements: Sequence[Movement], *, now: datetime) -> int:
    """Post all in one statement and return how many were new; a key posted before is left as it is.

    Zero amounts write no row. The caller holds the accounts (or lets the ledger's trigger lock them in order) and
    knows that they suffice; otherwise PostgreSQL refuses the whole statement.
    """
    wanted = [m for m in movements if m.amount]
    if not wanted:
        return 0
    columns = [list(column) for column in zip(*wanted, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO token_ledger (debit_account_id, credit_account_id, amount, reason, key, created_at)
            SELECT m.*, %s FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS m
            ON CONFLICT (key) DO NOTHING
            """,
            [now, *columns],
        )
        posted: int = cursor.rowcount
    return posted


@transaction.atomic
def reverse(transfer: Transfer, *, now: datetime, memo: str) -> Transfer:
    """Move the tokens of a transfer back, once; refused when the receiver no longer has them available."""
    if Transfer.objects.filter(reverses=transfer).exists():
        raise errors.AlreadyReversedError(key=transfer.key)
    return post(
        debit=transfer.credit_account_id,
        credit=transfer.debit_account_id,
        amount=transfer.amount,
        reason="reversal",
        key=f"reversal:{transfer.key}",
        now=now,
        memo=memo,
        reverses=transfer,
    )


def grant(*, account: Account, amount: int, key: str, now: datetime, memo: str) -> Transfer:
    """Mint `amount` wallet tokens into an account: an opening balance or a grant, with its reason in `memo`.

    Once per `key`, which names grants only: it cannot stand in the way of a transfer of another kind.
    """
    mint = house_account(MINT)
    name = f"grant:{key}"
    return post(debit=mint.pk, credit=account.pk, amount=amount, reason="grant", key=name, now=now, memo=memo)


@transaction.atomic
def grant_all(*, accounts: Sequence[Account], amount: int, key: str, now: datetime, memo: str) -> list[Transfer]:
    """Grant `amount` wallet tokens to each of these accounts, all or none, once per `key` and account."""
    # All locks before the first transfer: one by one the mint would be locked before the second wallet.
    locked([house_account(MINT).pk, *(account.pk for account in accounts)])
    return [grant(account=a, amount=amount, key=f"{key}:{a.pk}", now=now, memo=memo) for a in accounts]


def accounts(ids: Iterable[int]) -> list[Account]:
    """Return these accounts as they are, by id."""
    return list(Account.objects.filter(pk__in=set(ids)).order_by("pk"))


def locked(ids: Iterable[int]) -> list[Account]:
    """Return these accounts locked in the house's order: wallets by id, revenue, treasury, mint."""
    return list(_in_lock_order(ids))


def available(ids: Iterable[int]) -> dict[int, int]:
    """Lock these accounts in the house's order and return what each has available."""
    return dict(_in_lock_order(ids).values_list("pk", "available"))


def _in_lock_order(ids: Iterable[int]) -> QuerySet[Account]:
    return Account.objects.filter(pk__in=set(ids)).select_for_update(no_key=True).order_by("lock_rank", "pk")


@transaction.atomic(savepoint=False)
def release_holds(amounts: dict[int, int]) -> None:
    """Make held tokens available again: `amounts` maps account ids to wallet tokens. All or none."""
    due = {account: amount for account, amount in amounts.items() if amount}
    if not due:
        return
    with connection.cursor() as cursor:
        # Locked by a statement of its own. An update that began before it waited for somebody else's change still
        # finds the wallet's old version, asks for that while it holds the new one, and meets whoever queues there.
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM token_accounts WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS a",
            [list(due)],
        )
        cursor.execute(
            """
            UPDATE token_accounts a SET held = a.held - due.amount
              FROM unnest(%s::bigint[], %s::bigint[]) AS due(id, amount) WHERE a.id = due.id
            """,
            [list(due), list(due.values())],
        )
        if cursor.rowcount != len(due):
            msg = "A hold names an account that does not exist."
            raise errors.InvalidTransferError(msg)


def supply() -> int:
    """Return the wallet tokens outside the mint."""
    balance = Account.objects.filter(owner_type="house", owner_id=MINT).values_list("balance", flat=True)
    return -(balance.first() or 0)


def differences() -> list[Difference]:
    """Rebuild every balance from the transfers and return where the stored one disagrees, conservation first.

    Read in one REPEATABLE READ snapshot by the caller: then it is never wrong on a busy system.
    """
    found: list[Difference] = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(balance), 0)::bigint FROM token_accounts")
        total = cursor.fetchone()[0]
        if total:
            found.append(Difference("sum of all balances", total, 0))
        cursor.execute(
            """
            WITH legs AS (SELECT debit_account_id AS id, -sum(amount) AS delta FROM token_ledger GROUP BY 1
                          UNION ALL SELECT credit_account_id, sum(amount) FROM token_ledger GROUP BY 1),
                 rebuilt AS (SELECT id, sum(delta)::bigint AS balance FROM legs GROUP BY id)
            SELECT id, coalesce(a.owner_type || ':' || a.owner_id, 'vanished'), coalesce(a.balance, 0),
                   coalesce(r.balance, 0)
              FROM token_accounts a FULL JOIN rebuilt r USING (id)
             WHERE a.balance IS DISTINCT FROM coalesce(r.balance, 0) ORDER BY id
            """
        )
        found += [
            Difference(f"balance of account {pk} ({owner})", stored, rebuilt)
            for pk, owner, stored, rebuilt in cursor.fetchall()
        ]
    return found
