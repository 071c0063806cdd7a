"""Ways to break the laws of exchange signals and of the market's gate with raw SQL; each makes the rows it needs."""

from __future__ import annotations

from typing import Final

_SOURCES, _SIGNALS = "economics_signal_sources", "economics_signals"
_SOURCE: Final = {"name": "'manifold'", "kind": "'price'", "is_probability": "true"}
_SIGNAL: Final = {
    "source_id": "'manifold'",
    "is_probability": "true",
    "entity_type": "'hypothesis'",
    "entity_id": "'h1'",
    "value": "0.5",
    "event_id": "'e1'",
    "at": "'2030-01-01'",
}
# An envelope behind an open gate, so that only the crime itself is one.
_GATE: Final = {"granted_at": "'2030-01-01'", "granted_by": "'senate'", "priority_score": "0.5"}
_LIFTED: Final = {"entity_type": "'hypothesis'", "entity_id": "'new'", "market_weight": "0.1", **_GATE}
_WALLET: Final = {"owner_type": "'agent'", "owner_id": "'ise'", "agent_id": "'ise'", "agent_kind": "'exchange'"}
_EXCHANGE: Final = "INSERT INTO config_agent (id, kind) VALUES ('ise', 'exchange')"


def _insert(table: str, lawful: dict[str, str], **columns: str) -> str:
    row = {**lawful, **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _source(**columns: str) -> str:
    return _insert(_SOURCES, _SOURCE, **columns)


def _signal(**columns: str) -> str:
    return f"{_source()}; {_insert(_SIGNALS, _SIGNAL, **columns)}"


def _envelope(**columns: str) -> str:
    return _insert("resource_budgets", _LIFTED, **columns)


def _raised(change: str) -> str:
    """Return the raise of an envelope's weight against the gate that `change` has closed."""
    lower = _envelope(market_weight="-0.1")
    named = "WHERE entity_id = 'new'"
    return (
        f"{lower}; UPDATE resource_budgets SET {change} {named}; "
        f"UPDATE resource_budgets SET market_weight = 0.1 {named}"
    )


_GATED: Final = "envelope_market_lifts_only_what_was_granted"

CRIMES: Final = [
    ("account_never_of_an_exchange", f"{_EXCHANGE}; {_insert('token_accounts', _WALLET)}"),
    # The gate
    ("envelope_market_weight_bounded", _envelope(market_weight="1.01")),
    (_GATED, _envelope(granted_at="NULL")),
    (_GATED, _envelope(granted_by="''")),
    (_GATED, _envelope(priority_score="0.499999")),
    (_GATED, _envelope(state="'capped'")),
    *(
        (_GATED, _raised(change))
        for change in ("granted_at = NULL", "granted_by = ''", "priority_score = 0.4", "state = 'capped'")
    ),
    (
        _GATED,
        f"{_envelope()}; UPDATE resource_budgets SET priority_score = 0, market_weight = 0.2 WHERE entity_id = 'new'",
    ),
    # Sources
    ("signal_source_named", _source(name="'prediction market'")),
    ("signal_source_named", _source(name="''")),
    ("signal_source_kind_known", _source(kind="'rumour'")),
    ("signal_source_kind_known", _source(kind="'confidence'", is_probability="false")),
    ("signal_source_is_an_exchange", _source(agent_id="'worker'", agent_kind="'worker'")),
    ("signal_source_is_an_exchange", _source(agent_id="'worker'")),
    ("signal_source_is_an_exchange", _source(agent_kind="'exchange'")),
    ("signal_source_agent_kind", _source(agent_id="'worker'", agent_kind="'exchange'")),
    *(
        ("signal_source_is_fixed", f"{_EXCHANGE}; {_source()}; UPDATE {_SOURCES} SET {change}")
        for change in (
            "name = 'other'",
            "kind = 'confidence'",
            "is_probability = false",
            "agent_id = 'ise', agent_kind = 'exchange'",
        )
    ),
    ("signal_source_never_vanishes", f"{_source()}; DELETE FROM {_SOURCES}"),
    ("signal_source_never_truncated", f"TRUNCATE {_SOURCES} CASCADE"),
    # Signals
    ("signal_entity_named", _signal(entity_type="''")),
    ("signal_entity_named", _signal(entity_id="''")),
    *(("signal_value_sane", _signal(value=value)) for value in ("-0.1", "1.1", "'NaN'")),
    *(
        (
            "signal_value_sane",
            f"{_source(is_probability='false')}; {_insert(_SIGNALS, _SIGNAL, is_probability='false', value=value)}",
        )
        for value in ("-1", "'NaN'")
    ),
    ("signal_on_the_scale_of_its_source", _signal(is_probability="false", value="7")),
    *(
        ("signal_times_readable", _signal(**{column: moment}))
        for column in ("at", "recorded_at")
        for moment in ("'infinity'", "'-infinity'", "'0001-01-01 BC'")
    ),
    ("signal_once", f"{_signal()}; {_insert(_SIGNALS, _SIGNAL, value='0.6')}"),
    ("signal_never_changes", f"{_signal()}; UPDATE {_SIGNALS} SET value = 0.9"),
    ("signal_never_changes", f"{_signal()}; UPDATE {_SIGNALS} SET recorded_at = '2020-01-01'"),
    ("signal_never_vanishes", f"{_signal()}; DELETE FROM {_SIGNALS}"),
    ("signal_never_truncated", f"TRUNCATE {_SIGNALS}"),
]

# Cannot be broken without breaking another law first.
NO_CRIMES: Final = {
    "envelope_capped_without_market",  # the gate is closed to a capped envelope before this is asked
    "signal_source_scale_once",  # the name alone is the primary key; the pair is there to be referenced
}
