"""Ways to break the laws of the Senate with raw SQL. Each crime is told as a story: what is lawful first, then it."""

from __future__ import annotations

from typing import Final

_PROPOSALS, _EVIDENCE, _POLICIES = "allocation_proposals", "governance_evidence", "governance_policies"
_BALLOTS, _ELECTORS = "governance_ballots", "governance_electors"
_VOTES, _ENACTMENTS = "governance_votes", "governance_enactments"
_OF_PROPOSAL: Final = f"(SELECT max(id) FROM {_PROPOSALS})"
_OF_BALLOT: Final = f"(SELECT max(id) FROM {_BALLOTS})"


def _person(name: str) -> str:
    return f"(SELECT id FROM config_user WHERE username = '{name}')"


# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    "config_user": {
        **dict.fromkeys(("password", "first_name", "last_name", "email"), "''"),
        **dict.fromkeys(("is_superuser", "is_staff", "is_active"), "true"),
        "date_joined": "now()",
    },
    _PROPOSALS: {
        "proposer_agent": "'worker'",
        "agent_id": "'worker'",
        "entity_type": "'hypothesis'",
        "entity_id": "'h1'",
        "requested_tokens": "500",
        "justification": "'it has run dry'",
        "gain_edges": "20",
        "gain_by": "'2030-02-01'",
        "evidence": """'[{{"kind": "new_pmids", "claim": {{"pmids": ["1"]}}}}]'""",
        "filed_at": "'2030-01-01'",
    },
    _EVIDENCE: {"proposal_id": _OF_PROPOSAL, "kind": "'kg_yield'", "claim": "'{{}}'"},
    _BALLOTS: {
        "proposal_id": _OF_PROPOSAL,
        "number": "1",
        "policy_id": "1",
        "quorum": "2",
        "requested": "500",
        "base": "'{{}}'",
        "opened_at": "'2030-01-02'",
        "closes_at": "'2030-01-05'",
    },
    _ELECTORS: {"ballot_id": _OF_BALLOT, "user_id": _person("ada"), "name": "'ada'"},
    _VOTES: {
        "ballot_id": _OF_BALLOT,
        "voter_id": _person("ada"),
        "voter_name": "'ada'",
        "choice": "'approve'",
        "amount": "500",
        "reason": "'it works'",
        "cast_at": "'2030-01-03'",
    },
    _ENACTMENTS: {
        "proposal_id": _OF_PROPOSAL,
        "ballot_id": _OF_BALLOT,
        "granted": "400",
        "enacted_at": "'2030-01-05'",
        "enacted_by": "'the Senate'",
        "before": "'{{}}'",
        "after": "'{{}}'",
    },
    _POLICIES: {"version": "2"},
}


def _new(table: str, **columns: str) -> str:
    row = {**NEW[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _last(table: str, change: str) -> str:
    """Return the UPDATE of the last row of a table."""
    return f"UPDATE {table} SET {change} WHERE id = (SELECT max(id) FROM {table})"


def _gone(table: str) -> str:
    return f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})"


def _tale(*parts: str) -> str:
    return "; ".join(parts)


def _of_ben(**columns: str) -> str:
    return _new(_VOTES, **{"voter_id": _person("ben"), "voter_name": "'ben'", "amount": "400", **columns})


_REJECT: Final = {"choice": "'reject'", "amount": "NULL"}
_DEFER: Final = {"choice": "'defer'", "amount": "NULL", "revisit_at": "'2030-03-01'", "wanted": "'a trial'"}


def _close(outcome: str, *, granted: int = 0, at: str = "2030-01-04", **columns: str) -> str:
    changes = {"closed_at": f"'{at}'", "outcome": f"'{outcome}'", "granted": str(granted), **columns}
    return _last(_BALLOTS, ", ".join(f"{name} = {value}" for name, value in changes.items()))


