"""The policy of the Senate: under which rules proposals are voted on, in versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from economics import revisions
from governance import errors
from governance.models import SenatePolicy

TERMS: Final = ("quorum", "voting_hours", "most_requested")
_SANE: Final = (
    "A quorum is 1 to 1,000 votes, voting takes 1 to 8,760 hours, and a proposal asks for 1 to 10^15 at most."
)


def ensure() -> None:
    """Create the first version where there is none."""
    SenatePolicy.objects.get_or_create(pk=1, defaults={"made_by": "the house", "reason": "as delivered"})


def get() -> SenatePolicy:
    """Return the version in force."""
    return SenatePolicy.objects.latest("version")


def lock() -> None:
    """Keep the version in force from being followed by another until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE governance_policies IN SHARE ROW EXCLUSIVE MODE")


def terms(version: SenatePolicy) -> dict[str, Any]:
    """Return what a version says, by name."""
    return {name: getattr(version, name) for name in TERMS}


def varied(version: SenatePolicy, changes: Mapping[str, Any]) -> SenatePolicy:
    """Return a version that is not stored, as this one but for `changes`. Refuses names that are no terms."""
    unknown = sorted(changes.keys() - set(TERMS))
    if unknown:
        msg = f"The policy says nothing of {', '.join(unknown)}."
        raise errors.SenatePolicyInvalidError(msg, pointer=f"/{unknown[0]}")
    return SenatePolicy(version=version.version + 1, **{**terms(version), **changes})


def check(version: SenatePolicy) -> None:
    """Refuse terms that no version may have, without storing them."""
    try:
        version.clean_fields(exclude=("version", "made_at", "made_by", "reason", "cause_kind", "cause_id"))
        for law in version._meta.constraints:  # noqa: SLF001 - Django's public name for it
            law.validate(SenatePolicy, version)
    except ValidationError as error:
        raise errors.SenatePolicyInvalidError(_SANE, pointer="/") from error


def change(
    *, author: revisions.Author, now: datetime, expected_version: int | None = None, **changes: Any
) -> SenatePolicy:
    """Put a new version in force, as the present one but for `changes`; return the present one if nothing changes.

    Ballots that are open keep to the version they were opened under. Refuses a version other than
    `expected_version` (somebody was faster), a change without a reason, names that are no terms and terms that break
    a law.
    """
    if not author.why:
        msg = "Say why."
        raise errors.SenatePolicyInvalidError(msg, pointer="/reason")
    present = get()
    if expected_version is not None and present.version != expected_version:
        raise errors.StaleSenatePolicyError(version=present.version)
    version = varied(present, changes)
    check(version)
    if terms(version) == terms(present):
        return present
    version.made_at, version.made_by, version.reason = now, author.who, author.why
    version.cause_kind, version.cause_id = author.cause_kind, author.cause_id
    try:
        with revisions.signed(author, now=now), transaction.atomic():
            version.save(force_insert=True)
    except IntegrityError as error:
        raise errors.StaleSenatePolicyError from error
    return version
