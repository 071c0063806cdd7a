"""Measures on settings: those of a pool, and the terms of a policy."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from auction import pools
from config.errors import RefusedError
from economics import revisions, worth_policy
from governance import errors, measuring, policy
from governance.models import Proposal

POOL_SETTINGS: Final = ("pricing_rule", "reserve_tokens")
POLICIES: Final[Mapping[str, Any]] = {"worth": worth_policy, "senate": policy}


class _Settings:
    """Give a pool or a policy other settings, those that `terms` name."""

    def check(self, proposal: Proposal) -> None:
        """Refuse what it could never do."""
        if proposal.requested_tokens:
            measuring.invalid("A pool or a policy takes terms, and no amount.", "/requested_tokens")
        self._changed(proposal)

    def _changed(self, proposal: Proposal) -> dict[str, Any]:
        """Return the new settings as the pool or policy takes them, or refuse them."""
        raise NotImplementedError

    def base(self, proposal: Proposal, at: datetime) -> measuring.Base:
        """Return what stands, of what would change."""
        raise NotImplementedError

    def after(self, proposal: Proposal, base: measuring.Base, granted: int) -> measuring.Base:
        """Return what would stand."""
        del base, granted
        return {name: measuring.plain(value) for name, value in self._changed(proposal).items()}


class ChangePool(_Settings):
    """Change a pool's reserve or pricing rule."""

    def _changed(self, proposal: Proposal) -> dict[str, Any]:
        if proposal.entity_type != "pool":
            measuring.invalid("A pool is named by the type pool and its name as id.", "/entity_type")
        try:
            pool = pools.get(proposal.entity_id)
        except RefusedError as error:
            raise errors.InvalidProposalError(error.detail, pointer="/entity_id") from error
        for name, value in proposal.terms.items():
            if name not in POOL_SETTINGS:
                measuring.invalid(f"Of a pool the Senate changes {' and '.join(POOL_SETTINGS)}.", f"/terms/{name}")
            if name == "pricing_rule" and value not in pool.Rule.values:
                measuring.invalid(f"A pricing rule is one of {', '.join(pool.Rule.values)}.", "/terms/pricing_rule")
            if name == "reserve_tokens" and (type(value) is not int or not 0 <= value <= measuring.MOST):
                measuring.invalid("A reserve is a whole number of wallet tokens, 0 to 10^15.", "/terms/reserve_tokens")
        return dict(proposal.terms)

    def base(self, proposal: Proposal, at: datetime) -> measuring.Base:
        """Return what stands, of what would change."""
        del at
        return _standing(proposal, pools.get(proposal.entity_id), POOL_SETTINGS)

    def apply(
        self, proposal: Proposal, stood: measuring.Base, granted: int, *, author: revisions.Author, now: datetime
    ) -> None:
        """Do it."""
        del stood, granted
        with revisions.signed(author, now=now):
            pools.configure(proposal.entity_id, **self._changed(proposal))


class ChangePolicy(_Settings):
    """Change the policy of worth (score weights, market, ROI, reviews) or that of the Senate."""

    def _changed(self, proposal: Proposal) -> dict[str, Any]:
        rules = POLICIES.get(proposal.entity_id)
        if proposal.entity_type != "policy" or rules is None:
            measuring.invalid(f"A policy is named by the type policy and the id {' or '.join(POLICIES)}.", "/entity_id")
        try:
            version = rules.varied(rules.get(), {name: _given(value) for name, value in proposal.terms.items()})
            rules.check(version)
        except RefusedError as error:
            raise errors.InvalidProposalError(error.detail, pointer=f"/terms{error.pointer.rstrip('/')}") from error
        found = {name: getattr(version, name) for name in proposal.terms}
        for name, value in found.items():
            _check_kept(proposal.terms[name], value, f"/terms/{name}")
        return found

    def base(self, proposal: Proposal, at: datetime) -> measuring.Base:
        """Return what stands, of what would change."""
        del at
        rules = rules_of(proposal)
        return _standing(proposal, rules.get(), rules.TERMS)

    def apply(
        self, proposal: Proposal, stood: measuring.Base, granted: int, *, author: revisions.Author, now: datetime
    ) -> None:
        """Do it."""
        del stood, granted
        rules_of(proposal).change(author=author, now=now, **self._changed(proposal))


def rules_of(proposal: Proposal) -> Any:
    """Return the policy that a proposal names, as the module of its rules; refuses one that there is not."""
    if proposal.entity_id not in POLICIES:
        measuring.refuse("There is no such policy.")
    return POLICIES[proposal.entity_id]


def _standing(proposal: Proposal, of: object, known: Collection[str]) -> measuring.Base:
    """Return what stands of the settings that a proposal names; another program may have it name any."""
    unknown = sorted(proposal.terms.keys() - set(known))
    if unknown:
        measuring.refuse(f"There is no setting {unknown[0]}.")
    return {name: measuring.plain(getattr(of, name)) for name in sorted(proposal.terms)}


def _given(value: object) -> object:
    """Return a term as it was written: 0.3 is that, and not the binary fraction next to it."""
    return Decimal(str(value)) if isinstance(value, float) else value


def _check_kept(given: object, kept: object, pointer: str) -> None:
    """Refuse what would be kept as something else than what is voted on: true as 1, or 2.7 as 2."""
    is_truth = isinstance(given, bool) and not isinstance(kept, bool)
    is_cut = isinstance(given, float) and isinstance(kept, int) and given != kept
    if is_truth or is_cut:
        measuring.invalid("A number is expected, a whole one where the policy has one.", pointer)