# The stages of a proposal, each with those before it. Two vote: Ada for 500, Ben for 400 when nothing else is said.
_PEOPLE: Final = _tale(
    *(_new("config_user", username=f"'{name}'") for name in ("ada", "ben", "eve")),
)
_FILED: Final = _tale(_PEOPLE, _new(_PROPOSALS))
_OPEN: Final = _tale(_FILED, _new(_BALLOTS), *(
    _new(_ELECTORS, user_id=_person(name), name=f"'{name}'") for name in ("ada", "ben")
))  # fmt: skip
_VOTED: Final = _tale(_OPEN, _new(_VOTES))
_REVOTED: Final = _tale(_VOTED, _new(_VOTES, cast_at="'2030-01-03 12:00'", **_REJECT))
_AGREED: Final = _tale(_VOTED, _of_ben())
_REFUSED: Final = _tale(_OPEN, _new(_VOTES, **_REJECT), _of_ben(**_REJECT))
_UNDECIDED: Final = _tale(_VOTED, _of_ben(**_DEFER))
_APPROVED: Final = _tale(_AGREED, _close("approved", granted=400))
_ENACTED: Final = _tale(_APPROVED, _new(_ENACTMENTS))
_REJECTED: Final = _tale(_REFUSED, _close("rejected"))
_DEFERRED: Final = _tale(_UNDECIDED, _close("deferred", revisit_at="'2030-03-01'"))
_WITHDRAWN: Final = _tale(_FILED, _last(_PROPOSALS, "status = 'withdrawn', withdrawn_by = 'worker'"))

_SPONSORED: Final = _tale(_PEOPLE, f"UPDATE config_agent SET sponsor_id = {_person('ada')} WHERE id = 'grader'")
_NOBODYS: Final = {"proposer_agent": "NULL", "agent_id": "NULL"}
_ANOTHER: Final = {"number": "2", "opened_at": "'2030-03-01'", "closes_at": "'2030-03-04'"}
_LONG: Final = "repeat('x', 20001)"
_TYPED: Final = "kind = 'note'"

