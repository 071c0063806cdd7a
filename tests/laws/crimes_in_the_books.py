"""Ways to break each law of the books with raw SQL; `tests.laws.test_database_laws` commits them.

Names in braces are rows of the small world: `{envelope}` has 1,000 tokens a day, of which `{tier_line}` gives the
frontier tier 600.
"""

from __future__ import annotations

from typing import Final

_USAGE = {
    "entity_type": "'hypothesis'",
    "entity_id": "'h1'",
    "resource_type": "'llm_tokens'",
    "amount": "10",
    "source": "'test'",
    "event_id": "'e1'",
}

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    "resource_usage": _USAGE,
    "resource_budgets": {"entity_type": "'hypothesis'", "entity_id": "'new'"},
    "economics_lines": {
        "envelope_id": "{envelope}",
        "resource_type": "'llm_tokens'",
        "qualifier": "'small'",
        "window_kind": "'day'",
        "base": "100",
    },
    "economics_counters": {"line_id": "{total}", "window_start": "'2030-01-01'"},
    "economics_grants": {
        "line_id": "{total}",
        "amount": "5",
        "first_window": "'2030-01-01'",
        "last_window": "'2030-01-02'",
        "reason": "'test'",
        "granted_by": "'ada'",
    },
    "economics_pauses": {"reason": "'test'", "began_at": "now()", "began_by": "'ada'"},
    "economics_reservations": {
        "agent_id": "'worker'",
        "envelope_id": "{envelope}",
        "resource_type": "'llm_tokens'",
        "amount": "1",
        "usd": "0",
        "price_id": "1",
        "reserved_at": "now()",
        "expires_at": "now() + interval '1 hour'",
    },
    "economics_refusals": {
        "agent_id": "'worker'",
        "entity_type": "'hypothesis'",
        "entity_id": "'h1'",
        "resource_type": "'llm_tokens'",
        "code": "'no_envelope'",
        "asked": "1",
        "minute": "'2030-01-01'",
        "last_at": "'2030-01-01'",
    },
    "economics_alerts": {
        "line_id": "{total}",
        "window_start": "'2030-01-01'",
        "threshold": "80",
        "settled": "80",
        '"limit"': "100",
        "raised_at": "now()",
    },
    "economics_tiers": {"name": "'tiny'"},
    "economics_models": {"name": "'tiny-1'", "tier_id": "'small'"},
    "economics_prices": {
        "resource_type": "'llm_tokens'",
        "name": "'tiny-1'",
        "effective_from": "'2026-01-01'",
        "rate": "1",
        "output_rate": "2",
    },
    "economics_default_envelopes": {"entity_type": "'knowledge_gap'"},
    "economics_arrivals": {
        "created_at": "'2030-01-01'",
        "entity_type": "'hypothesis'",
        "entity_id": "'h1'",
        "resource_type": "'llm_tokens'",
        "amount": "1",
    },
    "economics_usage_days": {
        "day": "'2030-01-01'",
        "entity_type": "'hypothesis'",
        "entity_id": "'h1'",
        "resource_type": "'llm_tokens'",
    },
}


def _new(table: str, **columns: str) -> str:
    row = {**NEW[table], **{f'"{name}"' if name == "limit" else name: value for name, value in columns.items()}}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _set(table: str, row: str, change: str) -> str:
    key = "name" if table in {"economics_tiers", "economics_models"} else "id"
    return f"UPDATE {table} SET {change} WHERE {key} = {{{row}}}"


def _twice(table: str) -> str:
    return "; ".join([_new(table)] * 2)


_ENVELOPE, _LINE, _COUNTER, _GRANT = "resource_budgets", "economics_lines", "economics_counters", "economics_grants"
_HOLD, _USED, _PRICE, _POLICY = "economics_reservations", "resource_usage", "economics_prices", "economics_policy"
_PAUSE, _ALERT = "economics_pauses", "economics_alerts"
_SPLIT = {"input_tokens": "6", "output_tokens": "4"}

