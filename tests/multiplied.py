"""Many rows made of a few that the rules wrote: each row is copied with its relations, past laws and triggers.

For pages that must stay quick over many rows: nothing is counted anew, so sums over the copies mean nothing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db import connection, models, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.db.models import Field, Model
    from django.db.models.fields.reverse_related import ForeignObjectRel

    Rows = Mapping[type[Model], frozenset[Any]]  # the keys of rows of each model

STEP: Final = 1_000_000  # between a row and its first copy, in numbers
_WHOLE: Final = (models.IntegerField, models.BigIntegerField, models.AutoField, models.DecimalField)
_TEXT: Final = (models.TextField, models.CharField)


def known() -> Rows:
    """Return the keys of all rows of every table that the admin lists."""
    return {
        model: frozenset(model._default_manager.values_list("pk", flat=True))  # noqa: SLF001 - public
        for model in admin.site._registry  # noqa: SLF001 - public
    }


def since(before: Rows) -> Rows:
    """Return the keys of all rows that came after."""
    return {model: keys - before[model] for model, keys in known().items()}


def multiply(rows: Rows, times: int) -> None:
    """Copy each of these rows `times` times; a copy's relations lead to copies of the same number."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # neither triggers nor foreign keys
        for model, keys in rows.items():
            if keys:
                statement, terms = _copying(model, rows)
                cursor.execute(statement, [*terms, times, list(keys)])
                cursor.execute(f"ANALYZE {_name(model._meta.db_table)}")  # noqa: SLF001 - public
        cursor.execute("SET LOCAL session_replication_role = origin")


def _copying(model: type[Model], rows: Rows) -> tuple[str, list[list[Any]]]:
    """Return the statement that copies rows of a model, and the keys of rows that its relations may lead to."""
    options = model._meta  # noqa: SLF001 - public
    fields = [field for field in options.concrete_fields if not field.generated]
    shifted = {field.name for field in fields if _is_a_name(field) or rows.get(field.related_model or model)}
    shifted &= {field.name for field in fields if field.primary_key or field.is_relation or _is_a_name(field)}
    for columns in _uniques(model):
        if not shifted & set(columns):
            shifted.update(itertools.islice(_best(options.get_field(name) for name in columns), 1))
    values, terms = [], []
    for field in fields:
        value = _name(field.column)
        if field.name in shifted:
            value = _shift(field.target_field if isinstance(field, models.ForeignKey) else field, value)
        if field.name in shifted and field.related_model:
            value = f"CASE WHEN {_name(field.column)} = ANY(%s) THEN {value} ELSE {_name(field.column)} END"
            terms.append(list(rows[field.related_model]))
        values.append(value)
    columns = ", ".join(_name(field.column) for field in fields)
    table = _name(options.db_table)
    copied = (
        f"SELECT {', '.join(values)} FROM {table}, generate_series(1, %s) n WHERE {_name(options.pk.column)} = ANY(%s)"
    )
    once = "ON CONFLICT DO NOTHING"  # of what stands once beside a row that was there before
    return f"INSERT INTO {table} ({columns}) {copied} {once}", terms


def _is_a_name(field: Field[Any, Any]) -> bool:
    """Tell whether a text names something: the rows of one world name one another so, beside their relations."""
    return isinstance(field, _TEXT) and field.name.endswith("_id")


def _uniques(model: type[Model]) -> Iterator[Iterable[str]]:
    """Yield the fields of each law by which rows of a model differ."""
    options = model._meta  # noqa: SLF001 - public
    yield from ([field.name] for field in options.concrete_fields if field.unique)
    yield from options.unique_together
    yield from (law.fields for law in options.constraints if isinstance(law, models.UniqueConstraint) and law.fields)


def _best(fields: Iterable[Field[Any, Any] | ForeignObjectRel]) -> Iterator[str]:
    """Yield names of fields by how little is said by another value: times, numbers, then texts of no closed list."""
    given = [field for field in fields if isinstance(field, models.Field)]
    for kind in (models.DateField, _WHOLE, _TEXT):
        yield from (field.name for field in given if isinstance(field, kind) and not field.choices)


def _shift(field: Field[Any, Any], value: str) -> str:
    """Return what a value is in the copy of number n."""
    if isinstance(field, _TEXT):
        return f"CASE WHEN {value} ~ '^[0-9]*$' THEN {value} ELSE {value} || '-' || n END"
    if isinstance(field, models.DateTimeField):
        return f"{value} - n * interval '1 minute'"
    if isinstance(field, models.DateField):
        return f"{value} - n"
    return f"{value} + n * {1 if isinstance(field, models.DecimalField) else STEP}"


def _name(name: str | None) -> str:
    return connection.ops.quote_name(name or "")  # every stored field has a column
