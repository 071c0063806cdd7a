"""Measures on lines of envelopes: to raise or lower one, and to grant on top of it for a time."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from economics import catalog, envelopes, revisions, standings
from governance import measuring
from governance.models import Proposal

_COLUMNS: Final[Mapping[str, str]] = {
    "llm_tokens": "token_budget",
    "cpu_seconds": "cpu_budget",
    "storage_gb_hours": "storage_budget_gb",
    "api_calls": "api_call_budget",
}
_WINDOWS: Final = ("day", "week", "month", "lifetime")
_OPENS_WITH: Final = "month"  # window of an envelope that is opened for a proposal which names none


class ChangeLine:
    """Raise or lower a line of an envelope; the first one opens the envelope."""

    def check(self, proposal: Proposal) -> None:
        """Refuse what it could never do."""
        _check_line(proposal)

    def base(self, proposal: Proposal, at: datetime) -> measuring.Base:
        """Return what stands, of what would change."""
        return self.base_on(proposal, measuring.standing(proposal, at))

    def base_on(self, proposal: Proposal, on: measuring.Standing | None) -> measuring.Base:
        """Return what stands, of an envelope that has been read."""
        return _line_base(proposal, on)

    def after(self, proposal: Proposal, base: measuring.Base, granted: int) -> measuring.Base:
        """Return what would stand."""
        amount = granted if proposal.requested_tokens > 0 else -granted
        if base["envelope"] is None:
            if proposal.qualifier or amount < 0:
                measuring.refuse(
                    "This entity has no envelope: ask for its tokens, seconds, storage or calls as a whole."
                )
            return {**base, "envelope": "open", "base": str(amount)}
        if base["base"] is None:
            measuring.refuse("This line has no ceiling: there is nothing to raise or lower.")
        changed = Decimal(base["base"]) + amount
        if not 0 <= changed <= measuring.MOST:
            measuring.refuse(
                f"The line stands at {base['base']}: it cannot be changed by {amount:,}, only to 0 up to 10^15."
            )
        return {**base, "base": measuring.plain(changed)}

    def apply(
        self, proposal: Proposal, stood: measuring.Base, granted: int, *, author: revisions.Author, now: datetime
    ) -> None:
        """Do it."""
        base = Decimal(self.after(proposal, stood, granted)["base"])
        whole = proposal.resource_type in {"llm_tokens", "api_calls"}
        ceiling: dict[str, Any] = {_COLUMNS[proposal.resource_type]: int(base) if whole else base}
        if stood["envelope"] is None:
            kind = proposal.window_kind or _OPENS_WITH
            named = (proposal.entity_type, proposal.entity_id)
            envelopes.open_envelope(*named, author=author, now=now, granted=True, window_kind=kind, **ceiling)
            return
        envelope = envelopes.get(proposal.entity_type, proposal.entity_id)
        kind = proposal.window_kind or envelope.window_kind
        if not proposal.qualifier and kind == envelope.window_kind:
            envelopes.change(envelope.pk, author=author, now=now, **ceiling)
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


class GrantOnLine:
    """Add to a line for a time."""

    def check(self, proposal: Proposal) -> None:
        """Refuse what it could never do."""
        _check_line(proposal)
        if proposal.requested_tokens < 0:
            measuring.invalid("A grant adds: ask for more than 0.", "/requested_tokens")
        if proposal.lasts_from and proposal.lasts_until and proposal.lasts_until < proposal.lasts_from:
            measuring.invalid("A grant ends after it begins.", "/lasts_until")

    def base(self, proposal: Proposal, at: datetime) -> measuring.Base:
        """Return what stands, of what would change."""
        return self.base_on(proposal, measuring.standing(proposal, at))

    def base_on(self, proposal: Proposal, on: measuring.Standing | None) -> measuring.Base:
        """Return what stands, of an envelope that has been read."""
        line = _line(proposal, on)
        granted = None if line is None else measuring.plain(line.granted)
        return {**_line_base(proposal, on), "granted": granted}

    def after(self, proposal: Proposal, base: measuring.Base, granted: int) -> measuring.Base:
        """Return what would stand."""
        if base["envelope"] is None:
            measuring.refuse("This entity has no envelope to grant anything on: ask to change a line, which opens one.")
        if base["base"] is None:
            measuring.refuse("This line has no ceiling: there is nothing to add to.")
        del proposal
        return {**base, "granted": measuring.plain(Decimal(base["granted"]) + granted)}

    def apply(
        self, proposal: Proposal, stood: measuring.Base, granted: int, *, author: revisions.Author, now: datetime
    ) -> None:
        """Do it."""
        if proposal.lasts_until is not None and proposal.lasts_until < now:
            measuring.refuse("The time it was asked for is over.")
        self.after(proposal, stood, granted)
        line = _line(proposal, measuring.standing(proposal, now))
        first = proposal.lasts_from if proposal.lasts_from and proposal.lasts_from > now else None
        if line is None or line.envelope_id is None:
            measuring.refuse("There is no such line.")
        if first is None and proposal.lasts_from and proposal.lasts_until is None:
            # not another window because the votes took long
            only = _line(proposal, measuring.standing(proposal, proposal.lasts_from))
            if only is None or only.window_start < line.window_start:
                measuring.refuse("The time it was asked for is over.")
        envelopes.grant(
            line.line_id, amount=Decimal(granted), author=author, now=now, first=first, last=proposal.lasts_until
        )
        if envelopes.get(proposal.entity_type, proposal.entity_id).granted_at is None:
            envelopes.mark_granted(line.envelope_id, author=author, now=now)


def _check_line(proposal: Proposal) -> None:
    if proposal.terms:
        measuring.invalid("A line takes an amount, and no terms.", "/terms")
    if proposal.resource_type not in _COLUMNS:
        measuring.invalid(f"A class is one of {', '.join(_COLUMNS)}.", "/resource_type")
    if proposal.window_kind and proposal.window_kind not in _WINDOWS:
        measuring.invalid(f"A window is one of {', '.join(_WINDOWS)}; empty is the envelope's own.", "/window_kind")
    if proposal.qualifier and proposal.resource_type not in {"llm_tokens", "api_calls"}:
        measuring.invalid("Only LLM tokens have tiers and only API calls have providers.", "/qualifier")
    if proposal.qualifier and proposal.resource_type == "llm_tokens" and not catalog.has_tier(proposal.qualifier):
        measuring.invalid("There is no such tier.", "/qualifier")


def _line_base(proposal: Proposal, on: measuring.Standing | None) -> measuring.Base:
    if on is None:
        return {"envelope": None, "window": proposal.window_kind or _OPENS_WITH, "base": None}
    line = _line(proposal, on)
    stands = None if line is None or line.base is None else measuring.plain(line.base)
    return {"envelope": "open", "window": proposal.window_kind or str(on.envelope.window_kind), "base": stands}


def _line(proposal: Proposal, on: measuring.Standing | None) -> standings.Standing | None:
    """Return where the named line stands; None where the envelope has none."""
    if on is None:
        return None
    named = (proposal.resource_type, proposal.qualifier, proposal.window_kind or on.envelope.window_kind)
    return next((one for one in on.lines if (one.resource_type, one.qualifier, one.window_kind) == named), None)
