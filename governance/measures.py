"""The closed list of what the Senate can do: what each takes, what it would change, and the doing."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn, Protocol, TypeAlias

from auction import pools
from config.errors import RefusedError
from economics import catalog, envelopes, revisions, standings, stops, worth_policy
from economics import errors as books
from governance import errors, policy
from governance.models import Proposal

_COLUMNS: Final[Mapping[str, str]] = {
    "llm_tokens": "token_budget",
    "cpu_seconds": "cpu_budget",
    "storage_gb_hours": "storage_budget_gb",
    "api_calls": "api_call_budget",
}
_WINDOWS: Final = ("day", "week", "month", "lifetime")
_OPENS_WITH: Final = "month"  # window of an envelope that is opened for a proposal which names none
_MOST: Final = 10**15
POOL_SETTINGS: Final = ("pricing_rule", "reserve_tokens")
POLICIES: Final[Mapping[str, Any]] = {"worth": worth_policy, "senate": policy}

Base: TypeAlias = dict[str, Any]


class Row(NamedTuple):
    """One thing that would change: what it is, what stands, and what would stand."""

    what: str
    before: object
    after: object


class Done(NamedTuple):
    """What a measure changed: what stood of it before, and after."""

    before: Base
    after: Base


class _Measure(Protocol):
    """What each measure knows: what it refuses, what stands, what would stand, and how it is done."""

    def check(self, proposal: Proposal) -> None:
        """Refuse what this measure could never do."""

    def base(self, proposal: Proposal, at: datetime) -> Base:
        """Return what stands, of what would change."""

    def after(self, proposal: Proposal, base: Base, granted: int) -> Base:
        """Return what would stand."""

    def apply(self, proposal: Proposal, granted: int, author: revisions.Author, now: datetime) -> None:
        """Do it."""


class _Line:
    """Raise or lower a line of an envelope; the first one opens the envelope."""

    def check(self, proposal: Proposal) -> None:
        _check_line(proposal)

    def base(self, proposal: Proposal, at: datetime) -> Base:
        return _line_base(proposal, at)

    def after(self, proposal: Proposal, base: Base, granted: int) -> Base:
        amount = granted if proposal.requested_tokens > 0 else -granted
        if base["envelope"] is None:
            if proposal.qualifier or amount < 0:
                _refuse("This entity has no envelope: ask for its tokens, seconds, storage or calls as a whole.")
            return {**base, "envelope": "open", "base": str(amount)}
        if base["base"] is None:
            _refuse("This line has no ceiling: there is nothing to raise or lower.")
        changed = Decimal(base["base"]) + amount
        if not 0 <= changed <= _MOST:
            _refuse(f"The line stands at {base['base']}: it cannot be changed by {amount:,}, only to 0 up to 10^15.")
        return {**base, "base": _plain(changed)}

    def apply(self, proposal: Proposal, granted: int, author: revisions.Author, now: datetime) -> None:
        stood = self.base(proposal, now)
        base = Decimal(self.after(proposal, stood, granted)["base"])
        whole = proposal.resource_type in {"llm_tokens", "api_calls"}
        value = int(base) if whole else base
        column = _COLUMNS[proposal.resource_type]
        if stood["envelope"] is None:
            kind = proposal.window_kind or _OPENS_WITH
            terms = {"window_kind": kind, column: value}
            envelopes.open_envelope(
                proposal.entity_type, proposal.entity_id, author=author, now=now, granted=True, **terms
            )
            return
        envelope = envelopes.get(proposal.entity_type, proposal.entity_id)
        kind = proposal.window_kind or envelope.window_kind
        if not proposal.qualifier and kind == envelope.window_kind:
            envelopes.change(envelope.pk, author=author, now=now, **{column: value})
        else:
            envelopes.set_line(
                envelope.pk,
                resource_type=proposal.resource_type,
                qualifier=proposal.qualifier,
                window_kind=kind,
                base=base,
                author=author,
                now=now,
            )
        if proposal.requested_tokens > 0 and envelope.granted_at is None:
            envelopes.mark_granted(envelope.pk, author=author, now=now)


class _Grant:
    """Add to a line for a time."""

    def check(self, proposal: Proposal) -> None:
        _check_line(proposal)
        if proposal.requested_tokens < 0:
            _invalid("A grant adds: ask for more than 0.", "/requested_tokens")
        if proposal.lasts_from and proposal.lasts_until and proposal.lasts_until < proposal.lasts_from:
            _invalid("A grant ends after it begins.", "/lasts_until")

    def base(self, proposal: Proposal, at: datetime) -> Base:
        line = _line(proposal, at)
        granted = None if line is None else _plain(line.granted)
        return {**_line_base(proposal, at), "granted": granted}

    def after(self, proposal: Proposal, base: Base, granted: int) -> Base:
        if base["envelope"] is None:
            _refuse("This entity has no envelope to grant anything on: ask to change a line, which opens one.")
        if base["base"] is None:
            _refuse("This line has no ceiling: there is nothing to add to.")
        del proposal
        return {**base, "granted": _plain(Decimal(base["granted"]) + granted)}

    def apply(self, proposal: Proposal, granted: int, author: revisions.Author, now: datetime) -> None:
        if proposal.lasts_until is not None and proposal.lasts_until < now:
            _refuse("The time it was asked for is over.")
        self.after(proposal, self.base(proposal, now), granted)
        line = _line(proposal, now)
        first = proposal.lasts_from if proposal.lasts_from and proposal.lasts_from > now else None
        if line is None or line.envelope_id is None:
            _refuse("There is no such line.")
        envelopes.grant(
            line.line_id, amount=Decimal(granted), author=author, now=now, first=first, last=proposal.lasts_until
        )
        if envelopes.get(proposal.entity_type, proposal.entity_id).granted_at is None:
            envelopes.mark_granted(line.envelope_id, author=author, now=now)


class _State:
    """Freeze an envelope, or lift a freeze."""

    def __init__(self, *, freeze: bool) -> None:
        self.freeze = freeze

    def check(self, proposal: Proposal) -> None:
        if proposal.requested_tokens or proposal.terms:
            _invalid("Freezing takes no amount and no terms.", "/requested_tokens")
        try:
            envelopes.get(proposal.entity_type, proposal.entity_id)
        except books.UnknownEnvelopeError:
            _invalid("This entity has no envelope.", "/entity_id")

    def base(self, proposal: Proposal, at: datetime) -> Base:
        del at
        return {"state": str(envelopes.get(proposal.entity_type, proposal.entity_id).state)}

    def after(self, proposal: Proposal, base: Base, granted: int) -> Base:
        del proposal, granted
        if (base["state"] == "frozen") == self.freeze:
            _refuse("It is frozen already." if self.freeze else "It is not frozen.")
        return {"state": "frozen" if self.freeze else "as before the freeze"}

    def apply(self, proposal: Proposal, granted: int, author: revisions.Author, now: datetime) -> None:
        self.after(proposal, self.base(proposal, now), granted)
        ids = [envelopes.get(proposal.entity_type, proposal.entity_id).pk]
        if self.freeze:
            stops.freeze(ids, author=author, now=now)
        else:
            stops.unfreeze(ids, author=author, now=now)


class _Settings:
    """Give a pool or a policy other settings, those that `terms` name."""

    def check(self, proposal: Proposal) -> None:
        if proposal.requested_tokens:
            _invalid("A pool or a policy takes terms, and no amount.", "/requested_tokens")
        self._changed(proposal)

    def _changed(self, proposal: Proposal) -> dict[str, Any]:
        """Return the new settings as the pool or policy takes them, or refuse them."""
        raise NotImplementedError

    def base(self, proposal: Proposal, at: datetime) -> Base:
        raise NotImplementedError

    def after(self, proposal: Proposal, base: Base, granted: int) -> Base:
        del base, granted
        return {name: _plain(value) for name, value in self._changed(proposal).items()}


class _Pool(_Settings):
    """Change a pool's reserve or pricing rule."""

    def _changed(self, proposal: Proposal) -> dict[str, Any]:
        if proposal.entity_type != "pool":
            _invalid("A pool is named by the type pool and its name as id.", "/entity_type")
        try:
            pool = pools.get(proposal.entity_id)
        except RefusedError as error:
            raise errors.InvalidProposalError(error.detail, pointer="/entity_id") from error
        for name, value in proposal.terms.items():
            if name not in POOL_SETTINGS:
                _invalid(f"Of a pool the Senate changes {' and '.join(POOL_SETTINGS)}.", f"/terms/{name}")
            if name == "pricing_rule" and value not in pool.Rule.values:
                _invalid(f"A pricing rule is one of {', '.join(pool.Rule.values)}.", "/terms/pricing_rule")
            if name == "reserve_tokens" and (type(value) is not int or not 0 <= value <= _MOST):
                _invalid("A reserve is a whole number of wallet tokens, 0 to 10^15.", "/terms/reserve_tokens")
        return dict(proposal.terms)

    def base(self, proposal: Proposal, at: datetime) -> Base:
        del at
        pool = pools.get(proposal.entity_id)
        return {name: getattr(pool, name) for name in sorted(proposal.terms)}

    def apply(self, proposal: Proposal, granted: int, author: revisions.Author, now: datetime) -> None:
        del granted
        with revisions.signed(author, now=now):
            pools.configure(proposal.entity_id, **self._changed(proposal))


