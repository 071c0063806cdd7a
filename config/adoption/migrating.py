"""Later migrations of tables taken over: they change our own, empty tables, and what they change follows on theirs."""

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from config.adoption import claiming, preparing, running
from config.adoption.claiming import aside
from config.adoption.mapping import Names
from config.adoption.shapes import Shape, quoted, rows, shape
from config.adoption.words import FIXED, Adopted

_THEIRS: Final = """
SELECT n.nspname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgname = %s AND c.relname = %s
"""


def make_room(plan: list[Any], **_options: object) -> None:
    """Before migrations: give our own tables their names back, in the place of the views.

    Others write meanwhile as ever, for nothing on their tables changes. This application must not.
    """
    if not plan:
        return
    for adopted, ours, _theirs in _taken_over():
        if ours.kind != "v":
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            said = rows("SELECT obj_description(%s, 'pg_class')", ours.oid)[0][0]
            cursor.execute(f"DROP VIEW {ours.table}")
            cursor.execute(
                f"ALTER TABLE {quoted(ours.schema)}.{quoted(aside(adopted.name))} RENAME TO {quoted(adopted.name)}"
            )
            if said:
                cursor.execute(f"COMMENT ON TABLE {ours.table} IS '{said}'")


def follow(**_options: object) -> None:
    """After migrations, or after some that failed: bring the tables of others to the shape ours has now."""
    for adopted, ours, theirs in _taken_over():
        if ours.kind == "v":
            continue
        names = Names(ours, theirs, adopted)
        for step in preparing.steps(names, ours.schema):
            running.carry_out(step, running.Terms(), lambda _line: None)
        after = shape(theirs.schema, theirs.name)
        assert after is not None  # noqa: S101 - it stood before
        for step in claiming.steps(Names(ours, after, adopted), ours.schema):
            running.carry_out(step, running.Terms(), lambda _line: None)


def _taken_over() -> Iterator[tuple[Adopted, Shape, Shape]]:
    """Yield each table that was taken over, as ours stands and as theirs does."""
    schema = running.schema_name() if settings.DATABASE_SCHEMA else ""
    for adopted in (one for app in apps.get_app_configs() for one in getattr(app, "adopted", ()) if schema):
        ours = shape(schema, adopted.name)
        for (legacy,) in rows(_THEIRS, FIXED, adopted.name):
            theirs = shape(legacy, adopted.name)
            if ours is not None and theirs is not None:
                yield adopted, ours, theirs
