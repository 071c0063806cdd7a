"""Laws as triggers, for what a constraint cannot say: what never changes, only moves forwards, or stays.

A broken law is a check violation that carries the law's name, as a constraint's is.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

import pgtrigger
from django.db import Error, connection

from config.adoption.words import PREFIX

# As the library makes it, the function asks a setting of the session whether to ignore the trigger, and catches the
# error that there is none: a subtransaction a row, whose end walks all foreign keys still to be checked. A hundred
# thousand rows by a hundred thousand checks took half a minute.
_ENFORCE = """
DO $do$ BEGIN
    IF EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('public._pgtrigger_should_ignore(name)')
                  AND prosrc <> 'SELECT false') THEN
        CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name name)
        RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
    END IF;
END $do$
"""


def enforce() -> None:
    """Let no setting of a session switch a law off. Needed after each migration that makes a trigger."""
    with connection.cursor() as cursor:
        cursor.execute(_ENFORCE)


def broken(error: Error) -> str:
    """Return the name of the law that a statement broke, empty if none did: on tables of others a word is before it."""
    law: str | None = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    return (law or "").removeprefix(PREFIX)


def fixed(name: str, *columns: str, when: pgtrigger.Q | None = None) -> pgtrigger.Trigger:
    """Refuse any change of these columns (of rows that meet `when`).

    It fires only when an UPDATE names one of them: hot updates do not pay for it.
    """
    changed: Any = pgtrigger.AnyChange(*columns)
    if when is not None:
        changed = when & reduce(or_, (pgtrigger.Q(**{f"old__{c}__df": pgtrigger.F(f"new__{c}")}) for c in columns))
    return _refuse(name, "never changes", operation=pgtrigger.UpdateOf(*columns), condition=changed)


def forwards(name: str, column: str, steps: Iterable[tuple[object, object]]) -> pgtrigger.Trigger:
    """Refuse every change of a state column but these steps (from, to).

    The condition is part of the trigger, so an allowed step calls no function.
    """
    allowed = reduce(or_, (pgtrigger.Q(**{f"old__{column}": old, f"new__{column}": new}) for old, new in steps))
    changed = pgtrigger.Q(**{f"old__{column}__df": pgtrigger.F(f"new__{column}")})
    return _refuse(name, "has no such step", operation=pgtrigger.UpdateOf(column), condition=changed & ~allowed)


def once(name: str, *columns: str) -> pgtrigger.Trigger:
    """Refuse to change any of these columns once it has a value."""
    changed = (
        pgtrigger.Q(**{f"old__{column}__isnull": False, f"old__{column}__df": pgtrigger.F(f"new__{column}")})
        for column in columns
    )
    return _refuse(name, "is written once", operation=pgtrigger.UpdateOf(*columns), condition=reduce(or_, changed))


def once_all(name: str, first: str, *others: str) -> pgtrigger.Trigger:
    """Refuse to change any of these columns once the first has a value: they are written together."""
    written = pgtrigger.Q(**{f"old__{first}__isnull": False})
    changes = (pgtrigger.Q(**{f"old__{column}__df": pgtrigger.F(f"new__{column}")}) for column in (first, *others))
    condition = written & reduce(or_, changes)
    return _refuse(name, "is written once", operation=pgtrigger.UpdateOf(first, *others), condition=condition)


def derived(name: str, *columns: str, when: pgtrigger.Q | None = None) -> pgtrigger.Trigger:
    """Refuse a change of these columns (of rows that meet `when`) but by the trigger that makes them follow others."""
    changed = reduce(or_, (pgtrigger.Q(**{f"old__{c}__df": pgtrigger.F(f"new__{c}")}) for c in columns))
    return _by_trigger(name, pgtrigger.UpdateOf(*columns), changed if when is None else when & changed)


def derived_row(name: str, empty: pgtrigger.Q | None = None) -> pgtrigger.Trigger:
    """Refuse to insert a row (that is not `empty`) but by the trigger that makes it follow others."""
    return _by_trigger(name, pgtrigger.Insert, None if empty is None else ~empty)


def derived_end(name: str) -> pgtrigger.Trigger:
    """Refuse to delete a row but by the trigger that makes it follow others."""
    return _by_trigger(name, pgtrigger.Delete, None)


class _ByHand(pgtrigger.Condition):
    """The condition of rows that a statement names itself, not one in a trigger.

    It is part of the trigger, so rows that follow others call no function, however many they are.
    """

    def __init__(self, condition: pgtrigger.Condition | None) -> None:
        self.condition = condition

    def resolve(self, model: type[Any]) -> str:
        """Return the SQL."""
        by_hand = "pg_trigger_depth() = 0"
        return by_hand if self.condition is None else f"{by_hand} AND ({self.condition.resolve(model)})"


def _by_trigger(name: str, operation: Any, condition: Any) -> pgtrigger.Trigger:
    return _refuse(name, "follows other rows", operation=operation, condition=_ByHand(condition))


def unchanged(name: str) -> pgtrigger.Trigger:
    """Refuse every UPDATE of a row."""
    return _refuse(name, "never changes", operation=pgtrigger.Update)


def kept(name: str, condition: Any = None) -> pgtrigger.Trigger:
    """Refuse every DELETE of a row (that meets the condition)."""
    return _refuse(name, "never vanishes", operation=pgtrigger.Delete, condition=condition)


def never_truncated(name: str) -> pgtrigger.Trigger:
    """Refuse TRUNCATE, which row triggers do not see."""
    return _refuse(name, "never vanishes", operation=pgtrigger.Truncate, level=pgtrigger.Statement)


def append_only(name: str) -> tuple[pgtrigger.Trigger, ...]:
    """Refuse UPDATE, DELETE and TRUNCATE: rows are added and stay as they are."""
    return (
        unchanged(f"{name}_never_changes"),
        kept(f"{name}_never_vanishes"),
        never_truncated(f"{name}_never_truncated"),
    )


def refusal(name: str, sentence: str) -> str:
    """Return the PL/pgSQL statement that refuses a change in the name of a law."""
    options = f"ERRCODE = 'check_violation', CONSTRAINT = '{name}', TABLE = TG_TABLE_NAME"
    return f"RAISE EXCEPTION '{sentence}' USING {options};"


def _refuse(name: str, what: str, **when: Any) -> pgtrigger.Trigger:
    sentence = f"law {name}: what it protects {what}"
    return pgtrigger.Trigger(name=name, when=pgtrigger.Before, func=refusal(name, sentence), **when)
