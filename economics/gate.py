"""May an entity compete for compute at all? Its envelope says so, before anything is reserved.

Rules that ask about many entities in SQL of their own join the same function:
`economics_gates(in_types text[], in_ids text[], in_at timestamptz, in_tiers text[] DEFAULT NULL)` returns one row
`(entity_type, entity_id, code, room, tier)` for each different entity (and tier, where tiers are given): `code` is
'' (room), 'no_envelope', 'envelope_frozen' or 'envelope_exhausted', `room` the LLM tokens left on its tightest line.
`economics_gate(in_type, in_id, in_at, in_tokens DEFAULT 1, in_model DEFAULT '')` returns the code for one.
"""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

from economics import standings
from economics.models import DefaultEnvelope, Envelope, Line

SEEN: Final = "('no_envelope', 'envelope_frozen', 'budget_exhausted')"  # SQL: codes of refusals that the gate foretells
_CLOSED = "SELECT entity_type, entity_id, code FROM economics_gates(%s, %s, %s) WHERE code <> ''"
_TIER = "SELECT coalesce((SELECT tier_id FROM economics_model(%s)), '')"


def closed(entities: Collection[tuple[str, str]], *, at: datetime) -> dict[tuple[str, str], str]:
    """Return why each of these entities may not compete at this moment; those that may are left out.

    `no_envelope`: it has none and its type is given none by default. `envelope_frozen`: somebody, or the daily check,
    has frozen it. `envelope_exhausted`: a line of LLM tokens of the class as a whole, in any window, has none left.
    Nothing is locked: it may be otherwise a moment later, and only a reservation is certain.
    """
    if not entities:
        return {}
    types, ids = zip(*entities, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, [list(types), list(ids), at])
        return {(entity_type, entity_id): code for entity_type, entity_id, code in cursor.fetchall()}


class Reason(NamedTuple):
    """Why an envelope is closed: what was said of it, or the line without room, and until when where that is known."""

    code: str
    why: str
    until: datetime | None = None
    line: str = ""
    room: Decimal | None = None


def reason(entity_type: str, entity_id: str, *, at: datetime, tokens: int = 1, model: str = "") -> Reason | None:
    """Return why an entity may not compete for a use of so many LLM tokens of a model, in words; None when it may.

    Of several lines without room it names the one that is whole again last.
    """
    envelope = Envelope.objects.filter(entity_type=entity_type, entity_id=entity_id).first()
    if envelope is None:
        default = DefaultEnvelope.objects.filter(pk=entity_type).first()
        if default is None:
            return Reason("no_envelope", "It has no envelope, and none is given to its type by default.")
        if default.token_budget >= max(tokens, 1):
            return None
        why = "The envelope that its type is given by default has no room."
        return Reason("envelope_exhausted", why, room=Decimal(default.token_budget))
    if envelope.state == Envelope.State.FROZEN:
        return Reason("envelope_frozen", envelope.state_reason, envelope.frozen_until)
    own = Line.objects.filter(envelope=envelope, resource_type="llm_tokens", qualifier__in={"", _tier(model)})
    short = [
        line
        for line in standings.of_lines(list(own.values_list("pk", flat=True)), at=at)
        if line.remaining is not None and line.remaining < max(tokens, 1)
    ]
    if not short:
        return None
    last = max(short, key=lambda line: (line.window_end is None, line.window_end or at))
    return Reason("envelope_exhausted", f"{last.title} has no room.", last.window_end, last.title, last.remaining)


def _tier(model: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(_TIER, [model])
        tier: str = cursor.fetchone()[0]
    return tier
