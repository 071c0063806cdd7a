"""The closed list of what the Senate can do: what each takes, what it would change, and the doing."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from auction import pools
from config.errors import RefusedError
from economics import envelopes, revisions, stops
from economics import errors as books
from governance import errors, line_measures, measuring, policy, setting_measures
from governance.models import Proposal


class Row(NamedTuple):
    """One thing that would change: what it is, what stands, and what would stand."""

    what: str
    before: object
    after: object


class Done(NamedTuple):
    """What a measure changed: what stood of it before, and after."""

    before: measuring.Base
    after: measuring.Base


class _State:
    """Freeze an envelope, or lift a freeze."""

    def __init__(self, *, freeze: bool) -> None:
        self.freeze = freeze

    def check(self, proposal: Proposal) -> None:
        if proposal.requested_tokens or proposal.terms:
            measuring.invalid("Freezing takes no amount and no terms.", "/requested_tokens")
        try:
            envelopes.get(proposal.entity_type, proposal.entity_id)
        except books.UnknownEnvelopeError:
            measuring.invalid("This entity has no envelope.", "/entity_id")

    def base(self, proposal: Proposal, at: datetime) -> measuring.Base:
        return self.base_on(proposal, measuring.standing(proposal, at))

    def base_on(self, proposal: Proposal, on: measuring.Standing | None) -> measuring.Base:
        if on is None:
            raise books.UnknownEnvelopeError(entity_type=proposal.entity_type, entity_id=proposal.entity_id)
        return {"state": str(on.envelope.state)}

    def after(self, proposal: Proposal, base: measuring.Base, granted: int) -> measuring.Base:
        del proposal, granted
        if (base["state"] == "frozen") == self.freeze:
            measuring.refuse("It is frozen already." if self.freeze else "It is not frozen.")
        return {"state": "frozen" if self.freeze else "as before the freeze"}

    def apply(
        self, proposal: Proposal, stood: measuring.Base, granted: int, *, author: revisions.Author, now: datetime
    ) -> None:
        self.after(proposal, stood, granted)
        ids = [envelopes.get(proposal.entity_type, proposal.entity_id).pk]
        if self.freeze:
            stops.freeze(ids, author=author, now=now)
        else:
            stops.unfreeze(ids, author=author, now=now)


_ON_ENVELOPES: Final[Mapping[str, measuring.OfEnvelope]] = {
    Proposal.Measure.CHANGE_LINE: line_measures.ChangeLine(),
    Proposal.Measure.GRANT: line_measures.GrantOnLine(),
    Proposal.Measure.FREEZE: _State(freeze=True),
    Proposal.Measure.UNFREEZE: _State(freeze=False),
}
_MEASURES: Final[Mapping[str, measuring.Measure]] = {
    **_ON_ENVELOPES,
    Proposal.Measure.POOL: setting_measures.ChangePool(),
    Proposal.Measure.POLICY: setting_measures.ChangePolicy(),
}
AMOUNTS: Final = (Proposal.Measure.CHANGE_LINE, Proposal.Measure.GRANT)


def check(proposal: Proposal) -> None:
    """Refuse what could never be carried out: unknown lines, pools or terms, amounts above the fleet's ceiling.

    What is merely missing yet is not refused here (see `proposals.missing`).
    """
    if proposal.measure not in _MEASURES:
        measuring.invalid(f"A measure is one of {', '.join(_MEASURES)}.", "/measure")
    most = policy.get().most_requested
    if abs(proposal.requested_tokens) > most:
        msg = f"A proposal asks for {most:,} at most."
        raise errors.InvalidProposalError(msg, pointer="/requested_tokens", most_requested=most)
    for name in ("lasts_from", "lasts_until"):
        if proposal.measure != Proposal.Measure.GRANT and getattr(proposal, name) is not None:
            measuring.invalid("Only a grant is for a time; what else is changed stays so.", f"/{name}")
    _MEASURES[proposal.measure].check(proposal)


def asked(proposal: Proposal) -> int:
    """Return how much is asked for, whatever its direction; 1 of what is granted whole or not at all."""
    return abs(proposal.requested_tokens) if proposal.measure in AMOUNTS else 1


def needs_chair(proposal: Proposal) -> bool:
    """Tell whether the chair enacts it: pools and policies touch everybody."""
    return proposal.measure in {Proposal.Measure.POOL, Proposal.Measure.POLICY}


def base(proposal: Proposal, *, at: datetime) -> measuring.Base:
    """Return what stands of what would change: figures as text, so that it is kept and compared exactly."""
    return _MEASURES[proposal.measure].base(proposal, at)


def bases(proposals: Collection[Proposal], *, at: datetime) -> dict[int, measuring.Base]:
    """Return what stands of what each would change, by proposal, in three queries however many there are.

    Left out are measures of policy, whose base is the same for all that name them (see `base`), and those of which
    nothing can be told.
    """
    on = [proposal for proposal in proposals if proposal.measure in _ON_ENVELOPES]
    stand = measuring.standing_of([(one.entity_type, one.entity_id) for one in on], at)
    found = {}
    for one in on:
        with suppress(RefusedError):
            found[one.pk] = _ON_ENVELOPES[one.measure].base_on(one, stand.get((one.entity_type, one.entity_id)))
    return found


def preview(proposal: Proposal, granted: int, *, at: datetime, stands: measuring.Base | None = None) -> list[Row]:
    """Return what would change if so much were enacted now, by the code that enacts it.

    `stands` is the base where the caller has read it already. Refuses what could not be enacted as things stand
    (MeasureRefusedError).
    """
    stood = base(proposal, at=at) if stands is None else stands
    would = _MEASURES[proposal.measure].after(proposal, stood, granted)
    kind = would.get("window", "")
    rows = ((name, value) for name, value in would.items() if name != "window")
    return [Row(_title(proposal, name, kind), stood.get(name), value) for name, value in rows]


def apply(proposal: Proposal, stands: measuring.Base, granted: int, *, author: revisions.Author, now: datetime) -> Done:
    """Do it, in the caller's transaction, over the base `stands` that the caller has read and compared.

    Read again it could be another: an envelope that is not there yet cannot be locked. Refuses what cannot be done.
    """
    _MEASURES[proposal.measure].apply(proposal, stands, granted, author=author, now=now)
    return Done(stands, base(proposal, at=now))


def lock(proposal: Proposal) -> None:
    """Keep what it would change from changing until the transaction ends."""
    if proposal.measure == Proposal.Measure.POOL:
        pools.lock_exclusive(proposal.entity_id)
    elif proposal.measure == Proposal.Measure.POLICY:
        setting_measures.rules_of(proposal).lock()
    else:
        envelopes.lock(proposal.entity_type, proposal.entity_id)


def _title(proposal: Proposal, name: str, kind: str) -> str:
    if name in {"base", "granted"}:
        line = " ".join(part for part in (proposal.resource_type, proposal.qualifier, f"per {kind}") if part)
        return line if name == "base" else f"{line}, granted on top"
    return name.replace("_", " ")