class _Policy(_Settings):
    """Change the policy of worth (score weights, market, ROI, reviews) or that of the Senate."""

    def _changed(self, proposal: Proposal) -> dict[str, Any]:
        rules = POLICIES.get(proposal.entity_id)
        if proposal.entity_type != "policy" or rules is None:
            _invalid(f"A policy is named by the type policy and the id {' or '.join(POLICIES)}.", "/entity_id")
        try:
            version = rules.varied(rules.get(), proposal.terms)
            rules.check(version)
        except RefusedError as error:
            raise errors.InvalidProposalError(error.detail, pointer=f"/terms{error.pointer.rstrip('/')}") from error
        return {name: getattr(version, name) for name in proposal.terms}

    def base(self, proposal: Proposal, at: datetime) -> Base:
        del at
        version = POLICIES[proposal.entity_id].get()
        return {name: _plain(getattr(version, name)) for name in sorted(proposal.terms)}

    def apply(self, proposal: Proposal, granted: int, author: revisions.Author, now: datetime) -> None:
        del granted
        POLICIES[proposal.entity_id].change(author=author, now=now, **self._changed(proposal))


_MEASURES: Final[Mapping[str, _Measure]] = {
    Proposal.Measure.CHANGE_LINE: _Line(),
    Proposal.Measure.GRANT: _Grant(),
    Proposal.Measure.FREEZE: _State(freeze=True),
    Proposal.Measure.UNFREEZE: _State(freeze=False),
    Proposal.Measure.POOL: _Pool(),
    Proposal.Measure.POLICY: _Policy(),
}
AMOUNTS: Final = (Proposal.Measure.CHANGE_LINE, Proposal.Measure.GRANT)


