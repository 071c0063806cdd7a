"""What every measure is made of: what it knows, the words in which it refuses, and figures as they are compared."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn, Protocol, TypeAlias

from economics import envelopes, revisions, standings
from governance import errors
from governance.models import Proposal

MOST: Final = 10**15  # of anything
Base: TypeAlias = dict[str, Any]


class Standing(NamedTuple):
    """An envelope, and where its lines stand."""

    envelope: Any
    lines: list[standings.Standing]


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


class OfEnvelope(Measure, Protocol):
    """What a measure on an envelope knows besides: what stands, where somebody has read many envelopes at once."""

    def base_on(self, proposal: Proposal, on: Standing | None) -> Base:
        """Return what stands, of what would change, of an envelope that has been read; None where there is none."""


def standing(proposal: Proposal, at: datetime) -> Standing | None:
    """Return the envelope that a proposal is about with its lines; None where there is none."""
    named = (proposal.entity_type, proposal.entity_id)
    return standing_of([named], at).get(named)


def standing_of(entities: Iterable[tuple[str, str]], at: datetime) -> dict[tuple[str, str], Standing]:
    """Return the envelopes of these entities with their lines, in a number of queries that does not depend on how many.

    Left out is who has none.
    """
    found = envelopes.of_entities(entities)
    lines = standings.of_envelopes([envelope.pk for envelope in found.values()], at=at) if found else {}
    return {named: Standing(envelope, lines[envelope.pk]) for named, envelope in found.items()}


def plain(value: object) -> Any:
    """Return a figure as text, in the one spelling in which it is compared; anything else as it is."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def invalid(sentence: str, pointer: str) -> NoReturn:
    """Refuse what could never be proposed."""
    raise errors.InvalidProposalError(sentence, pointer=pointer)


def refuse(sentence: str) -> NoReturn:
    """Refuse what cannot be done as things stand."""
    raise errors.MeasureRefusedError(sentence)
