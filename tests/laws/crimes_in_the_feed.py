"""Ways to bend the order of the feed, or to forget what must stay, with raw SQL."""

from __future__ import annotations

from typing import Final

_ROUND: Final = {
    "pool_id": "{pool}",
    "cycle_at": "now()",
    "cleared_at": "now()",
    "pricing_rule": "'uniform'",
    **dict.fromkeys(("slots_offered", "slots_sold", "bids_lost", "charged_tokens", "premium_tokens"), "0"),
    **dict.fromkeys(("parameters", "frontier"), "'{{}}'"),
    "digest": "'old'",
}


def _told(**columns: str) -> str:
    row = {"kind": "'won'", "at": "now()", "data": "'{{}}'", **columns}
    return f"INSERT INTO config_feed ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _round(**columns: str) -> str:
    row = {**_ROUND, **columns}
    return f"INSERT INTO compute_auction_rounds ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _days_ago(days: int) -> str:
    return f"now() - interval '{days} days'"


_PLACED: Final = _told(position="1000000")
_FORGET_ROUND: Final = "DELETE FROM compute_auction_rounds WHERE digest = 'old'"
_LAST: Final = f"UPDATE auction_pools SET last_round_at = {_days_ago(91)} WHERE id = {{pool}}"

CRIMES: Final[list[tuple[str, str]]] = [
    ("feed_entry_of_a_kind", _told(kind="''")),
    ("feed_entry_owner_whole", _told(owner_type="'agent'")),
    ("feed_entry_owner_whole", _told(owner_id="'ann'")),
    ("config_feed_position_key", f"{_PLACED}; {_PLACED}"),
    ("feed_entry_placed_once", f"{_PLACED}; UPDATE config_feed SET position = 1000001 WHERE position = 1000000"),
    ("feed_entry_placed_once", f"{_PLACED}; UPDATE config_feed SET position = NULL WHERE position = 1000000"),
    *(
        ("feed_entry_is_fixed", f"{_PLACED}; UPDATE config_feed SET {change} WHERE position = 1000000")
        for change in (
            *("id = -1", "kind = 'lost'", "at = at - interval '1 day'", "owner_type = 'agent', owner_id = 'ann'"),
            *("pool = 'other'", "data = '{{\"a\": 1}}'"),
        )
    ),
    ("feed_entry_stays_until_placed", _told() + "; DELETE FROM config_feed WHERE position IS NULL"),
    ("feed_entry_last_stays", f"{_PLACED}; DELETE FROM config_feed WHERE position = 1000000"),
    ("feed_entry_last_stays", f"{_told(position='999999')}; {_PLACED}; DELETE FROM config_feed WHERE position > 0"),
    ("feed_entry_never_truncated", "TRUNCATE config_feed"),
    ("config_retention_id_check", "INSERT INTO config_retention (id) VALUES (-1)"),
    ("retention_single", "INSERT INTO config_retention (id) VALUES (2)"),
    *(
        (f"config_retention_{what}_days_check", f"UPDATE config_retention SET {what}_days = -1")
        for what in ("bids", "rounds", "refusals", "answers", "feed")
    ),
    *(
        ("retention_sane", f"UPDATE config_retention SET {what}_days = {days}")
        for what in ("bids", "rounds", "refusals", "answers", "feed")
        for days in (0, 36_501)
    ),
    ("retention_never_vanishes", "DELETE FROM config_retention"),
    ("retention_never_truncated", "TRUNCATE config_retention"),
    ("round_that_sold_never_vanishes", "DELETE FROM compute_auction_rounds WHERE id = {round}"),
    ("round_stays_its_time", f"{_round()}; {_FORGET_ROUND}"),
    ("round_stays_its_time", f"{_round(cleared_at=_days_ago(89))}; {_FORGET_ROUND}"),
    (
        "round_stays_its_time",
        f"{_round(cleared_at=_days_ago(91))}; {_LAST}; {_FORGET_ROUND}",
    ),
]

# They tell the feed and refuse nothing.
NO_CRIMES: Final = {
    *("refusal_is_told", "ballot_tells_its_outcome"),
    *("retention_changes_on_record", "retention_comes_and_goes_on_record"),
}