_ENVELOPES: Final[list[tuple[str, str]]] = [
    ("envelope_once_per_entity", _twice(_ENVELOPE)),
    ("envelope_entity_named", _new(_ENVELOPE, entity_type="''")),
    ("envelope_entity_named", _new(_ENVELOPE, entity_id="''")),
    ("envelope_window_known", _new(_ENVELOPE, window_kind="'year'")),
    *(
        ("envelope_ceilings_sane", _new(_ENVELOPE, **{column: value}))
        for column in ("token_budget", "cpu_budget", "storage_budget_gb", "api_call_budget", "request_token_cap")
        for value in ("-1", "1000000000000001")
    ),
    ("envelope_ceilings_sane", _new(_ENVELOPE, cpu_budget="'NaN'")),
    ("envelope_ceilings_sane", _new(_ENVELOPE, storage_budget_gb="'NaN'")),
    ("envelope_market_weight_bounded", _new(_ENVELOPE, market_weight="-0.51")),
    *(
        ("envelope_scores_are_numbers", _new(_ENVELOPE, **{score: "'NaN'"}))
        for score in ("priority_score", "market_signal", "roi_score")
    ),
    ("envelope_state_known", _new(_ENVELOPE, state="'molten'")),
    ("envelope_frozen_for_a_reason", _new(_ENVELOPE, state="'frozen'")),
    *(
        ("envelope_only_the_check_sets_an_end", _new(_ENVELOPE, **columns))
        for columns in (
            {"state": "'frozen'", "state_reason": "'x'", "frozen_until": "now()"},
            {"frozen_until": "now()"},
            {"frozen_by_check": "true"},
        )
    ),
    *(
        ("envelope_entity_is_fixed", _set(_ENVELOPE, "envelope", change))
        for change in ("entity_type = 'analysis'", "entity_id = 'other'", "id = 99999")
    ),
    ("envelope_never_vanishes", "DELETE FROM resource_budgets WHERE id = {envelope}"),
    ("envelope_never_truncated", "TRUNCATE resource_budgets CASCADE"),
    # Lines
    ("line_once", _twice(_LINE)),
    ("line_once", _new(_LINE, qualifier="'frontier'")),
    ("line_once", _new(_LINE, envelope_id="NULL", resource_type="'usd'", qualifier="''")),
    ("line_kind_known", _new(_LINE, window_kind="'year'")),
    ("line_kind_known", _new(_LINE, resource_type="'gold'")),
    ("line_kind_known", _new(_LINE, resource_type="'usd'")),
    ("line_kind_known", _new(_LINE, resource_type="'cpu_seconds'")),
    ("line_kind_known", _new(_LINE, resource_type="'storage_gb_hours'")),
    ("line_kind_known", _new(_LINE, envelope_id="NULL")),
    ("line_kind_known", _new(_LINE, envelope_id="NULL", resource_type="'usd'", qualifier="''", window_kind="'month'")),
    ("line_named_only_by_a_column", _new(_LINE, is_named="true")),
    ("line_named_follows_its_column", _set(_LINE, "tier_line", "is_named = true")),
    *(("line_base_sane", _new(_LINE, base=base)) for base in ("-1", "1000000000000001", "'NaN'")),
    *(
        ("line_is_fixed", _set(_LINE, "tier_line", change))
        for change in (
            "id = 99999",
            "envelope_id = {frozen}",
            "resource_type = 'api_calls'",
            "qualifier = 'small'",
            "window_kind = 'month'",
        )
    ),
    ("line_named_follows_its_column", _set(_LINE, "total", "base = 5000")),
    ("line_named_follows_its_column", _set(_LINE, "total", "is_named = false")),
    ("line_named_follows_its_column", "UPDATE economics_lines SET base = 5 WHERE envelope_id IS NULL"),
    ("line_never_vanishes", "DELETE FROM economics_lines WHERE id = {tier_line}"),
    ("line_never_truncated", "TRUNCATE economics_lines CASCADE"),
    # Counters
    ("counter_once_per_window", _twice(_COUNTER)),
    ("counter_opens_empty", _new(_COUNTER, settled="1")),
    ("counter_opens_empty", _new(_COUNTER, held="1")),
    *(
        ("counter_follows_usage_and_reservations", f"UPDATE economics_counters SET {change} WHERE line_id = {{total}}")
        for change in ("settled = 0", "held = 0", "settled = settled + 1", "held = -1")
    ),
    *(
        ("counter_is_fixed", f"UPDATE economics_counters SET {change} WHERE line_id = {{total}}")
        for change in ("id = id + 99999", "line_id = {tier_line}", "window_start = '2030-01-01'")
    ),
    ("counter_never_vanishes", "DELETE FROM economics_counters WHERE line_id = {total}"),
    ("counter_never_truncated", "TRUNCATE economics_counters"),
    # Grants
    *(("grant_amount_positive", _new(_GRANT, amount=a)) for a in ("0", "-1", "1000000000000001", "'NaN'")),
    ("grant_windows_in_order", _new(_GRANT, last_window="'2029-12-31'")),
    *(
        ("grant_is_fixed", _set(_GRANT, "books_grant", change))
        for change in (
            "id = 99999",
            "line_id = {tier_line}",
            "amount = 5000",
            "first_window = '2020-01-01'",
            "last_window = '2030-01-01'",
            "reason = 'better'",
            "granted_by = 'eve'",
            "cause_kind = 'proposal'",
            "cause_id = '7'",
            "created_at = now()",
        )
    ),
    (
        "grant_stays_ended",
        _set(_GRANT, "books_grant", "ended_at = now()") + "; " + _set(_GRANT, "books_grant", "ended_at = NULL"),
    ),
    ("grant_never_vanishes", "DELETE FROM economics_grants"),
    ("grant_never_truncated", "TRUNCATE economics_grants"),
    # Revisions and pauses
    ("revision_never_changes", "UPDATE economics_revisions SET who = 'nobody'"),
    ("revision_never_vanishes", "DELETE FROM economics_revisions"),
    ("revision_never_truncated", "TRUNCATE economics_revisions"),
    ("pause_one_at_a_time", _twice(_PAUSE)),
    ("pause_one_at_a_time", _new(_PAUSE, agent_id="'paused'")),
    ("pause_for_a_reason", _new(_PAUSE, reason="''")),
    ("pause_for_a_reason", _new(_PAUSE, began_by="''")),
    ("pause_ended_by_somebody", _set(_PAUSE, "pause", "ended_at = now()")),
    ("pause_ended_by_somebody", _set(_PAUSE, "pause", "ended_by = 'ada'")),
    *(
        ("pause_is_fixed", _set(_PAUSE, "pause", change))
        for change in (
            "id = 99999",
            "agent_id = NULL",
            "reason = 'a nicer one'",
            "began_at = now()",
            "began_by = 'eve'",
        )
    ),
    (
        "pause_stays_ended",
        _set(_PAUSE, "pause", "ended_at = now(), ended_by = 'ada'")
        + "; "
        + _set(_PAUSE, "pause", "ended_at = NULL, ended_by = ''"),
    ),
    ("pause_never_vanishes", "DELETE FROM economics_pauses"),
    ("pause_never_truncated", "TRUNCATE economics_pauses"),
    # Policy and defaults
    ("budget_policy_single", "INSERT INTO economics_policy (id) VALUES (2)"),
    *(
        ("budget_policy_sane", f"UPDATE economics_policy SET {change}")
        for change in (
            "week_starts_on = 0",
            "week_starts_on = 8",
            "reservation_seconds = 0",
            "reservation_seconds = reservation_most_seconds + 1",
            "reservation_most_seconds = 31536001",
            "unsplit_output_share = 1.1",
            "unsplit_output_share = 'NaN'",
            "safety_seconds = 0",
            "fleet_daily_usd = -1",
            "fleet_daily_usd = 'NaN'",
            "request_token_cap = -1",
            "request_usd_cap = -1",
        )
    ),
    ("budget_policy_never_vanishes", "DELETE FROM economics_policy"),
    ("budget_policy_never_truncated", "TRUNCATE economics_policy"),
    *(
        ("default_envelope_sane", _new("economics_default_envelopes", **columns))
        for columns in (
            {"entity_type": "''"},
            {"window_kind": "'year'"},
            {"token_budget": "-1"},
            {"cpu_budget": "-1"},
            {"storage_budget_gb": "'NaN'"},
            {"api_call_budget": "1000000000000001"},
        )
    ),
]

