"""Mirrors: columns that must equal others in every row, and the proof that something makes them."""

import re
from collections.abc import Iterator

from config import pg_catalog
from config.contract import Column, Difference, Table

_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_STRAIGHT = re.compile(r"\s*BEGIN\s+(.*?)RETURN\s+NEW\s*;\s*END\s*;?\s*", re.DOTALL | re.IGNORECASE)
_ASSIGNMENT = re.compile(r'\s*NEW\s*\.\s*"?(\w+)"?\s*:?=\s*(.+?)\s*', re.DOTALL | re.IGNORECASE)


def kept(table: Table, column: Column, found: pg_catalog.Relation) -> Iterator[Difference]:
    """Check that PostgreSQL itself keeps a mirror: a generated column, or a BEFORE trigger that cannot be passed by.

    Such a trigger fires on every INSERT and UPDATE and its function is nothing but assignments to NEW: what has
    conditions cannot be proved from outside. No trigger after it may touch the mirror or its sources.
    """
    attribute = found.columns[column.name]
    subject, expected = f"{table.name}.{column.name}", f"a mirror of {column.source}"
    remedy = (
        f"Drop the column and add it GENERATED ALWAYS AS ({column.source}) STORED (rewrites the table), or keep it "
        f"with a BEFORE INSERT OR UPDATE row trigger whose function only says NEW.{column.name} := {_of_new(column)}"
    )
    if attribute.generated_from is not None:
        if not _same(attribute.generated_from, column):
            yield Difference("mirror_of_another", subject, expected, f"one of {attribute.generated_from}", remedy)
    elif fault := _fault(column, found.triggers):
        yield Difference("mirror_unkept", subject, expected, fault, remedy)
    narrower = [name for name in column.of if name in found.columns and _narrower(attribute, found.columns[name])]
    if narrower:
        shown = found.columns[narrower[0]].shown
        widen = f"ALTER TABLE {table.name} ALTER COLUMN {column.name} TYPE {shown}"
        yield Difference("mirror_narrower", subject, f"{shown} like {narrower[0]}", attribute.shown, widen)


def comparable(table: Table, found: pg_catalog.Relation) -> list[Column]:
    """Return the mirrors whose rows can be compared: both sides are there and of the type they should have."""

    def typed(column: Column, name: str) -> bool:
        return name in found.columns and found.columns[name].type in column.type.value

    return [c for c in table.columns if c.of and all(typed(c, name) for name in (c.name, *c.of))]


def drift(table: Table, column: Column, rows: pg_catalog.MirrorRows) -> Iterator[Difference]:
    """Return how the rows of a mirror differ from its source."""
    subject, expected = f"{table.name}.{column.name}", f"{column.source} in every row"
    remedy = (
        f"Once the column is kept: UPDATE {table.name} SET {column.name} = {column.source} "  # noqa: S608 - to read
        f"WHERE {column.name} IS DISTINCT FROM {column.source}"
    )
    for code, what, strays in (
        ("mirror_null", "NULL", rows.missing),
        ("mirror_differs", "another value", rows.differing),
    ):
        if strays.rows:
            found = f"{what} in {strays.rows:,} row{'s'[: strays.rows != 1]}, such as {'; '.join(strays.examples)}"
            yield Difference(code, subject, expected, found, remedy)


def _narrower(mirror: pg_catalog.Attribute, source: pg_catalog.Attribute) -> bool:
    """Return whether values of the source may be cut or rounded in the mirror."""
    return mirror.typmod != -1 and (mirror.type, mirror.typmod) != (source.type, source.typmod)


def _of_new(column: Column) -> str:
    names = [f"NEW.{name}" for name in column.of]
    return names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"


def _same(expression: str, column: Column) -> bool:
    """Return whether an expression is the mirror's source, whatever its spelling."""
    for name in column.type.value:
        expression = expression.replace(f"::{name}", "")
    return re.sub(r'[\s()"]|\bNEW\s*\.', "", expression, flags=re.IGNORECASE).lower() == re.sub(
        r"[\s()]", "", column.source
    )


def _fault(column: Column, triggers: list[pg_catalog.RowTrigger]) -> str:
    """Return why no trigger keeps the mirror, or nothing when one does."""
    setting = [place for place, trigger in enumerate(triggers) if _assigns(trigger.body, (column.name,))]
    if not setting:
        return "a plain column that writers may leave behind"
    keeper = triggers[setting[-1]]
    if not keeper.always:
        return f"trigger {keeper.name}, which does not fire on every INSERT and UPDATE"
    assignments = _assignments(keeper.body)
    if assignments is None:
        return f"trigger {keeper.name}, whose function is more than assignments and proves nothing"
    last = max(place for place, (name, _value) in enumerate(assignments) if name == column.name)
    if not _same(assignments[last][1], column):
        return f"trigger {keeper.name}, which sets it to {assignments[last][1]}"
    if any(name in column.of for name, _value in assignments[last + 1 :]):
        return f"trigger {keeper.name}, which changes the source afterwards"
    later = [trigger.name for trigger in triggers[setting[-1] + 1 :] if _assigns(trigger.body, column.of)]
    return f"trigger {later[0]}, which fires after {keeper.name} and may change the source" if later else ""


def _assigns(body: str, columns: tuple[str, ...]) -> bool:
    """Return whether a function sets one of these columns of NEW, under whatever condition."""
    names = "|".join(re.escape(name) for name in columns)
    beginning = r"(?:;|\bBEGIN|\bTHEN|\bELSE|\bLOOP)\s*"
    pattern = rf'{beginning}NEW\s*\.\s*"?(?:{names})"?\s*:?='
    return re.search(pattern, _COMMENTS.sub(" ", body), re.IGNORECASE) is not None


def _assignments(body: str) -> list[tuple[str, str]] | None:
    """Return what a function assigns to NEW, in order; None when it does anything else."""
    straight = _STRAIGHT.fullmatch(_COMMENTS.sub(" ", body))
    if straight is None:
        return None
    statements = [_ASSIGNMENT.fullmatch(part) for part in straight[1].split(";") if part.strip()]
    if None in statements:
        return None
    return [(match[1].lower(), match[2]) for match in statements if match]