def check(proposal: Proposal) -> None:
    """Refuse what could never be carried out: unknown lines, pools or terms, amounts above the fleet's ceiling.

    What is merely missing yet is not refused here (see `proposals.missing`).
    """
    if proposal.measure not in _MEASURES:
        _invalid(f"A measure is one of {', '.join(_MEASURES)}.", "/measure")
    most = policy.get().most_requested
    if abs(proposal.requested_tokens) > most:
        msg = f"A proposal asks for {most:,} at most."
        raise errors.InvalidProposalError(msg, pointer="/requested_tokens", most_requested=most)
    _MEASURES[proposal.measure].check(proposal)


def asked(proposal: Proposal) -> int:
    """Return how much is asked for, whatever its direction; 1 of what is granted whole or not at all."""
    return abs(proposal.requested_tokens) if proposal.measure in AMOUNTS else 1


def needs_chair(proposal: Proposal) -> bool:
    """Tell whether the chair enacts it: pools and policies touch everybody."""
    return proposal.measure in {Proposal.Measure.POOL, Proposal.Measure.POLICY}


def base(proposal: Proposal, *, at: datetime) -> Base:
    """Return what stands of what would change: figures as text, so that it is kept and compared exactly."""
    return _MEASURES[proposal.measure].base(proposal, at)