_SPENDING: Final[list[tuple[str, str]]] = [
    # Usage
    ("usage_resource_known", _new(_USED, resource_type="'gold'")),
    ("usage_negative_only_to_correct", _new(_USED, amount="-1")),
    ("usage_negative_only_to_correct", _new(_USED, amount="1", corrects_id="{priced}")),
    ("usage_amount_bounded", _new(_USED, amount="'NaN'")),
    *(
        ("usage_times_readable", _new(_USED, **{column: moment}))
        for column in ("created_at", "recorded_at")
        for moment in ("'infinity'", "'-infinity'", "'10000-01-01'")
    ),
    *(("usage_cost_of_the_sign_of_its_amount", _new(_USED, cost=cost)) for cost in ("-1", "'NaN'")),
    ("usage_cost_of_the_sign_of_its_amount", _new(_USED, amount="-1", cost="1", corrects_id="{priced}")),
    *(
        ("usage_unpriced_without_price", _new(_USED, **{column: value}))
        for column, value in (("price_id", "1"), ("rate", "1"), ("output_rate", "1"), ("is_first_list", "true"))
    ),
    *(
        ("usage_tokens_add_up", _new(_USED, **columns))
        for columns in (
            {"input_tokens": "10"},
            {"output_tokens": "10"},
            {"cache_read_tokens": "0"},
            {"cache_write_tokens": "0"},
            {**_SPLIT, "amount": "11"},
            {**_SPLIT, "resource_type": "'api_calls'"},
        )
    ),
    ("usage_event_once", _twice(_USED)),
    (
        "usage_settles_once",
        "; ".join(_new(_USED, event_id=f"'e{n}'", reservation_id="{expired}") for n in (1, 2)),
    ),
    *(
        ("usage_never_changes", _set(_USED, "priced", f"{column} = {value}"))
        for column, value in (
            ("id", "99999"),
            *((c, "'x'") for c in ("entity_type", "entity_id", "model", "tier", "provider", "artifact_type")),
            *((c, "'x'") for c in ("artifact_id", "agent_id", "slot_id", "source", "event_id", "note")),
            *((c, "1") for c in ("amount", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")),
            *((c, "1") for c in ("reported_cost", "reservation_id", "corrects_id")),
            ("resource_type", "'api_calls'"),
            ("created_at", "now()"),
            ("recorded_at", "now()"),
        )
    ),
    *(
        ("usage_priced_once", _set(_USED, "priced", change))
        for change in (
            "cost = 0",
            "cost = NULL",
            "price_id = 99999",
            "rate = 1",
            "output_rate = 1",
            "is_first_list = true",
        )
    ),
    ("usage_priced_once", _set(_USED, "unpriced", "cost = 1") + "; " + _set(_USED, "unpriced", "cost = 2")),
    ("usage_never_vanishes", "DELETE FROM resource_usage WHERE id = {unpriced}"),
    ("usage_never_truncated", "TRUNCATE resource_usage CASCADE"),
    ("usage_day_once", _twice("economics_usage_days")),
    *(
        ("usage_day_opens_empty", _new("economics_usage_days", **{column: "1"}))
        for column in ("amount", "cost", "unpriced_amount", "events")
    ),
    *(
        ("usage_day_follows_usage", f"UPDATE economics_usage_days SET {column} = {column} + 1")
        for column in ("amount", "cost", "unpriced_amount", "events")
    ),
    *(
        ("usage_day_is_fixed", f"UPDATE economics_usage_days SET {change}")
        for change in (
            *("id = id + 99999", "day = '2030-01-01'", "entity_type = 'x'", "entity_id = 'x'"),
            *("resource_type = 'x'", "tier = 'x'", "provider = 'x'", "agent_id = 'x'"),
        )
    ),
    ("usage_day_never_vanishes", "DELETE FROM economics_usage_days"),
    ("usage_day_never_truncated", "TRUNCATE economics_usage_days"),
    *(
        ("arrival_never_changes", f"{_new('economics_arrivals')}; UPDATE economics_arrivals SET {change}")
        for change in (
            *("id = id + 99999", "created_at = now()", "entity_type = 'x'", "entity_id = 'x'", "resource_type = 'x'"),
            *("tier = 'x'", "provider = 'x'", "agent_id = 'x'"),
            *("amount = 2", "cost = 2", "unpriced_amount = 2", "events = 2"),
        )
    ),
    *(
        ("arrival_is_counted", f"{_new('economics_arrivals', **{column: value})}; DELETE FROM economics_arrivals")
        for column, value in (
            *((column, "'NaN'") for column in ("amount", "cost", "unpriced_amount")),
            *(("created_at", f"'{sign}infinity'") for sign in ("", "-")),
        )
    ),
    ("arrival_never_truncated", "TRUNCATE economics_arrivals"),
    # Reservations
    *(
        ("reservation_sane", _new(_HOLD, **columns))
        for columns in (
            {"amount": "0"},
            {"amount": "-1"},
            {"amount": "'NaN'"},
            {"amount": "1000000000000001"},
            {"usd": "-1"},
            {"usd": "'NaN'"},
            {"expires_at": "now()"},
        )
    ),
    ("reservation_resource_known", _new(_HOLD, resource_type="'gold'", usd="1")),
    *(
        ("reservation_times_readable", _new(_HOLD, **columns))
        for columns in (
            {"reserved_at": "'-infinity'"},
            {"expires_at": "'infinity'"},
            {"state": "'released'", "closed_at": "'infinity'"},
        )
    ),
    ("reservation_state_known", _new(_HOLD, state="'lost'", closed_at="now()")),
    ("reservation_closed_when_ended", _new(_HOLD, state="'released'")),
    ("reservation_closed_when_ended", _new(_HOLD, closed_at="now()")),
    ("reservation_closed_when_ended", _set(_HOLD, "open", "closed_at = now()")),
    ("reservation_late_only_when_settled", _new(_HOLD, settled_late="true")),
    *(
        ("reservation_is_fixed", _set(_HOLD, "open", f"{column} = {value}"))
        for column, value in (
            ("id", "99999"),
            ("agent_id", "'provider'"),
            ("envelope_id", "{frozen}"),
            ("resource_type", "'api_calls'"),
            *((c, "'x'") for c in ("model", "tier", "provider", "artifact_type", "artifact_id", "slot_id")),
            *((c, "1") for c in ("amount", "usd", "input_tokens", "output_tokens")),
            ("price_id", "99999"),
            ("reserved_at", "now()"),
        )
    ),
    *(
        ("reservation_is_only_prolonged_and_while_open", _set(_HOLD, row, change))
        for row, change in (
            ("open", "expires_at = expires_at - interval '1 second'"),
            ("open", "state = 'expired', closed_at = now(), expires_at = expires_at + interval '1 day'"),
            *((ended, "expires_at = expires_at + interval '1 day'") for ended in ("settled", "released", "expired")),
        )
    ),
    *(
        ("reservation_state_forwards", _set(_HOLD, row, change))
        for row, change in (
            ("settled", "state = 'open', closed_at = NULL, settled_late = false"),
            ("settled", "state = 'released'"),
            ("settled", "state = 'expired'"),
            ("released", "state = 'open', closed_at = NULL"),
            ("released", "state = 'settled'"),
            ("expired", "state = 'open', closed_at = NULL"),
            ("expired", "state = 'released'"),
        )
    ),
    ("reservation_never_vanishes", "DELETE FROM economics_reservations WHERE id = {open}"),
    ("reservation_never_truncated", "TRUNCATE economics_reservations CASCADE"),
    # Refusals and alerts
    ("refusal_once_a_minute", _twice("economics_refusals")),
    ("economics_refusals_times_check", _new("economics_refusals", times="-1")),
    ("alert_once_per_window", _twice(_ALERT)),
    ("alert_threshold_known", _new(_ALERT, threshold="70")),
    *(
        ("alert_is_fixed", _set(_ALERT, "alert", change))
        for change in (
            "id = 99999",
            "line_id = {total}",
            "window_start = '2030-01-01'",
            "threshold = 80",
            "settled = 1",
            '"limit" = 1',
            "raised_at = now()",
        )
    ),
    (
        "alert_froze_for_good",
        _set(_ALERT, "alert", "froze = true") + "; " + _set(_ALERT, "alert", "froze = false"),
    ),
    *(
        (
            "alert_stays_rearmed_and_seen",
            _set(_ALERT, "alert", f"{column} = now()") + "; " + _set(_ALERT, "alert", f"{column} = NULL"),
        )
        for column in ("rearmed_at", "seen_at")
    ),
    # Catalogue
    *(("tier_name_is_a_slug", _new("economics_tiers", name=name)) for name in ("''", "'very dear'", "E'dear\\n'")),
    *(
        ("tier_suggestion_not_negative", _new("economics_tiers", suggested_up_to=value))
        for value in ("-1", "1000000000", "'NaN'")
    ),
    ("model_name_given", _new("economics_models", name="''")),
    ("price_named_where_it_must", _new(_PRICE, name="''")),
    ("price_named_where_it_must", _new(_PRICE, resource_type="'cpu_seconds'", output_rate="NULL")),
    ("price_of_output_for_tokens", _new(_PRICE, output_rate="NULL")),
    ("price_of_output_for_tokens", _new(_PRICE, resource_type="'api_calls'")),
    ("price_of_output_for_tokens", _new(_PRICE, resource_type="'api_calls'", output_rate="NULL", cache_read_rate="1")),
    *(
        ("price_not_negative", _new(_PRICE, **{column: value}))
        for column in ("rate", "output_rate", "cache_read_rate", "cache_write_rate")
        for value in ("-1", "1000000000", "'NaN'")
    ),
    ("price_once_at_a_time", _twice(_PRICE)),
    *(
        ("price_is_fixed", _set(_PRICE, "price", f"{column} = {value}"))
        for column, value in (
            ("id", "99999"),
            ("resource_type", "'api_calls'"),
            *((c, "'x'") for c in ("name", "source", "set_by")),
            *((c, "2") for c in ("rate", "output_rate", "cache_read_rate", "cache_write_rate")),
            ("effective_from", "now()"),
            ("created_at", "'2020-01-01'"),
        )
    ),
    (
        "price_stays_withdrawn",
        _set(_PRICE, "price", "withdrawn_at = now()") + "; " + _set(_PRICE, "price", "withdrawn_at = NULL"),
    ),
    ("price_never_vanishes", "DELETE FROM economics_prices"),
    ("price_never_truncated", "TRUNCATE economics_prices"),
]

CRIMES: Final = [*_ENVELOPES, *_SPENDING]

# What is not a refusal but keeps rows in step (see `tests.economics`), or cannot be broken without breaking another
# law first.
NO_CRIMES: Final = {
    "counter_not_negative",  # nobody but the triggers moves a counter
    "price_resource_known",  # a class that nobody knows has no rule for its name, either
    "economics_alerts_threshold_check",
    "economics_policy_id_check",
    *(f"economics_policy_{part}_check" for part in ("reservation_seconds", "reservation_most_seconds")),
    *(f"economics_policy_{part}_check" for part in ("safety_seconds", "score_seconds", "week_starts_on")),
    "envelope_opens_its_lines",
    "envelope_moves_its_lines",
    "grant_is_revised",
    "grant_end_is_revised",
    "usage_is_of_its_models_tier",
    "line_counts_what_was_before",
    "line_opening_is_revised",
    "line_change_is_revised",
    "policy_is_followed",
    "reservation_is_held",
    "reservation_is_released",
    "usage_is_counted",
    "usage_price_is_counted",
}
