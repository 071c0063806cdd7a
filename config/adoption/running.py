"""Carrying steps out: each its own transaction, waiting for locks only briefly, going on where it was left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import Error, OperationalError, connection, transaction

from config import scratch
from config.adoption import claiming, preflight, preparing
from config.adoption.mapping import Names
from config.adoption.shapes import Shape, quoted, rows, shape
from config.adoption.words import MARK, PART, Adopted, Obstacle, Step, StuckError, is_lock_of_others

SCRATCH_PREFIX: Final = "adopt-"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Terms:
    """How long a step waits for a lock of others, and how often it tries again, in seconds."""

    lock_seconds: float = 0.5
    tries: int = 120
    pause_seconds: float = 1.0


class RunningError(Exception):
    """Another process adopts this database, or undoes it, or the server has not seen yet that it ended."""


# Two operators at once would build the same thing twice, and one of them fail in the middle of it.
_ALONE: Final = "SELECT pg_try_advisory_lock(7311, 0)"
_NOT_ALONE: Final = "SELECT pg_advisory_unlock(7311, 0)"
_END_SECONDS: Final = 10  # until the server has seen that a process that was killed is gone
# An index is built to its end even if nobody waits for it any more, unless the server looks whether somebody does.
_LOOK: Final = "SELECT set_config('client_connection_check_interval', '1s', false)"
# A server may end what takes long or waits long, which is right for requests; a step says itself how long it waits.
_PATIENT: Final = "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)"
_AS_BEFORE: Final = "RESET statement_timeout; RESET lock_timeout; RESET client_connection_check_interval"
# An autovacuum gives way to whoever has waited for it this long; so does a deadlock, to those who wait longer.
_GIVES_WAY: Final = """
SELECT set_config('deadlock_timeout', %s, true) WHERE has_parameter_privilege('deadlock_timeout', 'SET')
"""

_OPEN: Final = """
SELECT format('pid %s of %s%s, open for %s s: %s', pid, usename,
              coalesce(' from ' || nullif(application_name, ''), ''),
              round(extract(epoch FROM clock_timestamp() - xact_start)),
              left(regexp_replace(query, '\\s+', ' ', 'g'), 60))
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
 ORDER BY xact_start LIMIT 3
