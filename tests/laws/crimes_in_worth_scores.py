"""Ways to break the laws of the policy of worth, of observations, judgements and scores with raw SQL.

Each makes the rows it needs. Version 1 of the policy is there: the house made it.
"""

from __future__ import annotations

from typing import Final

_POLICY, _SEEN = "economics_worth_policies", "economics_observations"
_JUDGED, _SCORES = "economics_assessments", "economics_scores"
_ENTITY: Final = {"entity_type": "'hypothesis'", "entity_id": "'h1'"}

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    _POLICY: {"version": "99"},
    _SEEN: {
        **_ENTITY,
        "kind": "'paper'",
        "reference": "'pmid:1'",
        "source": "'test'",
        "event_id": "'e1'",
        "at": "'2030-01-01'",
    },
    _JUDGED: {
        **_ENTITY,
        "component": "'novelty'",
        "value": "0.5",
        "assessed_by": "'ada'",
        "reason": "'test'",
        "at": "'2030-01-01'",
    },
    _SCORES: {
        **_ENTITY,
        "policy_id": "1",
        "evidence_strength": "0.5",
        "evidence_weight": "0.4",
        "novelty_weight": "0.2",
        "alignment_weight": "0.2",
        "interest_weight": "0.2",
        "score": "0.2",
        "inputs": "'{{}}'",
        "at": "'2030-01-01'",
    },
}


