"""How a change of a row, as the database wrote it, is told to people."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

_NONE = "none"


class Step(NamedTuple):
    """One column: what it was and what it is."""

    what: str
    old: str
    new: str


def steps(changes: Mapping[str, Sequence[object]]) -> list[Step]:
    """Return the columns that changed, in words; of a row that is new only what says something."""
    told = ((name, old, new) for name, (old, new) in changes.items() if old is not None or new)
    return [Step(name.removesuffix("_id").replace("_", " "), _value(old), _value(new)) for name, old, new in told]


def sentence(changes: Mapping[str, Sequence[object]]) -> str:
    """Return all that changed in one sentence."""
    return "; ".join(f"{step.what} {step.old} → {step.new}" for step in steps(changes))


def _value(value: object) -> str:
    if value is None or value in ("", [], {}):
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{Decimal(str(value)).normalize():,f}"
    if isinstance(value, str):
        return _moment(value) or value
    return json.dumps(value, ensure_ascii=False)


def _moment(text: str) -> str:
    """Return a time as the pages show it; nothing where the text is none."""
    if not text[:4].isdecimal() or "T" not in text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment.tzinfo else ""