def preview(proposal: Proposal, granted: int, *, at: datetime) -> list[Row]:
    """Return what would change if so much were enacted now, by the code that enacts it.

    Refuses what could not be enacted as things stand (MeasureRefusedError).
    """
    stands = base(proposal, at=at)
    would = _MEASURES[proposal.measure].after(proposal, stands, granted)
    return [Row(_title(proposal, name), stands.get(name), value) for name, value in would.items() if name != "window"]


def apply(proposal: Proposal, granted: int, *, author: revisions.Author, now: datetime) -> Done:
    """Do it, in the caller's transaction; refuses what cannot be done as things stand."""
    before = base(proposal, at=now)
    _MEASURES[proposal.measure].apply(proposal, granted, author, now)
    return Done(before, base(proposal, at=now))


def lock(proposal: Proposal) -> None:
    """Keep what it would change from changing until the transaction ends."""
    if proposal.measure == Proposal.Measure.POOL:
        pools.lock_exclusive(proposal.entity_id)
    elif proposal.measure == Proposal.Measure.POLICY:
        POLICIES[proposal.entity_id].lock()
    else:
        envelopes.lock(proposal.entity_type, proposal.entity_id)


def _title(proposal: Proposal, name: str) -> str:
    if name in {"base", "granted"}:
        kind = proposal.window_kind or "window"
        line = " ".join(part for part in (proposal.resource_type, proposal.qualifier, f"per {kind}") if part)
        return line if name == "base" else f"{line}, granted on top"
    return name.replace("_", " ")


def _check_line(proposal: Proposal) -> None:
    if proposal.terms:
        _invalid("A line takes an amount, and no terms.", "/terms")
    if proposal.resource_type not in _COLUMNS:
        _invalid(f"A class is one of {', '.join(_COLUMNS)}.", "/resource_type")
    if proposal.window_kind and proposal.window_kind not in _WINDOWS:
        _invalid(f"A window is one of {', '.join(_WINDOWS)}; empty is the envelope's own.", "/window_kind")
    if proposal.qualifier and proposal.resource_type not in {"llm_tokens", "api_calls"}:
        _invalid("Only LLM tokens have tiers and only API calls have providers.", "/qualifier")
    if proposal.qualifier and proposal.resource_type == "llm_tokens" and not catalog.has_tier(proposal.qualifier):
        _invalid("There is no such tier.", "/qualifier")


def _line_base(proposal: Proposal, at: datetime) -> Base:
    try:
        envelope = envelopes.get(proposal.entity_type, proposal.entity_id)
    except books.UnknownEnvelopeError:
        return {"envelope": None, "window": proposal.window_kind or _OPENS_WITH, "base": None}
    line = _line(proposal, at)
    stands = None if line is None or line.base is None else _plain(line.base)
    return {"envelope": "open", "window": proposal.window_kind or str(envelope.window_kind), "base": stands}


def _line(proposal: Proposal, at: datetime) -> standings.Standing | None:
    """Return where the named line stands; None where the envelope has none."""
    try:
        envelope = envelopes.get(proposal.entity_type, proposal.entity_id)
    except books.UnknownEnvelopeError:
        return None
    named = (proposal.resource_type, proposal.qualifier, proposal.window_kind or envelope.window_kind)
    lines = standings.of_envelopes([envelope.pk], at=at)[envelope.pk]
    return next((one for one in lines if (one.resource_type, one.qualifier, one.window_kind) == named), None)


def _plain(value: object) -> Any:
    """Return a figure as text, in the one spelling in which it is compared; anything else as it is."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _invalid(sentence: str, pointer: str) -> NoReturn:
    raise errors.InvalidProposalError(sentence, pointer=pointer)


def _refuse(sentence: str) -> NoReturn:
    raise errors.MeasureRefusedError(sentence)
