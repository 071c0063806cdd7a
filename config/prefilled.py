"""What an address fills into the form of a new row: only what the columns can hold."""

from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import ForeignKey, ManyToManyField
from django.db.models.options import Options


def readable(columns: Options[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given, read as its columns have it, without what none of them holds.

    Django hands the text of the address to the fields of the form, some of which fail over it. What is no column,
    but a field that the form alone has, stays text.
    """
    found = {}
    for name, value in given.items():
        if "\0" in str(value):  # no column of text holds it
            continue
        try:
            found[name] = _read(columns.get_field(name), value)
        except FieldDoesNotExist:
            found[name] = value
        except (ValidationError, ValueError, OverflowError):
            continue
    return found


def _read(column: Any, value: Any) -> Any:
    if isinstance(column, ManyToManyField):
        return [column.target_field.to_python(one) for one in value]
    if isinstance(column, ForeignKey):
        return column.target_field.to_python(value)
    return column.to_python(value) if column.concrete else value
