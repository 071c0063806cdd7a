"""Ways to break the laws of outcomes with raw SQL; each makes the rows it needs."""

from __future__ import annotations

from typing import Final

_LAWFUL: Final = {
    "entity_type": "'hypothesis'",
    "entity_id": "'h1'",
    "kind": "'edges_gained'",
    "amount": "5",
    "source": "'test'",
    "event_id": "'e1'",
    "at": "'2030-01-01'",
}
_CORRECTION: Final = {
    "corrects_id": "(SELECT id FROM economics_outcomes WHERE event_id = 'e1')",
    "amount": "-2",
    "event_id": "'e2'",
    "note": "'counted twice'",
}


def _new(**columns: str) -> str:
    row = {**_LAWFUL, **columns}
    return f"INSERT INTO economics_outcomes ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _correction(**columns: str) -> str:
    return f"{_new()}; {_new(**{**_CORRECTION, **columns})}"


def _set(change: str) -> str:
    return f"{_new()}; UPDATE economics_outcomes SET {change} WHERE event_id = 'e1'"


CRIMES: Final[list[tuple[str, str]]] = [
    ("outcome_entity_named", _new(entity_type="''")),
    ("outcome_entity_named", _new(entity_id="''")),
    ("outcome_kind_known", _new(kind="'fame'")),
    ("outcome_negative_only_to_correct", _new(amount="0")),
    ("outcome_negative_only_to_correct", _new(amount="-5")),
    ("outcome_negative_only_to_correct", _new(amount="'NaN'")),
    ("outcome_negative_only_to_correct", _new(amount="1000000000000")),
    ("outcome_negative_only_to_correct", _correction(amount="2")),
    ("outcome_negative_only_to_correct", _correction(amount="0")),
    ("outcome_negative_only_to_correct", _correction(note="''")),
    ("outcome_negative_only_to_correct", _correction(amount="-1000000000000")),
    ("outcome_times_readable", _new(at="'infinity'")),
    ("outcome_times_readable", _new(recorded_at="'-infinity'")),
    ("outcome_once", f"{_new()}; {_new()}"),
    ("outcome_never_changes", _set("amount = 6")),
    ("outcome_never_changes", _set("entity_id = 'h2'")),
    ("outcome_never_changes", _set("at = '2029-01-01'")),
    ("outcome_never_vanishes", f"{_new()}; DELETE FROM economics_outcomes"),
    ("outcome_never_truncated", "TRUNCATE economics_outcomes CASCADE"),
]
