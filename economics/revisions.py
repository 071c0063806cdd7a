"""Who changes the books of budgets, and why: it stands in every revision the database writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction

from config import requests
from economics import errors

_SETTINGS = ("who", "why", "cause_kind", "cause_id", "now", "request")
_SET = ", ".join(f"set_config('economy.{name}', %s, true)" for name in _SETTINGS)
_GOT = ", ".join(f"coalesce(current_setting('economy.{name}', true), '')" for name in _SETTINGS)
_SIGN = f"WITH before AS MATERIALIZED (SELECT {_GOT}) SELECT before.*, {_SET} FROM before"  # noqa: S608 - constants


class Author(NamedTuple):
    """Who changes an envelope, why, and for what cause (a proposal, a review, a freeze): it goes into the revision."""

    who: str
    why: str = ""
    cause_kind: str = ""
    cause_id: str = ""


@contextmanager
def signed(author: Author, *, now: datetime) -> Iterator[None]:
    """Put an author's name on all history written meanwhile, in one transaction; then the one before signs again.

    The id of the request it is part of goes with it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SIGN, [*author, now.isoformat(), requests.current()])
        before = cursor.fetchone()[: len(_SETTINGS)]
        yield
        cursor.execute(_SIGN, before)


@contextmanager
def lawful(pointer: str) -> Iterator[None]:
    """Turn a broken law about ceilings, windows and shares into a refusal."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        law = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if law == "envelope_once_per_entity":  # somebody was faster
            raise errors.EnvelopeExistsError from error
        msg = f"This breaks the law {law}."
        raise errors.BudgetInvalidError(msg, pointer=pointer, law=law) from error
