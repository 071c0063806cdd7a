"""The words in which an app says what other services rely on in its tables: names, types, indexes, mirrors.

An app's part is the attribute `contract` of its AppConfig; `config.conformance` proves that PostgreSQL has it so.
"""

from dataclasses import dataclass
from enum import Enum


class Type(Enum):
    """A family of types: the one we use comes first, the others serve as well."""

    TEXT = ("text", "character varying")
    BIGINT = ("bigint",)
    NUMERIC = ("numeric",)
    TIMESTAMPTZ = ("timestamp with time zone",)
    DATE = ("date",)
    JSONB = ("jsonb",)
    KEY = ("bigint", "integer", "uuid", "text", "character varying")


class Need(Enum):
    """What a writer may do with a column."""

    GIVEN = "NOT NULL, given by every writer"
    DEFAULTED = "NOT NULL with a default"
    NULLABLE = "NULL allowed, for it has a meaning"
    OPTIONAL = "a default, or NULL allowed"


@dataclass(frozen=True)
class Column:
    """A column others rely on. A mirror equals the first of its source columns (`of`) that is not null."""

    name: str
    type: Type
    need: Need = Need.OPTIONAL
    of: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """What a mirror equals, as SQL."""
        return self.of[0] if len(self.of) == 1 else f"coalesce({', '.join(self.of)})"


@dataclass(frozen=True)
class Index:
    """A b-tree over all rows: `column` or `column DESC` in order, then whatever follows.

    A b-tree reads backwards as well, so all directions turned round serve too. A unique index has exactly these
    columns, in any order.
    """

    columns: tuple[str, ...]
    unique: bool = False

    @property
    def keys(self) -> list[tuple[str, bool]]:
        """Each column, and whether it descends."""
        return [(column.removesuffix(" DESC"), column.endswith(" DESC")) for column in self.columns]


@dataclass(frozen=True)
class Table:
    """A table others rely on.

    Every NOT NULL column beyond the contract has a default, so that writers need not know it; the exceptions stand
    in `also_given`.
    """

    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    also_given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One point where the database is not as promised, and what to do about it."""

    code: str
    subject: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """Return it as lines for an operator."""
        return f"{self.subject}: expected {self.expected}; found {self.found}.\n    {self.remedy}"
