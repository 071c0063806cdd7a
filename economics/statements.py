"""What a wallet took in and paid out in a time, line by line with its balance, like a bank's statement."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

AT_ONCE: Final = 500

# The legs of an account after a place in its order of time, each side by its own index.
_PAID: Final = """
SELECT id, created_at, credit_account_id AS other, -amount AS amount, reason, key, memo FROM token_ledger
 WHERE debit_account_id = %(wallet)s AND (created_at, id) > (%(at)s, %(id)s)"""
_RECEIVED: Final = """
SELECT id, created_at, debit_account_id AS other, amount, reason, key, memo FROM token_ledger
 WHERE credit_account_id = %(wallet)s AND (created_at, id) > (%(at)s, %(id)s)"""
_LEGS: Final = f"{_PAID} UNION ALL {_RECEIVED}"
_SUMMARY: Final = f"""
SELECT a.owner_type || ':' || a.owner_id, a.balance, a.held, a.available,
       a.balance - coalesce(sum(l.amount), 0)::bigint,
       coalesce(sum(l.amount) FILTER (WHERE l.amount > 0 AND l.created_at < %(until)s), 0)::bigint,
       coalesce(-sum(l.amount) FILTER (WHERE l.amount < 0 AND l.created_at < %(until)s), 0)::bigint,
       count(l.id) FILTER (WHERE l.created_at < %(until)s)
  FROM token_accounts a LEFT JOIN ({_LEGS}) AS l ON true
 WHERE a.id = %(wallet)s GROUP BY a.id, a.owner_type, a.owner_id, a.balance, a.held, a.available
"""  # noqa: S608 - of constants
_BALANCE: Final = f"""
SELECT a.balance - coalesce((SELECT sum(amount) FROM ({_LEGS}) AS l), 0)::bigint
  FROM token_accounts a WHERE a.id = %(wallet)s
"""  # noqa: S608 - of constants
_FIRST: Final = "AND created_at < %(until)s ORDER BY created_at, id LIMIT %(most)s"
_ENTRIES: Final = f"""
SELECT l.id, l.created_at, l.reason, o.id, o.owner_type || ':' || o.owner_id, l.key, l.memo, l.amount,
       (%(balance)s + sum(l.amount) OVER (ORDER BY l.created_at, l.id))::bigint
  FROM (({_PAID} {_FIRST}) UNION ALL ({_RECEIVED} {_FIRST})) AS l JOIN token_accounts o ON o.id = l.other
 ORDER BY l.created_at, l.id LIMIT %(most)s
"""  # noqa: S608 - of constants


class Statement(NamedTuple):
    """A wallet as it stands, and what moved in a time; all in wallet tokens."""

    wallet: int
    owner: str
    """Its kind and its id, as `quest:q1`."""
    balance: int
    held: int
    available: int
    since: datetime
    until: datetime
    opening: int
    """Its balance just before `since`."""
    received: int
    paid: int
    number: int
    """How many transfers there were."""

    @property
    def closing(self) -> int:
        """Return its balance just before `until`."""
        return self.opening + self.received - self.paid


class Entry(NamedTuple):
    """One transfer as the wallet sees it: less than 0 where it paid; `balance` is what it then had."""

    id: int
    at: datetime
    reason: str
    other: int
    other_owner: str
    key: str
    memo: str
    amount: int
    balance: int


class Place(NamedTuple):
    """Where a page of a statement ended; the next one begins after it."""

    at: datetime
    id: int


def of(wallet: int, *, since: datetime, until: datetime) -> Statement | None:
    """Return what moved in a wallet (account id) from `since` up to but not with `until`; None: no such wallet.

    One query, which reads all transfers since then: the balance of today less those is the opening one.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, {"wallet": wallet, "at": since, "id": 0, "until": until})
        row = cursor.fetchone()
    if row is None:
        return None
    owner, balance, held, available, *figures = row
    return Statement(wallet, owner, balance, held, available, since, until, *figures)


def entries(of_whom: Statement, *, after: Place | None = None, most: int = AT_ONCE) -> list[Entry]:
    """Return at most `most` lines of a statement in order of time, from its beginning or after a place; two queries."""
    balance = of_whom.opening if after is None else _balance(of_whom.wallet, after)
    return _entries(of_whom, after or Place(of_whom.since, 0), balance, most)


def all_entries(of_whom: Statement) -> Iterator[Entry]:
    """Yield every line of a statement in order of time; a few hundred at a time are in memory."""
    after, balance = Place(of_whom.since, 0), of_whom.opening
    while page := _entries(of_whom, after, balance, AT_ONCE):
        yield from page
        after, balance = Place(page[-1].at, page[-1].id), page[-1].balance


def _entries(of_whom: Statement, after: Place, balance: int, most: int) -> list[Entry]:
    terms: dict[str, Any] = {"wallet": of_whom.wallet, "at": after.at, "id": after.id, "until": of_whom.until}
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES, terms | {"balance": balance, "most": most})
        return [Entry(*row) for row in cursor.fetchall()]


def _balance(wallet: int, after: Place) -> int:
    """Return what a wallet had just after a place in its order of time."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE, {"wallet": wallet, "at": after.at, "id": after.id})
        balance: int = cursor.fetchone()[0]
    return balance
