"""Ways to forge or lose the history of governed rows with raw SQL.

A pool of the world has a history from the first; a forger who goes round the database's own hand writes a trigger.
"""

from __future__ import annotations

from typing import Final

_CHANGE: Final = {
    "table_name": "'auction_pools'",
    "key": "'1'",
    "action": "'changed'",
    "who": "'ada'",
    "changes": "'{{}}'",
}


def _new(**columns: str) -> str:
    row = {**_CHANGE, **columns}
    return f"INSERT INTO config_changes ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _by_a_trigger(**columns: str) -> str:
    """Return the statements that write a row from within a trigger, where the database writes its own."""
    body = f"BEGIN {_new(**columns)};\nRETURN NULL;\nEND"
    return (
        f"CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $${body}$$; "
        "CREATE TRIGGER forgery AFTER UPDATE ON config_agent FOR EACH ROW EXECUTE FUNCTION forge(); "
        "UPDATE config_agent SET title = 'x' WHERE id = 'worker'"
    )


CRIMES: Final[list[tuple[str, str]]] = [
    ("change_only_by_the_database", _new()),
    ("change_only_by_the_database", "SELECT config_record_change('t', 'INSERT', '1', NULL, '{{\"a\": 1}}', '{{}}')"),
    *(("change_of_a_row_by_somebody", _by_a_trigger(**{column: "''"})) for column in ("table_name", "key", "who")),
    ("change_action_known", _by_a_trigger(action="'guessed'")),
    ("change_never_changes", "UPDATE config_changes SET who = 'nobody'"),
    ("change_never_changes", "UPDATE config_changes SET changes = '{{}}' WHERE table_name = 'auction_pools'"),
    ("change_never_vanishes", "DELETE FROM config_changes"),
    ("change_never_truncated", "TRUNCATE config_changes"),
    ("default_envelope_never_truncated", "TRUNCATE economics_default_envelopes"),
    ("monetary_policy_never_truncated", "TRUNCATE economics_monetarypolicy"),
]

# They write history and refuse nothing.
NO_CRIMES: Final = {
    f"{name}_{what}_on_record"
    for name in (
        *("budget_policy", "default_envelope", "model", "monetary_policy", "pool", "proposal", "quest"),
        *("senate_policy", "worth_policy"),
    )
    for what in ("changes", "comes_and_goes")
}
