"""Ways to break the laws of reviews, their pools and lines, and of the reserve with raw SQL.

Each makes the rows it needs. `{envelope}` and `{total}` are an envelope of the world and its line of LLM tokens.
"""

from __future__ import annotations

from typing import Final

_RESERVES, _REVIEWS = "economics_reserves", "economics_reviews"
_POOLS, _LINES = "economics_review_pools", "economics_review_lines"
_DECIDED: Final = {"decided_at": "'2030-01-01'", "decided_by": "'ada'"}
_APPLIED: Final = {"state": "'applied'", **_DECIDED}
_DISCARDED: Final = {"state": "'discarded'", **_DECIDED}
_OF_REVIEW: Final = "(SELECT max(id) FROM economics_reviews)"

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    _RESERVES: {"window_kind": "'week'", "qualifier": "'test'"},
    _REVIEWS: {
        "kind": "'weekly'",
        "period": "'2030-01-07'",
        "policy_id": "1",
        "drafted_at": "'2030-01-07'",
        "figures": "'{{}}'",
    },
    _POOLS: {
        "review_id": _OF_REVIEW,
        "window_kind": "'week'",
        "lines": "2",
        "gainers": "1",
        "before": "2000",
        "freed": "200",
        "placed": "150",
        "after": "1950",
        "reserve_before": "10",
        "reserve_after": "60",
    },
    _LINES: {
        "review_id": _OF_REVIEW,
        "envelope_id": "{envelope}",
        "line_id": "{total}",
        "rule": "'reduce'",
        "because": "'low_twice'",
        "before": "1000",
        "after": "900",
        "state_before": "'active'",
        "state_after": "'capped'",
        "step": "0.2",
        "floor": "500",
        **dict.fromkeys(("edges", "tokens", "judged", "priority_score", "market_weight"), "0"),
        **dict.fromkeys(("is_low", "was_low"), "true"),
    },
}


