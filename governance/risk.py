"""The risk of a proposal: what may be voted on together with others, and why anything else may not."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from config.errors import RefusedError
from governance import measures
from governance.models import Evidence, Proposal

LOW_SHARE: Final = Decimal("0.1")  # of what stands on the line
_SOUND: Final = frozenset({Evidence.Check.HOLDS, Evidence.Check.PARTLY})


def share(proposal: Proposal, stands: Mapping[str, Any]) -> Decimal | None:
    """Return how much of what stands a proposal asks for; None where nothing stands that it could be compared with."""
    base = stands.get("base")
    if proposal.measure not in measures.AMOUNTS or base is None or not Decimal(base):
        return None
    return abs(proposal.requested_tokens) / Decimal(base)


def reasons(proposal: Proposal, *, seen: object, stands: Mapping[str, Any] | None) -> list[str]:
    """Return why a proposal is more than low risk; nothing where it is low.

    `seen` is what stood when voting opened, `stands` what stands now (None: it cannot be told). Low risk is a line of
    an envelope, changed or granted on by at most `LOW_SHARE` of what stands, over a base that has not moved, which
    could take effect as things stand, on evidence of which something holds and nothing is contradicted.
    """
    if measures.needs_chair(proposal):
        return ["It touches everybody, and the chair enacts it."]
    if proposal.measure not in measures.AMOUNTS:
        return ["It stops or starts an envelope."]
    if stands is None:
        return ["What stands cannot be told."]
    found = [] if seen == stands else ["What would change has changed since voting opened."]
    asked = share(proposal, stands)
    if asked is None:
        found.append("Nothing stands yet that it could be compared with.")
    elif asked > LOW_SHARE:
        found.append(f"It asks for {told(asked)} of what stands; low risk is {told(LOW_SHARE)} at most.")
    try:
        measures.preview(proposal, measures.asked(proposal), at=proposal.filed_at, stands=dict(stands))
    except RefusedError as refusal:
        found.append(f"It could not take effect as things stand: {refusal.detail}")
    return [*found, *_grounds(proposal)]


def told(asked: Decimal) -> str:
    """Return a share in whole percents, rounded up: what is above a bound must not read as the bound."""
    return f"{math.ceil(asked * 100):,}%"


def checks(proposal: Proposal) -> list[str]:
    """Return what was found of each piece of evidence; another program may have written anything there."""
    pieces = proposal.evidence if isinstance(proposal.evidence, list) else []
    return [str(piece.get("check", "")) for piece in pieces if isinstance(piece, dict)]


def _grounds(proposal: Proposal) -> list[str]:
    found = checks(proposal)
    if Evidence.Check.CONTRADICTED in found:
        return ["Some of its evidence is contradicted."]
    return [] if _SOUND.intersection(found) else ["Nothing of its evidence could be confirmed."]
