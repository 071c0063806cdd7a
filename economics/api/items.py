"""Items that describe themselves: one in a body is taken or refused whole, several are answered one by one."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from rest_framework import exceptions

from config.api import batches
from economics import faults

STATUSES: Final = ("recorded", "duplicate", "conflict", "refused")
_T = TypeVar("_T")


def one(data: Any, read: Callable[[Mapping[str, Any]], _T | faults.Faults]) -> _T:
    """Return what `read` makes of a body, or refuse it with a 400 naming each fault."""
    if not isinstance(data, dict):
        raise exceptions.ValidationError(faults.SENTENCES["not_an_object"], code="not_an_object")
    found = read(data)
    if isinstance(found, list):
        _refuse(found)
    return found


def _refuse(found: faults.Faults) -> NoReturn:
    wrong: dict[str, list[exceptions.ErrorDetail]] = {}
    for fault in found:
        name = fault.pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")
        wrong.setdefault(name, []).append(exceptions.ErrorDetail(fault.detail, code=fault.code))
    raise exceptions.ValidationError(wrong)


def refused(place: int, found: faults.Faults, **more: None) -> dict[str, Any]:
    """Return the answer for an item of a batch that is none."""
    return {"index": place, "status": "refused", **more, **batches.why(found)}
