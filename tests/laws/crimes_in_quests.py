"""Ways to break the laws of quests, their members and tasks, what these need, and automatic bids with raw SQL.

Each makes the rows it needs: the quest tau with its wallet and two tasks, one of which needs the other.
"""

from __future__ import annotations

from typing import Final

_QUESTS, _MEMBERS, _TASKS, _NEEDS = "auction_quests", "auction_quest_members", "auction_tasks", "auction_task_needs"
_CYCLES = "auction_bid_cycles"
_WALLET: Final = "(SELECT id FROM token_accounts WHERE owner_type = 'quest' AND owner_id = 'tau')"
_OPENED: Final = "INSERT INTO token_accounts (owner_type, owner_id) VALUES ('quest', 'tau')"

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    _QUESTS: {"id": "'tau'", "account_id": _WALLET, "pool_id": "{pool}"},
    _MEMBERS: {"quest_id": "'tau'", "agent_id": "'worker'"},
    _TASKS: {"id": "'a'", "wallet_id": _WALLET, "quest_id": "'tau'"},
    _NEEDS: {"task_id": "'b'", "needs_id": "'a'"},
    _CYCLES: {
        "pool_id": "{pool}",
        "cycle_at": "'2030-01-01'",
        "at": "'2030-01-01'",
        **dict.fromkeys(("tasks", "placed", "kept", "withdrawn", "placed_tokens"), "0"),
        "reasons": "'{{}}'",
    },
}


def _made(table: str, **columns: str) -> str:
    row = {**NEW[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


_BACKLOG: Final = [_OPENED, _made(_QUESTS), _made(_TASKS), _made(_TASKS, id="'b'")]


def _new(table: str, **columns: str) -> str:
    """Return the INSERT of a row that is lawful but for these columns, after what it stands on."""
    before = {_QUESTS: [_OPENED], _CYCLES: []}.get(table, _BACKLOG if table == _NEEDS else _BACKLOG[:2])
    return "; ".join([*before, _made(table, **columns)])


def _then(table: str, change: str) -> str:
    return f"{_new(table)}; {change}"


CRIMES: Final[list[tuple[str, str]]] = [
    # Quests
    ("quest_named", _new(_QUESTS, id="''")),
    ("quest_strategy_known", _new(_QUESTS, strategy="'greedy'")),
    *(
        ("quest_settings_sane", _new(_QUESTS, **{column: wrong}))
        for column, wrong in (
            ("bid_factor", "-0.1"),
            ("bid_factor", "1.1"),
            ("bid_factor", "'NaN'"),
            ("horizon_seconds", "59"),
            ("pace", "0"),
            ("pace", "1.1"),
            ("pace", "'NaN'"),
        )
    ),
    ("auction_quests_horizon_seconds_check", _new(_QUESTS, horizon_seconds="-1")),
    ("auction_quests_account_id_key", _then(_QUESTS, _made(_QUESTS, id="'other'"))),
    ("quest_identity_is_fixed", _then(_QUESTS, "UPDATE auction_quests SET id = 'other' WHERE id = 'tau'")),
    ("quest_identity_is_fixed", _then(_QUESTS, "UPDATE auction_quests SET account_id = {rich} WHERE id = 'tau'")),
    ("quest_never_vanishes", _then(_QUESTS, "DELETE FROM auction_quests")),
    ("quest_never_truncated", "TRUNCATE auction_quests CASCADE"),
    # Members
    ("member_once_per_quest", _then(_MEMBERS, _made(_MEMBERS))),
    ("member_is_a_worker", _new(_MEMBERS, agent_id="'provider'", agent_kind="'provider'")),
    ("member_has_this_kind", _new(_MEMBERS, agent_id="'grader'")),
    # Their tasks
    ("task_of_its_quests_wallet", _new(_TASKS, wallet_id="{rich}")),
    ("task_owner_is_fixed", _then(_TASKS, "UPDATE auction_tasks SET quest_id = NULL WHERE id = 'a'")),
    *(
        ("task_parts_sane", _new(_TASKS, **{column: wrong}))
        for column, wrongs in (
            ("value_if_works_usd", ("-1", "1e15", "'NaN'")),
            ("cost_usd", ("-1", "1e15", "'NaN'")),
            ("chance", ("-0.1", "1.1", "'NaN'")),
        )
        for wrong in wrongs
    ),
    ("task_parts_sane", _new(_TASKS, expected_cost_tokens="-1", model="'deep-1'")),
    ("task_cost_names_a_model", _new(_TASKS, expected_cost_tokens="1")),
    # What these need
    ("need_once", _then(_NEEDS, _made(_NEEDS))),
    ("need_never_itself", _new(_NEEDS, task_id="'a'")),
    ("need_closes_no_circle", _then(_NEEDS, _made(_NEEDS, task_id="'a'", needs_id="'b'"))),
    ("need_never_changes", _then(_NEEDS, "UPDATE auction_task_needs SET needs_id = {open_task}")),
    ("need_never_truncated", "TRUNCATE auction_task_needs"),
    # Automatic bids
    ("bid_cycle_once", _then(_CYCLES, _made(_CYCLES))),
    *(("bid_cycle_counts", _new(_CYCLES, **{name: "-1"})) for name in ("tasks", "placed", "kept", "withdrawn")),
    ("bid_cycle_never_changes", _then(_CYCLES, "UPDATE auction_bid_cycles SET placed = 1")),
    ("bid_cycle_never_truncated", "TRUNCATE auction_bid_cycles"),
]

# What cannot be broken without breaking another law first.
NO_CRIMES: Final = {
    "quest_id_account_once",  # the id alone is the primary key; the pair is there to be referenced
}
