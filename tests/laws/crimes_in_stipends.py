"""Ways to break the laws of stipends and of the split between quests with raw SQL. Each makes the rows it needs."""

from __future__ import annotations

from typing import Final

_DAYS, _ALLOCATIONS = "auction_stipend_days", "quest_budget_allocations"
# A quest with its wallet, in the pool of the world.
_QUEST: Final = (
    "INSERT INTO token_accounts (owner_type, owner_id) VALUES ('quest', 'cure'); "
    "INSERT INTO auction_quests (id, account_id, pool_id) "
    "SELECT owner_id, id, {pool} FROM token_accounts WHERE owner_type = 'quest' AND owner_id = 'cure'"
)

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    _DAYS: {"day": "'2030-01-01'", "pot_tokens": "10", "paid_tokens": "9", "at": "'2030-01-01'"},
    _ALLOCATIONS: {"quest_id": "'cure'", "day": "'2030-01-01'", "tokens": "10", "share": "0.5", "paid_tokens": "9"},
}


def _new(table: str, **columns: str) -> str:
    row = {**NEW[table], **columns}
    made = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"
    return f"{_QUEST}; {made}" if table == _ALLOCATIONS else made


CRIMES: Final[list[tuple[str, str]]] = [
    *(
        ("stipend_day_within_pot", _new(_DAYS, **columns))
        for columns in ({"paid_tokens": "11"}, {"paid_tokens": "-1"}, {"pot_tokens": "-1", "paid_tokens": "-1"})
    ),
    ("stipend_day_never_changes", _new(_DAYS) + f"; UPDATE {_DAYS} SET paid_tokens = 8"),
    ("stipend_day_never_vanishes", _new(_DAYS) + f"; DELETE FROM {_DAYS}"),
    ("stipend_day_never_truncated", f"TRUNCATE {_DAYS}"),
    *(
        ("allocation_sane", _new(_ALLOCATIONS, **columns))
        for columns in (
            {"tokens": "-1", "paid_tokens": "-1"},
            {"paid_tokens": "-1"},
            {"paid_tokens": "11"},
            {"share": "-0.1"},
            {"share": "1.1"},
            {"share": "'NaN'"},
        )
    ),
    *(
        ("allocation_figures_are_numbers", _new(_ALLOCATIONS, **columns))
        for columns in (
            {"value_usd": "-1"},
            {"value_usd": "'NaN'"},
            {"reliability": "-0.1"},
            {"reliability": "1.1"},
            {"reliability": "'NaN'"},
        )
    ),
    ("allocation_once_per_day", "; ".join([_new(_ALLOCATIONS), _new(_ALLOCATIONS).rsplit("; ", 1)[1]])),
    ("allocation_never_changes", _new(_ALLOCATIONS) + f"; UPDATE {_ALLOCATIONS} SET tokens = 11"),
    ("allocation_never_vanishes", _new(_ALLOCATIONS) + f"; DELETE FROM {_ALLOCATIONS}"),
    ("allocation_never_truncated", f"TRUNCATE {_ALLOCATIONS}"),
]
