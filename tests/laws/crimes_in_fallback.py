"""Ways to break the laws of fallback, of what it gives and of claims with raw SQL. Each makes the rows it needs."""

from __future__ import annotations

from typing import Final

_FALLBACKS, _SHARES, _CLEARS, _POOLS = (
    "auction_fallbacks",
    "auction_fallback_shares",
    "compute_auction_clears",
    "auction_pools",
)

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    _FALLBACKS: {"pool_id": "{pool}", "why": "'stale'", "began_at": "'2030-01-01'"},
    _SHARES: {"pool_id": "{pool}", "day": "'2030-01-01'", "account_id": "{rich}", "share": "0.5"},
    _CLEARS: {
        "slot_id": "{open_slot}",
        "pool_id": "{pool}",
        "is_given": "true",
        "account_id": "{rich}",
        "winning_task_id": "{open_task}",
        **dict.fromkeys(("clearing_price_tokens", "charge_tokens", "max_price_tokens"), "0"),
        "cleared_at": "now()",
        "start_by": "now()",
    },
}


def _new(table: str, **columns: str) -> str:
    row = {**NEW[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _then(table: str, change: str) -> str:
    return f"{_new(table)}; UPDATE {table} SET {change}"


def _clear(row: str, change: str) -> str:
    return f"UPDATE {_CLEARS} SET {change} WHERE id = {{{row}}}"


def _pool(change: str) -> str:
    return f"UPDATE {_POOLS} SET {change} WHERE id = {{pool}}"


_CLAIM: Final = (
    "runner_id = 'worker', runner_kind = 'worker', claimed_at = now(), claim_until = now() + interval '1 hour'"
)
_BY_ANOTHER: Final = "runner_id = 'provider', runner_kind = 'provider'"
_SOLD: Final = {"is_given": "false", "round_id": "{round}", "bid_id": "{open_bid}"}

CRIMES: Final[list[tuple[str, str]]] = [
    # When it is
    ("fallback_why_known", _new(_FALLBACKS, why="'boredom'")),
    ("fallback_one_at_a_time", "; ".join([_new(_FALLBACKS)] * 2)),
    ("fallback_ends_after_it_began", _new(_FALLBACKS, ended_at="'2029-12-31'")),
    *(
        ("fallback_beginning_is_fixed", _then(_FALLBACKS, change))
        for change in ("id = id + 1", "pool_id = {default_pool}", "why = 'by hand'", "began_at = '2029-12-31'")
    ),
    ("fallback_ends_once", _then(_FALLBACKS, "ended_at = '2030-01-02'") + f"; UPDATE {_FALLBACKS} SET ended_at = NULL"),
    ("fallback_never_vanishes", f"{_new(_FALLBACKS)}; DELETE FROM {_FALLBACKS}"),
    ("fallback_never_truncated", f"TRUNCATE {_FALLBACKS}"),
    # Whose turn it is
    ("fallback_share_once", "; ".join([_new(_SHARES)] * 2)),
    *(
        ("fallback_share_sane", _new(_SHARES, **columns))
        for columns in ({"share": "-0.1"}, {"share": "1.1"}, {"share": "'NaN'"}, {"given": "-1"})
    ),
    # What is given
    *(
        ("clear_sold_by_a_round_or_given", _new(_CLEARS, **columns))
        for columns in (
            {"round_id": "{round}"},
            {"bid_id": "{open_bid}"},
            {"runner_up_task_id": "{taken_task}"},
            {"clearing_price_tokens": "1"},
            {"charge_tokens": "1", "max_price_tokens": "1"},
            {"max_price_tokens": "1"},
            {**_SOLD, "round_id": "NULL"},
            {**_SOLD, "bid_id": "NULL"},
        )
    ),
    ("clear_terms_are_fixed", _clear("sold", "is_given = true")),
    # Who has claimed it
    *(
        ("clear_claimed_by_somebody", _clear("sold", change))
        for change in (
            "claimed_at = now(), claim_until = now()",
            "runner_id = 'worker', runner_kind = 'worker', claimed_at = now()",
            "runner_id = 'worker', runner_kind = 'worker', claim_until = now()",
        )
    ),
    *(
        ("clear_claim_stands_until_its_end", f"{_clear('sold', _CLAIM)}; {_clear('sold', change)}")
        for change in (
            f"{_BY_ANOTHER}, claimed_at = now() + interval '59 minutes'",
            "runner_id = NULL, runner_kind = NULL, claimed_at = NULL, claim_until = NULL",
        )
    ),
    *(
        ("clear_runner_stays_once_it_runs", _clear(row, change))
        for row, change in (
            ("running", _BY_ANOTHER),
            ("paid", _BY_ANOTHER),
            ("paid", "runner_account_id = {treasury}"),
            ("finished", "claimed_at = now(), claim_until = now()"),
        )
    ),
    ("clear_blocked_by_a_refusal", _clear("sold", "refusal_id = 1")),
    (
        "clear_settled_once",
        _clear("sold", "state = 'blocked', refusal_id = 1") + "; " + _clear("sold", "refusal_id = 2"),
    ),
    # When it begins
    *(
        (f"auction_pools_{column}_check", _pool(f"{column} = -1"))
        for column in ("breaker_failures", "claim_seconds", "failures", "stale_cycles")
    ),
    *(
        ("pool_times_positive", _pool(f"{column} = 0"))
        for column in ("breaker_failures", "claim_seconds", "stale_cycles")
    ),
]