CRIMES: Final = [
    # What is asked
    ("proposal_entity_named", _new(_PROPOSALS, entity_type="''")),
    ("proposal_entity_named", _new(_PROPOSALS, entity_id="''")),
    ("proposal_measure_known", _new(_PROPOSALS, measure="'print money'")),
    ("proposal_line_known", _new(_PROPOSALS, resource_type="'gold'")),
    ("proposal_line_known", _new(_PROPOSALS, window_kind="'year'")),
    ("proposal_amount_sane", _new(_PROPOSALS, requested_tokens="1000000000000001")),
    ("proposal_amount_sane", _new(_PROPOSALS, requested_tokens="-1000000000000001")),
    ("proposal_texts_of_bearable_length", _new(_PROPOSALS, justification=_LONG)),
    (
        "proposal_texts_of_bearable_length",
        _tale(_FILED, _last(_PROPOSALS, f"status = 'withdrawn', withdrawn_by = 'x', withdrawn_because = {_LONG}")),
    ),
    *(("proposal_gain_sane", _new(_PROPOSALS, gain_edges=edges)) for edges in ("-1", "1000000000000", "'NaN'")),
    ("proposal_lists_and_terms", _new(_PROPOSALS, terms="'[]'")),
    ("proposal_terms_can_be_read", _new(_PROPOSALS, terms="""'{{"quorum": 1e5000}}'""")),
    ("proposal_terms_can_be_read", _new(_PROPOSALS, terms="jsonb_build_object('a', repeat('x', 100000))")),
    ("proposal_moments_can_be_read", _new(_PROPOSALS, filed_at="'infinity'")),
    ("proposal_moments_can_be_read", _new(_PROPOSALS, lasts_from="'-infinity'")),
    ("proposal_moments_can_be_read", _new(_PROPOSALS, lasts_until="'10000-01-01'")),
    ("proposal_moments_can_be_read", _new(_PROPOSALS, gain_by="'infinity'")),
    ("proposal_lists_and_terms", _new(_PROPOSALS, evidence="'{{}}'")),
    *(
        ("proposal_complete_when_submitted", _tale(_new(_PROPOSALS, **lacking), _new(_BALLOTS)))
        for lacking in (
            {"justification": "''"},
            {"gain_edges": "NULL"},
            {"gain_by": "NULL"},
            {"evidence": "'[]'"},
            {"requested_tokens": "0"},
            {"requested_tokens": "0", "measure": "'grant'"},
            {"requested_tokens": "-500", "measure": "'grant'"},
        )
    ),
    (  # all its evidence was withdrawn
        "proposal_complete_when_submitted",
        _tale(_FILED, _last(_EVIDENCE, "withdrawn_at = now()"), _new(_BALLOTS)),
    ),
    ("proposal_withdrawn_by_somebody", _tale(_FILED, _last(_PROPOSALS, "status = 'withdrawn'"))),
    ("proposal_withdrawn_by_somebody", _tale(_APPROVED, _last(_PROPOSALS, "withdrawn_by = 'eve'"))),
    ("proposal_withdrawn_by_somebody", _tale(_FILED, _last(_PROPOSALS, "withdrawn_because = 'a nicer story'"))),
    ("proposal_withdrawn_by_somebody", _new(_PROPOSALS, withdrawn_by="'eve'")),
    ("proposal_never_renamed", _tale(_FILED, _last(_PROPOSALS, "id = id + 1"))),
    ("proposal_never_renamed", _tale(_FILED, _last(_PROPOSALS, "filed_at = now()"))),
    *(
        ("proposal_is_fixed_once_submitted", _tale(stage, _last(_PROPOSALS, change)))
        for stage in (_OPEN, _APPROVED, _DEFERRED, _WITHDRAWN)
        for change in ("requested_tokens = 1000", "justification = 'a nicer story'", "gain_edges = 1")
    ),
    *(
        ("proposal_is_fixed_once_submitted", _tale(_OPEN, _last(_PROPOSALS, change)))
        for change in (
            "entity_type = 'analysis'",
            "entity_id = 'h2'",
            "proposer_id = 'ben'",
            "proposer_agent = 'grader'",
            f"user_id = {_person('eve')}",
            "agent_id = 'grader'",
            "measure = 'grant'",
            "resource_type = 'api_calls'",
            "qualifier = 'frontier'",
            "window_kind = 'month'",
            "lasts_from = now()",
            "lasts_until = now()",
            """terms = '{{"reserve_tokens": 1}}'""",
            "gain_by = now()",
        )
    ),
    # Where it stands
    *(
        ("proposal_begins_as_a_draft", _new(_PROPOSALS, **columns))
        for columns in (
            {"status": "'submitted'", "submitted_at": "now()"},
            {"status": "'approved'"},
            {"status": "'enacted'"},
            {"status": "'lost'"},
            {"votes": "'[{{}}]'"},
            {"granted_tokens": "500"},
            {"revisit_at": "now()"},
            {"submitted_at": "now()"},
            {"decided_at": "now()"},
            {"enacted_at": "now()"},
        )
    ),
    *(
        ("proposal_state_follows_its_ballots", _tale(_FILED, _last(_PROPOSALS, change)))
        for change in (
            *(f"status = '{status}'" for status in ("submitted", "approved", "enacted", "rejected", "deferred")),
            "status = 'expired'",
        )
    ),
    ("proposal_state_follows_its_ballots", _tale(_OPEN, _last(_PROPOSALS, "status = 'draft'"))),
    (  # from under an open ballot
        "proposal_state_follows_its_ballots",
        _tale(_OPEN, _last(_PROPOSALS, "status = 'withdrawn', withdrawn_by = 'worker'")),
    ),
    ("proposal_state_follows_its_ballots", _tale(_APPROVED, _last(_PROPOSALS, "status = 'enacted'"))),
    ("proposal_state_follows_its_ballots", _tale(_REJECTED, _last(_PROPOSALS, "status = 'approved'"))),
    ("proposal_state_follows_its_ballots", _tale(_ENACTED, _last(_PROPOSALS, "status = 'approved'"))),
    *(
        ("proposal_figures_follow_its_ballots", _tale(stage, _last(_PROPOSALS, change)))
        for stage, change in (
            *((_FILED, f"{moment} = now()") for moment in ("revisit_at", "submitted_at", "decided_at", "enacted_at")),
            (_FILED, "granted_tokens = 500"),
            (_APPROVED, "granted_tokens = 500"),
            (_DEFERRED, "revisit_at = '2031-01-01'"),
            (_APPROVED, "status = 'withdrawn', withdrawn_by = 'worker', granted_tokens = 500"),
            (_APPROVED, "status = 'withdrawn', withdrawn_by = 'worker', decided_at = now()"),
            (_WITHDRAWN, "granted_tokens = 500"),
            (_WITHDRAWN, "enacted_at = now()"),
        )
    ),
    *(
        ("proposal_state_forwards", _tale(stage, _last(_PROPOSALS, "status = 'withdrawn', withdrawn_by = 'worker'")))
        for stage in (_REJECTED, _ENACTED)
    ),
    *(
        ("proposal_state_forwards", _tale(stage, _new(_BALLOTS, **_ANOTHER)))
        for stage in (_REJECTED, _APPROVED, _ENACTED, _WITHDRAWN)
    ),
    ("proposal_withdrawn_for_good", _tale(_WITHDRAWN, _last(_PROPOSALS, "withdrawn_by = 'eve'"))),
    ("proposal_withdrawn_for_good", _tale(_WITHDRAWN, _last(_PROPOSALS, "withdrawn_because = 'a nicer story'"))),
    (
        "proposal_granted_within_the_request",
        _tale(
            _FILED,
            _new(_BALLOTS, requested="1000"),
            *(_new(_ELECTORS, user_id=_person(name), name=f"'{name}'") for name in ("ada", "ben")),
            _new(_VOTES, amount="600"),
            _of_ben(amount="600"),
            _close("approved", granted=600),
        ),
    ),
    ("proposal_evidence_follows_its_rows", _tale(_FILED, _last(_PROPOSALS, "evidence = '[]'"))),
    ("proposal_evidence_follows_its_rows", _tale(_ENACTED, _last(_PROPOSALS, "evidence = '[7]'"))),
    ("proposal_votes_follow_their_rows", _tale(_FILED, _last(_PROPOSALS, "votes = '[7]'"))),
    ("proposal_votes_follow_their_rows", _tale(_ENACTED, _last(_PROPOSALS, "votes = '[]'"))),
    ("proposal_never_vanishes", _tale(_FILED, _gone(_PROPOSALS))),
    ("proposal_never_truncated", f"TRUNCATE {_PROPOSALS} CASCADE"),
    # Evidence
    ("evidence_claim_can_be_read", _new(_PROPOSALS, evidence="'[1e5000]'")),
    ("evidence_claim_can_be_read", _tale(_FILED, _new(_EVIDENCE, claim="""'{{"edges": 1e5000}}'"""))),
    ("evidence_kind_known", _tale(_FILED, _new(_EVIDENCE, kind="'rumour'"))),
    *(
        ("evidence_url_of_the_web", _tale(_FILED, _new(_EVIDENCE, url=url)))
        for url in (
            "'javascript:alert(1)'",
            "'ftp://example.org'",
            "'file:///etc/passwd'",
            "'data:text/html,x'",
            "'//example.org'",
            "'https://'",
            "E'https://example.org/\\n'",
            "E'javascript:alert(1)\\nhttps://example.org'",
            "E'https://example.org\\njavascript:alert(1)'",
            "' https://example.org'",
        )
    ),
    ("evidence_texts_of_bearable_length", _tale(_FILED, _new(_EVIDENCE, note=_LONG))),
    ("evidence_texts_of_bearable_length", _tale(_FILED, _new(_EVIDENCE, url=f"'https://' || {_LONG}"))),
    *(
        ("evidence_check_known", _tale(_FILED, _new(_EVIDENCE, **columns)))
        for columns in (
            {"check_state": "'holds'"},
            {"checked_at": "now()"},
            {"check_state": "'true'", "checked_at": "now()"},
        )
    ),
    ("evidence_moments_can_be_read", _tale(_FILED, _new(_EVIDENCE, attached_at="'infinity'"))),
    ("evidence_moments_can_be_read", _tale(_FILED, _last(_EVIDENCE, "withdrawn_at = '-infinity'"))),
    *(
        ("evidence_never_changes", _tale(_FILED, _last(_EVIDENCE, change)))
        for change in (
            *(_TYPED, """claim = '{{"pmids": ["2"]}}'""", "note = 'better'", "url = 'https://example.org'"),
            *("id = id + 1", "attached_by = 'eve'", "attached_at = now()", "proposal_id = proposal_id + 1"),
        )
    ),
    (
        "evidence_stays_withdrawn",
        _tale(_FILED, _last(_EVIDENCE, "withdrawn_at = now()"), _last(_EVIDENCE, "withdrawn_at = NULL")),
    ),
    *(
        ("evidence_only_before_voting", _tale(stage, _new(_EVIDENCE)))
        for stage in (_OPEN, _APPROVED, _REJECTED, _ENACTED, _WITHDRAWN)
    ),
    *(
        ("evidence_withdrawn_only_from_drafts", _tale(stage, _last(_EVIDENCE, "withdrawn_at = now()")))
        for stage in (_OPEN, _DEFERRED, _APPROVED, _ENACTED, _WITHDRAWN)
    ),
    *(
        ("evidence_found_before_the_decision", _tale(stage, _last(_EVIDENCE, change)))
        for stage in (_APPROVED, _REJECTED, _ENACTED, _WITHDRAWN)
        for change in (
            *("check_state = 'holds', checked_at = now()", "check_says = 'true'"),
            """check_found = '{{"edges": 7}}'""",
        )
    ),
    ("evidence_never_vanishes", _tale(_FILED, _gone(_EVIDENCE))),
    ("evidence_never_truncated", f"TRUNCATE {_EVIDENCE}"),
    # Ballots
    ("ballot_one_open", _tale(_OPEN, _new(_BALLOTS, **_ANOTHER))),
    ("ballot_numbered_once", _tale(_DEFERRED, _new(_BALLOTS, **{**_ANOTHER, "number": "1"}))),
    *(
        ("ballot_sane", _tale(_FILED, _new(_BALLOTS, **columns)))
        for columns in (
            {"number": "0"},
            {"quorum": "0"},
            {"requested": "0"},
            {"requested": "-500"},
            {"requested": "1000000000000001"},
            {"closes_at": "'2030-01-02'"},
        )
    ),
    *(
        ("ballot_closed_with_an_outcome", _tale(stage, crime))
        for stage, crime in (
            (_AGREED, _close("approved", granted=400, revisit_at="'2030-03-01'")),
            (_AGREED, _close("approved", granted=400, at="2030-01-01")),
            (_tale(_OPEN, _new(_VOTES, amount="600"), _of_ben(amount="600")), _close("approved", granted=501)),
            (_REFUSED, _close("rejected", granted=400)),
            (_OPEN, _close("expired", granted=400)),
            (_OPEN, _close("expired", revisit_at="'2030-03-01'")),
            (_OPEN, _close("withdrawn", granted=400, closed_by="'worker'")),
            (_UNDECIDED, _close("deferred")),
            (_UNDECIDED, _close("deferred", granted=400, revisit_at="'2030-03-01'")),
            (_OPEN, _last(_BALLOTS, "outcome = 'approved', granted = 400")),
            (_OPEN, _last(_BALLOTS, "granted = 400")),
            (_OPEN, _last(_BALLOTS, "revisit_at = now()")),
        )
    ),
    *(
        ("ballot_moments_can_be_read", _tale(stage, crime))
        for stage, crime in (
            (_FILED, _new(_BALLOTS, closes_at="'infinity'")),
            (_FILED, _new(_BALLOTS, opened_at="'-infinity'")),
            (_OPEN, _close("expired", at="infinity")),
        )
    ),
    ("ballot_withdrawn_by_somebody", _tale(_OPEN, _close("withdrawn"))),
    *(
        ("ballot_ends_as_it_was_voted", _tale(stage, crime))
        for stage, crime in (
            (_OPEN, _close("approved", granted=1)),  # nobody voted
            (_OPEN, _close("rejected")),
            (_OPEN, _close("deferred", revisit_at="'2030-03-01'")),
            (_VOTED, _close("approved", granted=500)),  # one of a quorum of two
            *((_AGREED, _close(outcome)) for outcome in ("", "lost", "expired", "rejected", "approved")),
            (_AGREED, _close("approved", granted=500)),  # one of two supports so much
            *((_AGREED, _close("approved", granted=granted)) for granted in (399, 1, -1)),
            (_REFUSED, _close("approved", granted=400)),
            (_tale(_VOTED, _of_ben(**_REJECT)), _close("approved", granted=500)),  # half is not more than half
            (_tale(_REVOTED, _of_ben()), _close("approved", granted=400)),  # by a vote that is superseded
            (_UNDECIDED, _close("approved", granted=500)),
            (_UNDECIDED, _close("deferred", revisit_at="'2030-03-02'")),
        )
    ),
    *(
        ("ballot_opens_open", _tale(_FILED, _new(_BALLOTS, closed_at="'2030-01-04'", **ended)))
        for ended in (
            {"outcome": "'approved'", "granted": "500"},
            {"outcome": "'rejected'"},
            {"outcome": "'expired'"},
            {"outcome": "'withdrawn'", "closed_by": "'worker'"},
        )
    ),
    *(
        ("ballot_is_fixed", _tale(_VOTED, _last(_BALLOTS, change)))
        for change in (
            *("quorum = 1", "requested = 1000", "closes_at = '2031-01-01'", "opened_at = '2030-01-01'", "number = 7"),
            *("""base = '{{"now": 1}}'""", "policy_id = 2", "proposal_id = proposal_id - 1", "id = id + 1"),
        )
    ),
    *(
        ("ballot_ends_once", _tale(stage, _last(_BALLOTS, change)))
        for stage in (_APPROVED, _REJECTED)
        for change in (
            *("closed_at = NULL, outcome = '', granted = 0", "outcome = 'expired', granted = 0"),
            *("closed_at = now()", "closed_by = 'eve'", "reason = 'a nicer story'", "granted = 500"),
            "outcome = 'approved', granted = 500",
        )
    ),
    ("ballot_ends_once", _tale(_DEFERRED, _last(_BALLOTS, "revisit_at = '2031-01-01'"))),
    ("ballot_never_vanishes", _tale(_OPEN, _gone(_BALLOTS))),
    ("ballot_never_truncated", f"TRUNCATE {_BALLOTS} CASCADE"),
    # Electors
    ("elector_once", _tale(_OPEN, _new(_ELECTORS))),
    *(
        ("elector_without_an_interest", _tale(_SPONSORED, _new(_PROPOSALS, **of), _new(_BALLOTS), _new(_ELECTORS)))
        for of in (
            {**_NOBODYS, "user_id": _person("ada")},
            {**_NOBODYS, "proposer_id": "'ada'"},
            {**_NOBODYS, "agent_id": "'grader'"},
            {**_NOBODYS, "proposer_agent": "'grader'"},
            {**_NOBODYS, "proposer_id": "'grader'"},
            {"entity_type": "'agent'", "entity_id": "'grader'"},
        )
    ),
    *(
        ("elector_named_before_the_first_vote", _tale(stage, _new(_ELECTORS, user_id=_person("eve"), name="'eve'")))
        for stage in (_VOTED, _APPROVED, _tale(_OPEN, _close("expired", at="2030-01-05")))
    ),
    ("elector_never_changes", _tale(_OPEN, _last(_ELECTORS, f"user_id = {_person('eve')}"))),
    ("elector_never_changes", _tale(_OPEN, _last(_ELECTORS, "name = 'eve'"))),
    ("elector_never_vanishes", _tale(_OPEN, _gone(_ELECTORS))),
    ("elector_never_truncated", f"TRUNCATE {_ELECTORS}"),
    # Votes
    *(
        ("vote_says_what_it_must", _tale(_OPEN, _new(_VOTES, **columns)))
        for columns in (
            {"amount": "NULL"},
            {"amount": "0"},
            {"amount": "-500"},
            {"amount": "1000000000000001"},
            {"revisit_at": "'2030-03-01'"},
            {"wanted": "'more'"},
            {"choice": "'abstain'"},
            {**_REJECT, "amount": "1"},
            {**_REJECT, "wanted": "'more'"},
            {**_REJECT, "revisit_at": "'2030-03-01'"},
            {**_DEFER, "amount": "1"},
            {**_DEFER, "revisit_at": "NULL"},
            {**_DEFER, "wanted": "''"},
        )
    ),
    ("vote_moments_can_be_read", _tale(_OPEN, _new(_VOTES, **{**_DEFER, "revisit_at": "'infinity'"}))),
    *(
        ("vote_for_a_reason", _tale(_OPEN, _new(_VOTES, reason=reason)))
        for reason in ("''", "'   '", "E'\\n\\t'", _LONG)
    ),
    *(
        ("vote_never_changes", _tale(stage, _last(_VOTES, change)))
        for stage in (_VOTED, _APPROVED)
        for change in (
            *("amount = 1", "choice = 'reject', amount = NULL", "reason = 'a nicer story'", "cast_at = now()"),
            *(f"voter_id = {_person('eve')}", "voter_name = 'eve'", "ballot_id = ballot_id - 1", "id = id + 1"),
        )
    ),
    ("vote_never_changes", _tale(_OPEN, _new(_VOTES, **_DEFER), _last(_VOTES, "revisit_at = '2031-01-01'"))),
    ("vote_never_changes", _tale(_OPEN, _new(_VOTES, **_DEFER), _last(_VOTES, "wanted = 'nothing'"))),
    *(
        ("vote_superseded_by_the_next", _tale(stage, _last(_VOTES, f"superseded_at = {moment}")))
        for stage, moment in ((_VOTED, "'2030-01-04'"), (_APPROVED, "'2030-01-04'"), (_ENACTED, "now()"))
    ),
    (  # what was superseded does not come to life again
        "vote_superseded_by_the_next",
        _tale(_REVOTED, f"UPDATE {_VOTES} SET superseded_at = NULL WHERE ballot_id = {_OF_BALLOT}"),
    ),
    *(
        ("vote_only_while_open", _tale(stage, _new(_VOTES, **columns)))
        for stage, columns in (
            (_APPROVED, {}),
            (_REJECTED, {}),
            (_tale(_OPEN, _close("expired", at="2030-01-05")), {}),
            (_OPEN, {"cast_at": "'2030-01-05'"}),  # the deadline itself
            (_OPEN, {"cast_at": "'2030-01-01 23:59'"}),
        )
    ),
    *(
        ("vote_by_an_elector", _tale(_OPEN, _new(_VOTES, **columns)))
        for columns in (
            {"voter_id": _person("eve"), "voter_name": "'eve'"},
            {"voter_id": _person("eve")},
            {"voter_name": "'ben'"},  # in another's name
            {"ballot_id": "0"},
        )
    ),
    ("vote_begins_live", _tale(_OPEN, _new(_VOTES, superseded_at="'2030-01-04'"))),
    ("vote_never_vanishes", _tale(_VOTED, _gone(_VOTES))),
    ("vote_never_truncated", f"TRUNCATE {_VOTES}"),
    # What took effect
    *(
        ("enactment_of_what_was_approved", _tale(stage, _new(_ENACTMENTS, **columns)))
        for stage, columns in (
            (_FILED, {"ballot_id": "0"}),
            (_OPEN, {}),
            (_REJECTED, {}),
            (_DEFERRED, {}),
            (_ENACTED, {}),
            (_WITHDRAWN, {"ballot_id": "0"}),
            (_APPROVED, {"granted": "500"}),
            (_APPROVED, {"granted": "399"}),
            (_APPROVED, {"ballot_id": f"{_OF_BALLOT} - 1"}),
            (_APPROVED, {"proposal_id": f"{_OF_PROPOSAL} - 1"}),
            (_tale(_APPROVED, _last(_PROPOSALS, "status = 'withdrawn', withdrawn_by = 'worker'")), {}),
        )
    ),
    (
        "governance_enactments_proposal_id_key",
        _tale(_APPROVED, f"{_new(_ENACTMENTS)}, ({', '.join(NEW[_ENACTMENTS].values())})"),
    ),
    ("enactment_moment_can_be_read", _tale(_APPROVED, _new(_ENACTMENTS, enacted_at="'infinity'"))),
    ("enactment_by_somebody", _tale(_APPROVED, _new(_ENACTMENTS, enacted_by="''"))),
    *(
        ("enactment_never_changes", _tale(_ENACTED, _last(_ENACTMENTS, change)))
        for change in ("granted = 500", "enacted_by = 'eve'", "enacted_at = now()", """after = '{{"x": 1}}'""")
    ),
    ("enactment_never_vanishes", _tale(_ENACTED, _gone(_ENACTMENTS))),
    ("enactment_never_truncated", f"TRUNCATE {_ENACTMENTS}"),
    # The rules themselves
    *(
        (f"governance_policies_{column}_check", _new(_POLICIES, **{column: "-1"}))
        for column in ("version", "quorum", "voting_hours")
    ),
    *(
        ("senate_policy_sane", _new(_POLICIES, **columns))
        for columns in (
            {"quorum": "0"},
            {"quorum": "1001"},
            {"voting_hours": "0"},
            {"voting_hours": "8761"},
            {"most_requested": "0"},
            {"most_requested": "1000000000000001"},
        )
    ),
    ("senate_policy_never_changes", f"UPDATE {_POLICIES} SET quorum = 1 WHERE version = 1"),
    ("senate_policy_never_vanishes", f"DELETE FROM {_POLICIES} WHERE version = 1"),
    ("senate_policy_never_truncated", f"TRUNCATE {_POLICIES} CASCADE"),
]

# What is not a refusal, or cannot be broken without breaking another law first.
NO_CRIMES: Final = {
    "proposal_evidence_becomes_rows",  # these carry rows into others; see tests/governance/test_rows.py
    "evidence_is_told_by_its_proposal",
    "ballot_submits_its_proposal",
    "ballot_decides_its_proposal",
    "vote_is_told_by_its_proposal",
    "enactment_is_told_by_its_proposal",
    "vote_supersedes_the_one_before",
    "vote_one_live",  # a second vote supersedes the first
    "proposal_status_known",  # a status comes from a ballot, whose outcomes are known
    "proposal_deferred_to_a_date",  # a ballot that ends deferred names one
    "proposal_submitted_once",  # nobody writes it by hand, and ballots do once
    "governance_ballots_number_check",  # less than nothing is less than one, too
    "governance_ballots_quorum_check",
}
