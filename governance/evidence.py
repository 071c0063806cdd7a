"""Evidence: what a proposal stands on, checked in form, and in fact where the system itself has the facts."""

from typing import Any, Final

from governance import claims

SHAPES: Final = claims.SHAPES


def checked_form(kind: str, claim: object, *, note: object = "", url: object = "") -> dict[str, Any]:
    """Return a claim as it is kept, or refuse it with the pointer of what is wrong (see `claims.checked`)."""
    return claims.checked(kind, claim, note=note, url=url)
