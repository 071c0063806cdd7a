"""What every measure is made of: what it knows, the words in which it refuses, and figures as they are compared."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NoReturn, Protocol, TypeAlias

from economics import revisions
from governance import errors
from governance.models import Proposal

MOST: Final = 10**15  # of anything
Base: TypeAlias = dict[str, Any]


class Measure(Protocol):
    """What each measure knows: what it refuses, what stands, what would stand, and how it is done."""

    def check(self, proposal: Proposal) -> None:
        """Refuse what this measure could never do."""

    def base(self, proposal: Proposal, at: datetime) -> Base:
        """Return what stands, of what would change."""

    def after(self, proposal: Proposal, base: Base, granted: int) -> Base:
        """Return what would stand."""

    def apply(self, proposal: Proposal, stood: Base, granted: int, *, author: revisions.Author, now: datetime) -> None:
        """Do it over what `stood`: what came between is refused, or stays as it is."""


def plain(value: object) -> Any:
    """Return a figure as text, in the one spelling in which it is compared; anything else as it is."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def invalid(sentence: str, pointer: str) -> NoReturn:
    """Refuse what could never be proposed."""
    raise errors.InvalidProposalError(sentence, pointer=pointer)


def refuse(sentence: str) -> NoReturn:
    """Refuse what cannot be done as things stand."""
    raise errors.MeasureRefusedError(sentence)
