"""Tasks as their programme states them: what one says, or everything that is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, StringConstraints, ValidationError

from economics import events
from economics.faults import Faults, fault, faults_of, refuse
from economics.money import is_usd

OPEN, DONE, CANCELLED = "open", "done", "cancelled"
STATES: Final = (OPEN, DONE, CANCELLED)
MOST_NEEDS: Final = 100
_MOST_TOKENS: Final = 10**15
_USD_PLACES, _CHANCE_PLACES = 12, 6  # of the columns: what they cannot hold could not be found unchanged
_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:@+=~-]{1,200}", re.ASCII)  # no address leads to . and ..
_PARTS: Final = ("chance", "cost_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTask:
    """A task as it is to be, whole: what is not stated is none. `needs` None: they stay; (): it waits for nothing.

    `expected_value_usd` is stated, or made of `value_if_works_usd`, `chance` (none: certain) and `cost_usd`. One whose
    `state` is done or cancelled is closed and otherwise left as it is.
    """

    task_id: str
    title: str = ""
    entity_type: str = ""
    entity_id: str = ""
    expected_value_usd: Decimal | None = None
    value_if_works_usd: Decimal | None = None
    chance: Decimal | None = None
    cost_usd: Decimal | None = None
    expected_cost_tokens: int | None = None
    model: str = ""
    needs: tuple[str, ...] | None = None
    state: str = OPEN


FIELDS: Final = tuple(field.name for field in fields(GivenTask))


def _named(value: object) -> str:
    if not isinstance(value, str):
        refuse("not_text")
    if not _NAME.fullmatch(value):
        refuse("not_a_name")
    return value


def _names(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        refuse("not_names")
    return tuple(dict.fromkeys(_named(one) for one in value))


_Title = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]


class _Native(BaseModel):
    """Each field by itself; null is the same as not given."""

    model_config = ConfigDict(strict=True, extra="forbid")

    task_id: Annotated[str, PlainValidator(_named)]
    title: _Title | None = None
    entity_type: events.Word | None = None
    entity_id: events.Name | None = None
    expected_value_usd: events.Usd = None
    value_if_works_usd: events.Usd = None
    chance: events.Amount = None
    cost_usd: events.Usd = None
    expected_cost_tokens: events.Amount = None
    model: events.Name | None = None
    needs: Annotated[tuple[str, ...] | None, PlainValidator(_names)] = None
    state: Literal["open", "done", "cancelled"] | None = None


def native(item: Mapping[str, Any]) -> GivenTask | Faults:
    """Return the task an object in our own names describes, or everything that is wrong with it."""
    try:
        given = _Native.model_validate(item if isinstance(item, dict) else dict(item))
    except ValidationError as error:
        return faults_of(error, state="unknown_state")
    said = {name: value for name, value in given.model_dump().items() if value is not None}
    if (tokens := given.expected_cost_tokens) is not None:
        if tokens != int(tokens):
            return [fault("not_whole", "/expected_cost_tokens")]
        said["expected_cost_tokens"] = int(tokens)
    task = GivenTask(**said)
    return faults_in(task) or task


def faults_in(task: GivenTask) -> Faults:
    """Return everything that is wrong with a task by itself: nothing that other tasks have to do with."""
    parts = [name for name in _PARTS if getattr(task, name) is not None]
    is_valued = task.value_if_works_usd is not None
    judged = {
        "/task_id": "" if _NAME.fullmatch(task.task_id) else "not_a_name",
        "/state": "" if task.state in STATES else "unknown_state",
        "/entity_id": "half_an_entity" if task.entity_type and not task.entity_id else "",
        "/entity_type": "half_an_entity" if task.entity_id and not task.entity_type else "",
        "/model": "cost_without_model" if task.expected_cost_tokens is not None and not task.model else "",
        "/value_if_works_usd": "parts_without_value" if parts and not is_valued else "",
        "/needs": "needs_itself" if task.task_id in (task.needs or ()) else "",
    }
    found = [fault(code, pointer) for pointer, code in judged.items() if code]
    if len(task.needs or ()) > MOST_NEEDS:
        found.append(fault("too_many", "/needs", most=MOST_NEEDS))
    if is_valued and task.expected_value_usd is not None:
        found.append(fault("value_and_parts", "/expected_value_usd"))
    return found + _faults_of_numbers(task)


def _faults_of_numbers(task: GivenTask) -> Faults:
    found = []
    for name in ("expected_value_usd", "value_if_works_usd", "cost_usd"):
        amount: Decimal | None = getattr(task, name)
        if amount is not None and not is_usd(amount):
            code = "not_a_number" if not amount.is_finite() else "negative" if amount < 0 else "too_large"
            found.append(fault(code, f"/{name}"))
        elif amount is not None and _places(amount) > _USD_PLACES:
            found.append(fault("too_precise", f"/{name}", places=_USD_PLACES))
    if task.chance is not None:
        if not (task.chance.is_finite() and 0 <= task.chance <= 1):
            found.append(fault("not_a_share", "/chance"))
        elif _places(task.chance) > _CHANCE_PLACES:
            found.append(fault("too_precise", "/chance", places=_CHANCE_PLACES))
    tokens = task.expected_cost_tokens or 0
    if not 0 <= tokens < _MOST_TOKENS:
        found.append(fault("negative" if tokens < 0 else "too_large", "/expected_cost_tokens"))
    return found


def _places(number: Decimal) -> int:
    """Return how many decimals a finite number takes."""
    exponent = number.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
