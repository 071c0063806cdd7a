"""The Senate's decisions over HTTP: who votes, closes, confirms, enacts and sets the policy, and what follows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.test import Client

from auction.models import Pool
from config.models import User
from economics import envelopes
from economics.models import Envelope, Revision
from governance import policy
from governance.models import Enactment, Proposal, SenatePolicy, Vote
from tests import callers, factories
from tests.callers import SENATE, Person, problem
from tests.factories import REVIEWER
from tests.governance import senate

if TYPE_CHECKING:
    from tests.callers import Caller

pytestmark = pytest.mark.django_db

APPROVE = {"choice": "approve", "reason": "worth it"}


class Scene(NamedTuple):
    """A proposal of 500 tokens a day more that is voted on, whoever asked for it, two reviewers and the chair."""

    proposal_id: int
    scout: Caller
    one: Person
    other: Person
    chair: Person

    @property
    def address(self) -> str:
        """Where the proposal is."""
        return f"{SENATE}/proposals/{self.proposal_id}"

    def status(self) -> str:
        """Return the state of the proposal."""
        return str(Proposal.objects.get(pk=self.proposal_id).status)


def _scene(**changes: object) -> Scene:
    factories.envelope("h1")
    scout = callers.caller(name="scout")
    one, other = (Person(user) for user in senate.reviewers(2))
    chair = Person(senate.chair())
    body = {
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "requested_tokens": 500,
        "justification": "It finds edges and has run dry.",
        "gain_edges": 20,
        "gain_by": callers.ahead(days=28),
        "evidence": [senate.PAPERS],
        "submit": True,
        **changes,
    }
    answer = scout.post(f"{SENATE}/proposals", body)
    assert answer.json()["status"] == "submitted", answer.content
    return Scene(answer.json()["id"], scout, one, other, chair)


@pytest.fixture
def scene() -> Scene:
    """Set the scene."""
    return _scene()


def _budget() -> int:
    return Envelope.objects.get().token_budget


# Voting


def test_votes_are_told_with_their_reasons_as_they_come(scene: Scene) -> None:
    answer = scene.one.post(f"{scene.address}/votes", {**APPROVE, "amount": 300})
    assert answer.status_code == 200
    (ballot,) = scene.scout.get(scene.address).json()["ballots"]
    assert [(v["reviewer"], v["choice"], v["amount"], v["reason"]) for v in ballot["votes"]] == [
        ("r1", "approve", 300, "worth it")
    ]
    assert (ballot["silent"], ballot["closed_at"], _budget()) == (["cato", "r2"], None, 1_000)


def test_a_second_vote_supersedes_the_first_and_both_are_read(scene: Scene) -> None:
    scene.one.post(f"{scene.address}/votes", APPROVE)
    scene.one.post(f"{scene.address}/votes", {"choice": "reject", "reason": "no longer"})
    votes = scene.scout.get(scene.address).json()["ballots"][0]["votes"]
    assert [(vote["choice"], vote["superseded_at"] is None) for vote in votes] == [
        ("approve", False),
        ("reject", True),
    ]


def test_the_vote_that_settles_it_enacts_it(scene: Scene) -> None:
    scene.one.post(f"{scene.address}/votes", {**APPROVE, "amount": 300})
    assert scene.other.post(f"{scene.address}/votes", APPROVE).json()["status"] == "submitted"  # 300 or 500 yet
    shown = scene.chair.post(f"{scene.address}/votes", {**APPROVE, "amount": 300}).json()
    assert (shown["status"], shown["granted_tokens"], _budget()) == ("enacted", 300, 1_300)
    last = Revision.objects.latest("pk")
    assert (last.cause_kind, last.cause_id) == ("proposal", str(scene.proposal_id))


def test_the_same_key_votes_once(scene: Scene) -> None:
    first, second = (scene.one.post(f"{scene.address}/votes", APPROVE, key="one") for _ in range(2))
    assert first.content == second.content
    assert Vote.objects.count() == 1


def test_deferred_it_says_until_when_and_for_what(scene: Scene) -> None:
    until = callers.ahead(days=3)
    said = {"choice": "defer", "reason": "too early", "revisit_at": until, "wanted": "a replication"}
    for person in (scene.one, scene.other):
        person.post(f"{scene.address}/votes", said)
    shown = scene.chair.post(f"{scene.address}/votes", {"choice": "reject", "reason": "no"}).json()
    assert (shown["status"], shown["ballots"][0]["outcome"]) == ("deferred", "deferred")
    assert shown["revisit_at"] is not None
    assert {vote["wanted"] for vote in shown["ballots"][0]["votes"]} == {"a replication", ""}
    more = scene.scout.post(f"{scene.address}/evidence", {"kind": "note", "note": "replicated"})
    assert more.status_code == 201


def test_rejected_it_leaves_everything_as_it_was(scene: Scene) -> None:
    for person in (scene.one, scene.other):
        shown = person.post(f"{scene.address}/votes", {"choice": "reject", "reason": "no"}).json()
    assert (shown["status"], shown["enactment"], _budget()) == ("rejected", None, 1_000)
    late = scene.chair.post(f"{scene.address}/votes", APPROVE)
    assert (late.status_code, problem(late)["code"]) == (409, "voting_closed")


def test_nobody_votes_who_was_no_reviewer_then(scene: Scene) -> None:
    late = Person(senate.reviewer("late"))
    answer = late.post(f"{scene.address}/votes", APPROVE)
    assert (answer.status_code, problem(answer)["code"]) == (403, "no_elector")


def test_nobody_votes_on_a_proposal_of_his_own(scene: Scene) -> None:
    own = scene.one.post(
        f"{SENATE}/proposals",
        {
            "entity_type": "hypothesis",
            "entity_id": "h1",
            "requested_tokens": 1,
            "justification": "mine",
            "gain_edges": 1,
            "gain_by": callers.ahead(days=1),
            "evidence": [senate.PAPERS],
            "submit": True,
        },
    ).json()
    answer = scene.one.post(f"{SENATE}/proposals/{own['id']}/votes", APPROVE)
    assert (answer.status_code, problem(answer)["code"]) == (403, "no_elector")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointers"),
    [
        ({}, 400, "required", ["/choice", "/reason"]),
        ({**APPROVE, "choice": "maybe"}, 400, "invalid_choice", ["/choice"]),
        ({**APPROVE, "reason": ""}, 400, "blank", ["/reason"]),
        ({**APPROVE, "reason": "x" * 100_000}, 400, "max_length", ["/reason"]),
        ({**APPROVE, "reason": "a\0"}, 400, "control", ["/reason"]),
        ({**APPROVE, "reason": " \n"}, 422, "invalid_vote", ["/reason"]),
        ({**APPROVE, "amount": 0}, 400, "min_value", ["/amount"]),
        ({**APPROVE, "amount": 1.5}, 400, "invalid", ["/amount"]),
        ({**APPROVE, "amount": "5"}, 400, "invalid", ["/amount"]),
        ({**APPROVE, "amount": 10**16}, 400, "max_value", ["/amount"]),
        ({**APPROVE, "amount": 501}, 422, "invalid_vote", ["/amount"]),
        ({**APPROVE, "choice": "reject", "amount": 5}, 422, "invalid_vote", ["/amount"]),
        ({**APPROVE, "revisit_at": "2999-01-01T00:00:00Z"}, 422, "invalid_vote", ["/revisit_at"]),
        ({**APPROVE, "choice": "defer"}, 422, "invalid_vote", ["/revisit_at"]),
        ({**APPROVE, "choice": "defer", "revisit_at": "2999-01-01T00:00:00Z"}, 422, "invalid_vote", ["/revisit_at"]),
        ({**APPROVE, "choice": "defer", "revisit_at": "tomorrow"}, 400, "invalid", ["/revisit_at"]),
        ({**APPROVE, "weight": 2}, 400, "unknown_field", ["/weight"]),
    ],
)
def test_a_vote_that_is_none_is_refused(
    scene: Scene, body: dict[str, Any], status: int, code: str, pointers: list[str]
) -> None:
    answer = scene.one.post(f"{scene.address}/votes", body)
    assert (answer.status_code, problem(answer)["code"]) == (status, code)
    assert [fault["pointer"] for fault in problem(answer)["errors"]] == pointers
    assert Vote.objects.count() == 0


# Who decides

DEEDS = {
    "votes": ("governance.vote_proposal", APPROVE),
    "close": ("governance.close_proposal", {"reason": "now"}),
    "enact": ("governance.enact_policy", {"reason": "now"}),
    "confirm": ("governance.confirm_proposal", {"reason": "now", "seen": {}}),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_no_agent_decides(scene: Scene, deed: str) -> None:
    right, body = DEEDS[deed]
    del right
    for kind in ("worker", "provider", "grader", "exchange"):
        answer = callers.caller(kind).post(f"{scene.address}/{deed}", body)
        assert (answer.status_code, problem(answer)["code"]) == (403, "people_only")
    nobody = Client().post(f"{scene.address}/{deed}", json.dumps(body), content_type="application/json")
    assert nobody.status_code == 401


@pytest.mark.parametrize("deed", DEEDS)
def test_people_need_the_right_of_each_deed(scene: Scene, deed: str) -> None:
    right, body = DEEDS[deed]
    answer = Person(senate.auditor()).post(f"{scene.address}/{deed}", body)
    assert (answer.status_code, problem(answer)["code"], problem(answer)["figures"]) == (
        403,
        "right_missing",
        {"right": right},
    )
    assert scene.status() == "submitted"


@pytest.mark.parametrize("deed", ["close", "enact"])
def test_a_reviewer_is_not_the_chair(scene: Scene, deed: str) -> None:
    answer = scene.one.post(f"{scene.address}/{deed}", DEEDS[deed][1])
    assert (answer.status_code, problem(answer)["code"]) == (403, "right_missing")


def test_the_right_without_being_staff_is_not_enough(scene: Scene) -> None:
    User.objects.update(is_staff=False)
    assert scene.one.post(f"{scene.address}/votes", APPROVE).status_code == 403


# The chair


def test_the_chair_closes_a_vote_by_the_votes_cast_so_far(scene: Scene) -> None:
    scene.one.post(f"{scene.address}/votes", {**APPROVE, "amount": 300})
    scene.other.post(f"{scene.address}/votes", APPROVE)
    shown = scene.chair.post(f"{scene.address}/close", {"reason": "it is urgent"}).json()
    (ballot,) = shown["ballots"]
    assert (ballot["closed_by"], ballot["reason"], ballot["outcome"]) == ("cato", "it is urgent", "approved")
    assert (ballot["granted"], shown["status"], _budget()) == (300, "enacted", 1_300)
    again = scene.chair.post(f"{scene.address}/close", {"reason": "again"})
    assert (again.status_code, problem(again)["code"]) == (409, "voting_closed")


def test_a_pool_is_changed_by_the_chair() -> None:
    scene = _scene(
        entity_type="pool", entity_id="scidex-agent", measure="pool", requested_tokens=0, terms={"reserve_tokens": 7}
    )
    for person in (scene.one, scene.other):
        shown = person.post(f"{scene.address}/votes", APPROVE).json()
    assert (shown["status"], bool(shown["waits_because"])) == ("approved", True)
    assert [(row["what"], row["after"]) for row in shown["preview"]["rows"]] == [("reserve tokens", 7)]
    answers = [scene.chair.post(f"{scene.address}/enact", {"reason": "so be it"}) for _ in range(2)]
    assert [(one.status_code, one.json()["status"]) for one in answers] == [(200, "enacted")] * 2
    assert answers[0].json()["enactment"]["enacted_by"] == "cato"
    assert Pool.objects.get(name="scidex-agent").reserve_tokens == 7
    assert Enactment.objects.count() == 1


def test_what_was_not_approved_is_not_enacted(scene: Scene) -> None:
    answer = scene.chair.post(f"{scene.address}/enact", {"reason": "now"})
    assert (answer.status_code, problem(answer)["code"]) == (409, "proposal_state")


# A base that moved


@pytest.fixture
def stale(scene: Scene) -> Scene:
    """Return the scene with the proposal approved over an envelope that somebody else has raised to 1,100."""
    own = Envelope.objects.get()
    envelopes.change(own.pk, author=REVIEWER, now=callers.now(), token_budget=1_100)
    for person in (scene.one, scene.other):
        person.post(f"{scene.address}/votes", APPROVE)
    return scene


def test_over_a_base_that_moved_it_waits_and_says_so(stale: Scene) -> None:
    shown = stale.scout.get(stale.address).json()
    assert (shown["status"], shown["is_stale"], bool(shown["waits_because"])) == ("approved", True, True)
    assert (shown["ballots"][0]["base"]["base"], shown["stands"]["base"]) == ("1000", "1100")
    assert _budget() == 1_100


def test_a_reviewer_confirms_what_stands(stale: Scene) -> None:
    seen = stale.one.get(stale.address).json()["stands"]
    shown = stale.one.post(f"{stale.address}/confirm", {"reason": "still fine", "seen": seen}).json()
    assert (shown["status"], shown["is_stale"], _budget()) == ("enacted", False, 1_600)
    assert (shown["enactment"]["enacted_by"], shown["enactment"]["confirmed_because"]) == ("r1", "still fine")


def test_what_moved_again_is_not_confirmed(stale: Scene) -> None:
    seen = stale.one.get(stale.address).json()["stands"]
    envelopes.change(Envelope.objects.get().pk, author=REVIEWER, now=callers.now(), token_budget=1_200)
    answer = stale.one.post(f"{stale.address}/confirm", {"reason": "still fine", "seen": seen})
    assert (answer.status_code, problem(answer)["code"]) == (409, "stale_base")
    assert problem(answer)["figures"]["stands"]["base"] == "1200"
    assert _budget() == 1_200


def test_nobody_confirms_who_had_no_vote(stale: Scene) -> None:
    seen = stale.one.get(stale.address).json()["stands"]
    late = Person(senate.reviewer("late"))
    answer = late.post(f"{stale.address}/confirm", {"reason": "fine", "seen": seen})
    assert (answer.status_code, problem(answer)["code"]) == (403, "no_elector")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x"}, "/seen"),
        ({"reason": "x", "seen": []}, "/seen"),
        ({"reason": "", "seen": {}}, "/reason"),
        ({"reason": "x", "seen": {}, "granted": 5}, "/granted"),
    ],
)
def test_a_confirmation_says_what_was_seen_and_why(stale: Scene, body: dict[str, Any], pointer: str) -> None:
    answer = stale.one.post(f"{stale.address}/confirm", body)
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (400, pointer)


# The policy


def test_the_chair_changes_the_policy_and_open_ballots_keep_theirs(scene: Scene) -> None:
    body = {"expected_version": 1, "reason": "more eyes", "quorum": 3}
    answer = scene.chair.post(f"{SENATE}/policy", body)
    shown = answer.json()
    assert (answer.status_code, shown["version"], shown["quorum"], shown["voting_hours"]) == (201, 2, 3, 72)
    assert (shown["made_by"], shown["reason"]) == ("cato", "more eyes")
    assert scene.scout.get(f"{SENATE}/policy").json() == shown
    assert scene.scout.get(scene.address).json()["ballots"][0]["quorum"] == 2
    versions = scene.scout.get(f"{SENATE}/policy/versions").json()["results"]
    assert [one["version"] for one in versions] == [2, 1]


def test_a_policy_that_somebody_else_changed_is_not_changed(scene: Scene) -> None:
    policy.change(author=REVIEWER, now=callers.now(), quorum=1)
    answer = scene.chair.post(f"{SENATE}/policy", {"expected_version": 1, "reason": "x", "quorum": 3})
    assert (answer.status_code, problem(answer)["code"]) == (409, "stale_senate_policy")


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"quorum": 0}, 400, "/quorum"),
        ({"quorum": 1001}, 400, "/quorum"),
        ({"voting_hours": "72"}, 400, "/voting_hours"),
        ({"voting_hours": 8761}, 400, "/voting_hours"),
        ({"most_requested": 10**16}, 400, "/most_requested"),
        ({"reason": ""}, 400, "/reason"),
        ({"expected_version": None}, 400, "/expected_version"),
        ({"version": 7}, 400, "/version"),
    ],
)
def test_a_policy_is_read_strictly(scene: Scene, changes: dict[str, Any], status: int, pointer: str) -> None:
    answer = scene.chair.post(f"{SENATE}/policy", {"expected_version": 1, "reason": "x", "quorum": 3, **changes})
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (status, pointer)
    assert SenatePolicy.objects.count() == 1


def test_only_the_chair_changes_the_policy(scene: Scene) -> None:
    body = {"expected_version": 1, "reason": "x", "quorum": 1}
    by_reviewer, by_agent = (who.post(f"{SENATE}/policy", body) for who in (scene.one, scene.scout))
    assert (by_reviewer.status_code, problem(by_reviewer)["figures"]) == (403, {"right": "governance.add_senatepolicy"})
    assert (by_agent.status_code, problem(by_agent)["code"]) == (403, "people_only")
