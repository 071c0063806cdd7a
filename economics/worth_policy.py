"""The policy of worth: by which version scores, market weights, ROI and reviews are made, and how it is changed."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from config.errors import RefusedError
from economics import errors, revisions
from economics.models import WorthPolicy

_OF_THE_VERSION: Final = ("version", "made_at", "made_by", "reason", "cause_kind", "cause_id")
TERMS: Final = tuple(f.name for f in WorthPolicy._meta.concrete_fields if f.name not in _OF_THE_VERSION)  # noqa: SLF001 - Django's public name for it

_LAWS: Final[Mapping[str, str]] = {
    "worth_weights_sum_to_one": "The four weights of a score sum to 1.",
    "worth_points_sane": "Points and edges lie between 0 and 1,000, scales between 0.001 and 100,000.",
    "worth_market_sane": "Gain, daily step and threshold lie between 0 and 1, the half-life between 0.01 and 365 days.",
    "worth_returns_sane": "ROI looks back 1 to 366 days, and the fewest tokens that prove it are at least 1.",
    "worth_review_sane": (
        "A review's step is at most 0.5, its quantiles and shares lie between 0 and 1, the low quantile not above the "
        "good one; at least one entity is judged."
    ),
}


def ensure() -> None:
    """Create the first version where there is none."""
    WorthPolicy.objects.get_or_create(pk=1, defaults={"made_by": "the house", "reason": "as delivered"})


def get() -> WorthPolicy:
    """Return the version in force."""
    return WorthPolicy.objects.latest("version")


def lock() -> None:
    """Keep the version in force from being followed by another until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE economics_worth_policies IN SHARE ROW EXCLUSIVE MODE")


def terms(policy: WorthPolicy) -> dict[str, Any]:
    """Return what a version says, by name: the parameters of every statement that goes by it."""
    return {name: getattr(policy, name) for name in TERMS}


def varied(policy: WorthPolicy, changes: Mapping[str, Any]) -> WorthPolicy:
    """Return a version that is not stored, as this one but for `changes`. Refuses names that are no terms."""
    unknown = sorted(changes.keys() - set(TERMS))
    if unknown:
        msg = f"The policy says nothing of {', '.join(unknown)}."
        raise errors.PolicyInvalidError(msg, pointer=f"/{unknown[0]}")
    return WorthPolicy(version=policy.version + 1, **{**terms(policy), **changes})


def change(
    *, author: revisions.Author, now: datetime, expected_version: int | None = None, **changes: Any
) -> WorthPolicy:
    """Put a new version in force, as the present one but for `changes`; return the present one if nothing changes.

    Refuses a version other than `expected_version` (somebody was faster), a change without a reason, names that are
    no terms, and terms that break a law, as weights that do not sum to 1. A raised threshold takes back at once what
    the market lifts below it.
    """
    if not author.why:
        msg = "Say why."
        raise errors.PolicyInvalidError(msg, pointer="/reason")
    present = get()
    if expected_version is not None and present.version != expected_version:
        raise errors.StalePolicyError(version=present.version)
    policy = varied(present, changes)
    if terms(policy) == terms(present):
        return present
    policy.made_at, policy.made_by, policy.reason = now, author.who, author.why
    policy.cause_kind, policy.cause_id = author.cause_kind, author.cause_id
    try:
        with revisions.signed(author, now=now), transaction.atomic():
            policy.save(force_insert=True)
    except IntegrityError as error:
        raise _refusal(error) from error
    policy.refresh_from_db()
    return policy


def check(policy: WorthPolicy) -> None:
    """Refuse terms that no version may have, without storing them."""
    try:
        policy.clean_fields(exclude=_OF_THE_VERSION)
    except ValidationError as error:
        field, (first, *_others) = next(iter(error.message_dict.items()))
        raise errors.PolicyInvalidError(first, pointer=f"/{field}") from error
    for law in policy._meta.constraints:  # noqa: SLF001 - Django's public name for it
        try:
            law.validate(WorthPolicy, policy)
        except ValidationError as error:
            raise errors.PolicyInvalidError(_sentence(law.name), pointer="/", law=law.name) from error


def _refusal(error: IntegrityError) -> RefusedError:
    law = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if law.endswith("_pkey"):
        return errors.StalePolicyError()
    return errors.PolicyInvalidError(_sentence(law), pointer="/", law=law)


def _sentence(law: str) -> str:
    return _LAWS.get(law, f"It breaks {law}.")


def weights(policy: WorthPolicy) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return the weights of evidence, novelty, alignment and interest."""
    return policy.evidence_weight, policy.novelty_weight, policy.alignment_weight, policy.interest_weight
