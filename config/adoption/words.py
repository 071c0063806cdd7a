"""The words of an adoption: what an app says of a table it takes over, a step, and what stands in the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from config.contract import Table

PREFIX: Final = "economy_"  # of all we add to a table of others, where a name of our own would be taken
PART: Final = "economy_part"
MARK: Final = "Added at adoption; adopt --undo drops it."

FIXED: Final = "economy_part_is_fixed"  # the law, and the trigger that keeps it, on each table of others
FILLED: Final = f"{MARK} All rows are filled."  # of the column PART, once that is so: from then on it stays so

# Values of PART. Rows before the switch and all that others write without knowing the column are theirs.
THEIRS, ADOPTED, OURS = 0, 1, 2


_LOCKED: Final = {"55P03", "40P01"}  # not available in time; a deadlock


class StuckError(Exception):
    """A lock could not be had: somebody's transaction has stayed open all the time."""


def is_lock_of_others(error: Exception) -> bool:
    """Return whether a statement failed only because somebody else's transaction was open."""
    return getattr(error.__cause__, "sqlstate", None) in _LOCKED


@dataclass(frozen=True)
class Adopted:
    """A table that another service may have already, and how its rows become ours.

    With `lawful`, every row is ours that meets this condition, whoever wrote it; without, those whose PART says so.
    `fault` tells why a row is not: a code, or NULL. Both are SQL over the columns of the table, as `b`.
    """

    contract: Table
    needs: tuple[str, ...]  # columns without which nothing could be understood
    fault: str
    lawful: str = ""
    indexed: str = ""  # rows that our indexes hold: with `lawful`, a part of it, word for word
    filled: tuple[tuple[str, str], ...] = ()  # columns that are never NULL, and what stands for nothing
    replaced_triggers: tuple[str, ...] = ()  # of our table; `triggers` do their work on theirs
    triggers: Callable[["Places"], Sequence[str]] = lambda _places: ()
    reserved: str = ""  # rows of theirs that would be in our way where they allow only one of a kind
    samples: tuple[dict[str, str], ...] = ()  # rows we shall write: column and SQL; theirs must let them in

    @property
    def name(self) -> str:
        """Return the table's name."""
        return self.contract.name


@dataclass(frozen=True)
class Places:
    """Where things stand: our schema, their table (quoted and qualified), and each of our columns in it."""

    schema: str
    table: str
    columns: dict[str, str]


@dataclass(frozen=True)
class Step:
    """One step, with all its statements: committed whole, or not at all.

    `lock` is the strongest lock it takes on a table of others, and for how long. Steps outside a transaction
    (`concurrent`) may leave something half built; they clean up and build again. `run` does what statements alone
    cannot, such as many small transactions.
    """

    name: str
    does: str
    lock: str
    statements: tuple[str, ...] = ()
    concurrent: bool = False
    replica: bool = False  # no trigger of anybody fires
    run: Callable[[Callable[[str], None]], None] | None = None
    shown: tuple[str, ...] = field(default=())  # what a plan prints where `run` composes its statements


@dataclass(frozen=True)
class Obstacle:
    """Why a deployment cannot be adopted as it stands, and what to do about it."""

    code: str
    subject: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        """Return it as lines for an operator."""
        return f"{self.code}: {self.subject}: {self.sentence}\n    {self.remedy}"