def _new(table: str, **columns: str) -> str:
    row = {**NEW[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _of(table: str, **columns: str) -> str:
    """Return the INSERT of a pool or a line of a new draft."""
    return f"{_new(_REVIEWS)}; {_new(table, **columns)}"


def _changed(table: str, change: str, **columns: str) -> str:
    return f"{_new(table, **columns)}; UPDATE {table} SET {change} WHERE id = (SELECT max(id) FROM {table})"


def _applied(*statements: str) -> str:
    decision = ", ".join(f"{name} = {value}" for name, value in _APPLIED.items())
    return "; ".join([_new(_REVIEWS), *statements, f"UPDATE {_REVIEWS} SET {decision} WHERE id = {_OF_REVIEW}"])


_POOL_OF_LINE: Final = _new(
    _POOLS,
    window_kind="'day'",
    lines="1",
    gainers="0",
    before="1000",
    after="900",
    freed="100",
    placed="0",
    reserve_before="0",
    reserve_after="100",
)

CRIMES: Final = [
    # The reserve
    ("reserve_once", "; ".join([_new(_RESERVES)] * 2)),
    ("reserve_sane", _new(_RESERVES, window_kind="'lifetime'")),
    *(
        ("reserve_is_fixed", _changed(_RESERVES, change))
        for change in ("window_kind = 'day'", "qualifier = 'other'", "id = id + 1")
    ),
    ("reserve_follows_reviews", _changed(_RESERVES, "amount = 5")),
    ("reserve_opens_empty", _new(_RESERVES, amount="5")),
    ("reserve_never_vanishes", f"{_new(_RESERVES)}; DELETE FROM {_RESERVES}"),
    ("reserve_never_truncated", f"TRUNCATE {_RESERVES}"),
    # Reviews
    ("review_kind_known", _new(_REVIEWS, kind="'yearly'", **_APPLIED)),
    ("review_decided_by_somebody", _new(_REVIEWS, kind="'daily'")),
    ("review_decided_by_somebody", _new(_REVIEWS, state="'applied'")),
    ("review_decided_by_somebody", _new(_REVIEWS, state="'lost'")),
    ("review_decided_by_somebody", _new(_REVIEWS, **_DECIDED)),
    ("review_decided_by_somebody", _changed(_REVIEWS, "state = 'discarded', decided_at = now()")),
    *(
        ("review_times_readable", _new(_REVIEWS, drafted_at=moment))
        for moment in ("'infinity'", "'-infinity'", "'0001-01-01 BC'")
    ),
    (
        "review_times_readable",
        _changed(_REVIEWS, "state = 'discarded', decided_at = 'infinity', decided_by = 'ada'"),
    ),
    ("review_once_per_period", "; ".join([_new(_REVIEWS)] * 2)),
    *(
        ("review_is_fixed", _changed(_REVIEWS, change))
        for change in (
            "kind = 'daily'",
            "period = '2030-01-14'",
            "drafted_at = now()",
            "drafted_by = 'eve'",
            """figures = '{{"gained": 7}}'""",
            "policy_id = 2",
            "id = id + 1",
        )
    ),
    ("review_applied_as_it_says", _applied(_new(_LINES))),  # a line of no pool
    ("review_applied_as_it_says", _applied(_new(_POOLS))),  # a pool without lines
    ("review_applied_as_it_says", _applied(_new(_LINES), _POOL_OF_LINE)),  # the line itself has not moved
    (  # there is no reserve that could take what is left
        "review_applied_as_it_says",
        _applied("UPDATE resource_budgets SET token_budget = 900 WHERE id = {envelope}", _new(_LINES), _POOL_OF_LINE),
    ),
    ("review_decided_once", _changed(_REVIEWS, "state = 'draft'", **_DISCARDED)),
    ("review_decided_once", _changed(_REVIEWS, "state = 'applied'", **_DISCARDED)),
    *(
        ("review_decision_stays", _changed(_REVIEWS, change, **_APPLIED))
        for change in ("decided_at = now()", "decided_by = 'eve'", "decision_reason = 'a nicer story'")
    ),
    ("review_never_vanishes", f"{_new(_REVIEWS)}; DELETE FROM {_REVIEWS}"),
    ("review_never_truncated", f"TRUNCATE {_REVIEWS} CASCADE"),
    # Pools
    ("review_pool_once", f"{_of(_POOLS)}; {_new(_POOLS)}"),
    *(
        ("review_pool_conserved", _of(_POOLS, **columns))
        for columns in (
            {"after": "1951"},
            {"reserve_after": "61"},
            {"freed": "-200", "after": "2350", "reserve_after": "-340"},
            {"placed": "-50", "after": "1750", "reserve_after": "260"},
            {"reserve_before": "-60", "reserve_after": "-10"},
        )
    ),
    ("review_pool_never_changes", f"{_new(_REVIEWS)}; {_changed(_POOLS, 'lines = 3')}"),
    ("review_pool_never_vanishes", f"{_of(_POOLS)}; DELETE FROM {_POOLS}"),
    ("review_pool_never_truncated", f"TRUNCATE {_POOLS}"),
    ("review_pool_of_a_draft", f"{_new(_REVIEWS, **_APPLIED)}; {_new(_POOLS)}"),
    *((f"economics_review_pools_{column}_check", _of(_POOLS, **{column: "-1"})) for column in ("lines", "gainers")),
    # Lines
    ("review_line_once", f"{_of(_LINES)}; {_new(_LINES)}"),
    *(
        ("review_line_moves_by_its_rule", _of(_LINES, **columns))
        for columns in (
            {"rule": "'keep'"},
            {"after": "1100"},
            {"rule": "'reclaim'", "after": "1100"},
            {"rule": "'gain'"},
            {"rule": "'gain'", "after": "1000"},
            {"rule": "'double'"},
        )
    ),
    *(
        ("review_line_step_bounded", _of(_LINES, **columns))
        for columns in (
            {"after": "799"},
            {"rule": "'gain'", "after": "1201"},
            {"step": "1.1"},
            {"step": "-0.1"},
            {"before": "1000000000000001", "after": "1000000000000001", "rule": "'keep'"},
            {"before": "'NaN'", "after": "'NaN'", "rule": "'keep'"},
        )
    ),
    ("review_line_floor_holds", _of(_LINES, floor="950")),
    ("review_line_never_changes", f"{_new(_REVIEWS)}; {_changed(_LINES, 'after = 950')}"),
    ("review_line_never_vanishes", f"{_of(_LINES)}; DELETE FROM {_LINES}"),
    ("review_line_never_truncated", f"TRUNCATE {_LINES}"),
    ("review_line_of_a_draft", f"{_new(_REVIEWS, **_DISCARDED)}; {_new(_LINES)}"),
    ("economics_review_lines_judged_check", _of(_LINES, judged="-1")),
]

# What is not a refusal.
NO_CRIMES: Final = {
    "review_moves_the_reserve",  # moves the reserve with the review; see tests/economics/test_reviews.py
}