"""

_PLACES: Final = """
SELECT DISTINCT n.nspname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE starts_with(col_description(a.attrelid, a.attnum), %s) AND a.attname = %s AND c.relname = ANY(%s) ORDER BY 1
"""


@contextmanager
def alone() -> Iterator[None]:
    """Let no other process adopt this database meanwhile, and let no timeout of the server end a step."""
    end = time.monotonic() + _END_SECONDS
    while not rows(_ALONE)[0][0]:
        if time.monotonic() > end:
            raise RunningError
        time.sleep(0.2)
    rows(_PATIENT)
    with suppress(Error):  # where the server's machine cannot tell, it is not to be set
        rows(_LOOK)
    try:
        yield
    finally:
        if connection.is_usable():
            rows(_NOT_ALONE)
            with connection.cursor() as cursor:
                cursor.execute(_AS_BEFORE)


def obstacles(tables: tuple[Adopted, ...], *, schema: str, legacy: str) -> list[Obstacle]:
    """Return all that stands in the way, without changing anything."""
    found = list(preflight.of_database(schema, legacy))
    if found:
        return found
    found += preflight.of_others([adopted.name for adopted in tables], legacy)
    for adopted in tables:
        theirs = shape(legacy, adopted.name)
        if theirs is not None and not is_taken_over(adopted, schema):
            known = list(preflight.of_table(adopted, theirs))
            found += known or preflight.rehearse(adopted, theirs)
    return found


def places(tables: tuple[Adopted, ...]) -> list[str]:
    """Return the schemas in which tables of these names have been given columns of ours."""
    return [place for (place,) in rows(_PLACES, MARK, PART, [adopted.name for adopted in tables])]


def is_taken_over(adopted: Adopted, schema: str) -> bool:
    """Return whether the switch of a table is done."""
    ours = shape(schema, adopted.name)
    return ours is not None and ours.kind == "v"


def schema_steps(schema: str) -> Iterator[Step]:
    """Yield the making of our own schema and tables, which touches nothing of others."""
    if not rows("SELECT to_regnamespace(%s) IS NOT NULL", quoted(schema))[0][0]:
        yield Step("schema", "makes a schema of our own", "none", (f"CREATE SCHEMA {quoted(schema)}",))
    yield Step(
        "tables", "makes our tables in it, by the migrations", "none", run=_migrate, shown=("manage.py migrate",)
    )


def _migrate(say: Say) -> None:
    say("this takes some seconds")
    call_command("migrate", verbosity=0, interactive=False)


def table_steps(adopted: Adopted, ours: Shape, *, schema: str, legacy: str) -> Iterator[Step]:
    """Yield what is still to be done with one table, as it stands now, given the shape ours has."""
    theirs = shape(legacy, adopted.name)
    if theirs is None or is_taken_over(adopted, schema):
        return
    names = Names(ours, theirs, adopted)
    yield from preparing.steps(names, schema)
    yield from claiming.steps(names, schema)


def planned(tables: tuple[Adopted, ...], *, schema: str, legacy: str) -> Iterator[Step]:
    """Yield every step still to be done. Where our tables are not made yet, a scratch server tells their shape."""
    yield from schema_steps(schema)
    todo = [adopted for adopted in tables if shape(legacy, adopted.name) and not is_taken_over(adopted, schema)]
    if not todo:
        return
    here = {adopted.name: shape(schema, adopted.name) for adopted in todo}
    shapes = here if all(here.values()) else _scratch_shapes(todo, schema)
    for adopted in todo:
        ours = shapes[adopted.name]
        assert ours is not None  # noqa: S101 - just read
        yield from table_steps(adopted, ours, schema=schema, legacy=legacy)


def _scratch_shapes(tables: list[Adopted], schema: str) -> dict[str, Shape | None]:
    """Make our tables on a server of its own, gone afterwards, and return their shapes."""
    with scratch.Databases.started(SCRATCH_PREFIX) as databases, databases.fresh():
        return {adopted.name: _moved(shape("public", adopted.name), schema) for adopted in tables}


def _moved(found: Shape | None, schema: str) -> Shape | None:
    """Return a shape as it will stand in our schema."""
    if found is None:
        return None
    triggers = tuple(
        replace(t, function=_in(t.function, schema), function_definition=_in(t.function_definition, schema))
        for t in found.triggers
    )
    pointing = tuple(replace(key, table=_in(key.table, schema)) for key in found.referenced_by)
    return replace(found, schema=schema, triggers=triggers, referenced_by=pointing)


def _in(definition: str, schema: str) -> str:
    return definition.replace("public.", f"{quoted(schema)}.", 1)


def carry_out(step: Step, terms: Terms, say: Say) -> float:
    """Do one step. A lock that somebody holds is waited for briefly, again and again.

    Return the seconds of the longest try: so long others may have waited, for the lock it had or for it in the queue.
    """
    began = time.monotonic()
    if step.run is not None:
        step.run(say)
        return time.monotonic() - began
    longest = 0.0
    for attempt in range(1, terms.tries + 1):
        began = time.monotonic()
        try:
            _do(step, terms)
        except OperationalError as error:
            if not is_lock_of_others(error):
                raise
            longest = max(longest, time.monotonic() - began)
            if attempt < terms.tries:
                say(f"somebody's transaction holds it; try {attempt + 1} of {terms.tries} in {terms.pause_seconds:g} s")
                time.sleep(terms.pause_seconds)
        else:
            return max(longest, time.monotonic() - began)
    message = f"{step.name}: not done in {terms.tries} tries; end the transaction that is in the way, and begin again."
    raise StuckError(message)


def open_transactions() -> list[str]:
    """Return the three of others that have been open the longest: one of them holds what could not be had."""
    return [line for (line,) in rows(_OPEN)]


def _do(step: Step, terms: Terms) -> None:
    if step.concurrent:
        with connection.cursor() as cursor:
            for statement in step.statements:
                cursor.execute(statement)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{int(terms.lock_seconds * 1000)}ms'")
        cursor.execute(_GIVES_WAY, [f"{int(terms.lock_seconds * 400)}ms"])
        for statement in step.statements:
            cursor.execute(statement)


def schema_name() -> str:
    """Return the schema our tables are in, as the settings say; empty: that of everybody."""
    return str(getattr(settings, "DATABASE_SCHEMA", ""))