def _new(table: str, **columns: str) -> str:
    row = {**NEW[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _then(table: str, change: str, **columns: str) -> str:
    """Return the INSERT of a lawful row and then a change of it."""
    where = "version = 99" if table == _POLICY else "entity_id = 'h1'"
    return f"{_new(table, **columns)}; UPDATE {table} SET {change} WHERE {where}"


def _gone(table: str) -> tuple[str, str]:
    return f"{_new(table)}; DELETE FROM {table}", f"TRUNCATE {table} CASCADE"


_POINTS: Final = (
    *("paper_points", "debate_points", "replication_points", "kg_link_points", "vote_points", "comment_points"),
    *("bounty_points", "paper_edges", "hypothesis_edges", "artifact_edges"),
)
_SHARES: Final = ("low_quantile", "good_quantile", "idle_share", "auto_most_step", "auto_most_share")
_WITHDRAWN: Final = {"withdrawn_at": "'2030-01-02'", "withdrawn_by": "'ada'"}

_POLICIES: Final[list[tuple[str, str]]] = [
    ("worth_weights_sum_to_one", _new(_POLICY, evidence_weight="0.36")),
    ("worth_weights_sum_to_one", _new(_POLICY, evidence_weight="1.35", novelty_weight="-0.75")),
    ("worth_weights_sum_to_one", _new(_POLICY, evidence_weight="'NaN'")),
    *(("worth_points_sane", _new(_POLICY, **{name: wrong})) for name in _POINTS for wrong in ("-1", "1001", "'NaN'")),
    *(("worth_points_sane", _new(_POLICY, **{name: "0"})) for name in ("evidence_scale", "interest_scale")),
    *(
        ("worth_market_sane", _new(_POLICY, **{name: wrong}))
        for name in ("gain", "most_daily_step", "score_threshold")
        for wrong in ("-0.1", "1.1", "'NaN'")
    ),
    *(("worth_market_sane", _new(_POLICY, half_life_days=wrong)) for wrong in ("0", "366", "'NaN'")),
    *(
        ("worth_returns_sane", _new(_POLICY, **{name: wrong}))
        for name, wrong in (
            ("roi_days", "0"),
            ("roi_days", "367"),
            ("roi_prior_tokens", "-1"),
            ("roi_prior_tokens", "1000000000000001"),
            ("roi_fewest_tokens", "0"),
            ("roi_fewest_tokens", "1000000000000001"),
        )
    ),
    *(
        ("worth_review_sane", _new(_POLICY, **columns))
        for columns in (
            {"review_step": "0.6"},
            {"review_step": "-0.1"},
            {"floor_tokens": "-1"},
            {"floor_tokens": "1000000000000001"},
            {"fewest_judged": "0"},
            {"low_quantile": "0.6", "good_quantile": "0.5"},
        )
    ),
    *(("worth_review_sane", _new(_POLICY, **{name: wrong})) for name in _SHARES for wrong in ("-0.1", "1.1", "'NaN'")),
    *(
        (f"economics_worth_policies_{name}_check", _new(_POLICY, **{name: "-1"}))
        for name in ("version", "roi_days", "fewest_judged")
    ),
    ("worth_policy_never_changes", _then(_POLICY, "gain = 0.5")),
    ("worth_policy_never_changes", "UPDATE economics_worth_policies SET reason = 'another' WHERE version = 1"),
    *zip(("worth_policy_never_vanishes", "worth_policy_never_truncated"), _gone(_POLICY), strict=True),
]

_OBSERVATIONS: Final[list[tuple[str, str]]] = [
    ("observation_entity_named", _new(_SEEN, entity_type="''")),
    ("observation_entity_named", _new(_SEEN, entity_id="''")),
    ("observation_names_what_or_whose", _new(_SEEN, reference="''")),
    ("observation_names_what_or_whose", _new(_SEEN, kind="'vote'")),
    ("observation_names_what_or_whose", _new(_SEEN, kind="'rumour'", principal="'ada'")),
    *(("observation_times_readable", _new(_SEEN, **{column: "'infinity'"})) for column in ("at", "recorded_at")),
    ("observation_times_readable", _new(_SEEN, withdrawn_at="'infinity'", withdrawn_by="'ada'")),
    ("observation_withdrawn_by_somebody", _new(_SEEN, withdrawn_at="'2030-01-02'")),
    ("observation_withdrawn_by_somebody", _new(_SEEN, withdrawn_by="'ada'")),
    ("observation_once", "; ".join([_new(_SEEN), _new(_SEEN, kind="'debate'")])),
    *(
        ("observation_never_changes", _then(_SEEN, change))
        for change in (
            *("entity_type = 'analysis'", "entity_id = 'other'", "kind = 'debate'", "reference = 'pmid:2'"),
            *("principal = 'eve'", "source = 'other'", "event_id = 'e2'", "at = now()", "recorded_at = '2030-01-01'"),
            "id = 99999",
        )
    ),
    *(
        ("observation_stays_withdrawn", _then(_SEEN, change, **_WITHDRAWN))
        for change in (
            "withdrawn_at = NULL, withdrawn_by = ''",
            "withdrawn_at = '2030-01-03'",
            "withdrawn_by = 'eve'",
        )
    ),
    *zip(("observation_never_vanishes", "observation_never_truncated"), _gone(_SEEN), strict=True),
]

_JUDGEMENTS: Final[list[tuple[str, str]]] = [
    ("assessment_entity_named", _new(_JUDGED, entity_type="''")),
    ("assessment_entity_named", _new(_JUDGED, entity_id="''")),
    ("assessment_component_known", _new(_JUDGED, component="'charm'")),
    *(("assessment_value_a_share", _new(_JUDGED, value=wrong)) for wrong in ("-0.1", "1.1", "'NaN'")),
    ("assessment_for_a_reason", _new(_JUDGED, assessed_by="''")),
    ("assessment_for_a_reason", _new(_JUDGED, reason="''")),
    ("assessment_time_readable", _new(_JUDGED, at="'infinity'")),
    ("assessment_never_changes", _then(_JUDGED, "value = 1")),
    *zip(("assessment_never_vanishes", "assessment_never_truncated"), _gone(_JUDGED), strict=True),
]

_SCORED: Final[list[tuple[str, str]]] = [
    ("score_entity_named", _new(_SCORES, entity_type="''")),
    ("score_entity_named", _new(_SCORES, entity_id="''")),
    *(
        ("score_components_are_shares", _new(_SCORES, **{component: wrong}, score=score))
        for component, weight in (
            *(("evidence_strength", 4), ("novelty", 2), ("strategic_alignment", 2), ("community_interest", 2)),
        )
        for wrong, share in (("-0.1", -1), ("1.1", 11))
        for score in (f"{(share * weight + (0 if component == 'evidence_strength' else 20)) / 100}",)
    ),
    *(("score_is_its_sum", _new(_SCORES, **columns)) for columns in ({"score": "0.3"}, {"novelty": "0.5"})),
    ("score_is_its_sum", _new(_SCORES, score="'NaN'")),
    ("score_weights_sum_to_one", _new(_SCORES, novelty_weight="0.3")),
    ("score_one_at_present", "; ".join([_new(_SCORES), _new(_SCORES)])),
    *(
        ("score_never_changes", _then(_SCORES, change))
        for change in (
            *("entity_type = 'analysis'", "entity_id = 'other'", "inputs = '{{\"a\": 1}}'", "at = now()", "id = 99999"),
            "evidence_strength = 1, score = 0.4",
            "novelty = 0",
            "evidence_weight = 0.4, novelty_weight = 0.3, alignment_weight = 0.1",
            "evidence_weight = 0.5, interest_weight = 0.1, score = 0.25",
        )
    ),
    *(
        ("score_stays_superseded", _then(_SCORES, f"superseded_at = {moment}", superseded_at="'2030-01-02'"))
        for moment in ("NULL", "'2030-01-03'")
    ),
    *zip(("score_never_vanishes", "score_never_truncated"), _gone(_SCORES), strict=True),
]

CRIMES: Final = [*_POLICIES, *_OBSERVATIONS, *_JUDGEMENTS, *_SCORED]

# What is not a refusal, or cannot be broken without breaking another law first.
NO_CRIMES: Final = {"worth_policy_closes_the_gate"}  # closes it; see the tests of the policy of worth
