"""What became of decisions, as agents, reviewers and people at a terminal read it."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import callers, factories, reviewers
from tests.callers import SENATE, Person, problem
from tests.governance import decisions, senate
from tests.governance.decisions import DAY

if TYPE_CHECKING:
    from datetime import datetime

    from django.test import Client

    from economics.models import Envelope
    from governance.models import Proposal

pytestmark = pytest.mark.django_db
PAGE = "admin:governance_proposal_follow_up"
SUMS = {
    "enacted": 2,
    "due": 1,
    "kept": 1,
    "promised": "10",
    "realised": "12.5",
    "share": "1.25",
    "open_promised": "30",
    "open_realised": "0",
}


@pytest.fixture
def then() -> datetime:
    """Return a time three weeks ago by the clock, which interfaces go by."""
    return callers.now().replace(microsecond=0) - 21 * DAY


@pytest.fixture
def own(then: datetime) -> Envelope:
    """Open an envelope for hypothesis h1."""
    return factories.envelope("h1", at=then)


@pytest.fixture
def two(own: Envelope, then: datetime) -> list[Proposal]:
    """Enact a proposal that kept its promise of 10 edges within 10 days, and one of 30 whose day has not come."""
    kept = decisions.enacted(10, of=own, at=then)
    gap = factories.envelope("g1", entity_type="knowledge_gap")
    coming = decisions.enacted(30, of=gap, at=then + 9 * DAY, days=40, votes={"r1": "approve", "r2": "approve"})
    factories.outcome(own, 12, at=then + DAY)
    return [kept, coming]


# Over HTTP


def _get(path: str, **query: object) -> Any:
    answer = callers.caller().get(f"{SENATE}/reports/{path}", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_an_agent_reads_promised_and_realised_side_by_side(two: list[Proposal], then: datetime) -> None:
    kept, coming = two
    found = _get("follow-up")
    assert [row["proposal_id"] for row in found["results"]] == [coming.pk, kept.pk]
    assert found["results"][1] == {
        "proposal_id": kept.pk,
        "proposer": "scout",
        "by_agent": True,
        "entity_type": "hypothesis",
        "entity_id": "h1",
        "measure": "change_line",
        "resource_type": "llm_tokens",
        "granted": 500,
        "enacted_at": then.isoformat().replace("+00:00", "Z"),
        "gain_by": (then + 10 * DAY).isoformat().replace("+00:00", "Z"),
        "promised": "10",
        "realised": "12",
        "share": "1.2",
        "is_due": True,
        "is_kept": True,
        "alongside": 0,
    }
    assert (found["results"][0]["is_kept"], found["results"][0]["share"]) == (None, "0")


def test_a_proposal_itself_tells_what_became_of_it(client: Client, two: list[Proposal], then: datetime) -> None:
    kept, coming = two
    reader = callers.caller()
    gain = reader.get(f"{SENATE}/proposals/{kept.pk}").json()["gain"]
    assert (gain["promised"], gain["realised"], gain["share"], gain["is_kept"]) == ("10", "12", "1.2", True)
    waiting = decisions.decided({"r1": "approve", "r2": "approve"}, of=factories.envelope("h9"), at=then)
    assert reader.get(f"{SENATE}/proposals/{waiting.pk}").json()["gain"] is None
    reviewers.root(client)
    shown = client.get(reviewers.page(type(kept), kept.pk)).content.decode()
    assert f"10 net edges by {then + 10 * DAY:%Y-%m-%d %H:%M} UTC; realised 12 (120%): kept" in shown
    assert "; realised 0 (0%) so far" in client.get(reviewers.page(type(kept), coming.pk)).content.decode()


def test_the_list_is_narrowed_and_paged(two: list[Proposal], then: datetime) -> None:
    kept, coming = two
    first = _get("follow-up", page_size=1)
    assert [row["proposal_id"] for row in first["results"]] == [coming.pk]
    rest = callers.caller().get(first["next"]).json()
    assert ([row["proposal_id"] for row in rest["results"]], rest["next"]) == ([kept.pk], None)
    for query, expected in (
        ({"entity_type": "hypothesis"}, [kept.pk]),
        ({"entity_id": "g1"}, [coming.pk]),
        ({"since": (then + DAY).isoformat()}, [coming.pk]),
        ({"until": (then + DAY).isoformat()}, [kept.pk]),
        ({"proposer": "nobody"}, []),
        ({"measure": "freeze"}, []),
    ):
        assert [row["proposal_id"] for row in _get("follow-up", **query)["results"]] == expected


def test_proposers_and_reviewers_are_told_what_became_of_it(two: list[Proposal], then: datetime, own: Envelope) -> None:
    factories.outcome(own, "0.5", at=then + DAY, kind="artifact_quality")  # no edges
    senate.scout("ines")
    decisions.decided({"r1": "approve", "r2": "reject"}, "rejected", of=own, at=then, by=senate.scout("ines"))
    sums = {**SUMS, "realised": "12", "share": "1.2"}
    none = dict.fromkeys(SUMS, 0) | dict.fromkeys(["promised", "realised", "open_promised", "open_realised"], "0")
    proposers = _get("proposers")
    assert proposers["results"][1] == {
        "proposer": "scout",
        "by_agent": True,
        "decided": 2,
        "approved": 2,
        "rejected": 0,
        "deferred": 0,
        "expired": 0,
        "sums": sums,
    }
    assert proposers["results"][0]["sums"] == {**none, "share": None}
    assert proposers["next"] is None
    r1, r2 = _get("reviewers")["results"]
    told = {"voted": 3, "deferrals": 0, "carried": 2, "sums": sums}
    assert r1 == {"reviewer": "r1", "approvals": 3, "rejections": 0, **told}
    assert r2 == {"reviewer": "r2", "approvals": 2, "rejections": 1, **told}
    assert _get("reviewers", entity_type="hypothesis", since=(then - DAY).isoformat())["results"][0]["voted"] == 2
    assert _get("reviewers", since=callers.now().isoformat()) == {"results": []}


def test_proposers_come_in_pages_by_name(own: Envelope, then: datetime) -> None:
    for name in ("cid", "ann", "bob"):
        decisions.decided({"r1": "reject", "r2": "reject"}, "rejected", of=own, at=then, by=senate.scout(name))
    names = []
    page = _get("proposers", page_size=2)
    names += [row["proposer"] for row in page["results"]]
    page = callers.caller().get(page["next"]).json()
    assert [*names, *(row["proposer"] for row in page["results"])] == ["ann", "bob", "cid"]
    assert page["next"] is None


@pytest.mark.parametrize("report", ["follow-up", "proposers", "reviewers"])
def test_reports_are_for_those_who_may_read_proposals(report: str) -> None:
    path = f"{SENATE}/reports/{report}"
    assert problem(callers.caller(scopes=["budgets:read"]).get(path))["figures"] == {"scope": "proposals:read"}
    assert Person(senate.auditor()).get(path).status_code == 200
    outsider = senate.reviewer("out")
    outsider.groups.clear()
    assert problem(Person(outsider).get(path))["figures"] == {"right": "governance.view_proposal"}


@pytest.mark.parametrize(
    ("report", "query"),
    [
        ("follow-up", {"since": "yesterday"}),
        ("follow-up", {"page_size": "0"}),
        ("follow-up", {"measure": "bribe"}),
        ("proposers", {"since": "2026-01-01"}),  # names no zone
        ("proposers", {"since": "0001-01-01T00:00:00+14:00"}),
        ("proposers", {"page_size": "201"}),
        ("proposers", {"after": "a\x00b"}),
        ("proposers", {"entity_type": "a\x00b"}),
        ("reviewers", {"since": "x"}),
        ("reviewers", {"entity_type": "x" * 65}),
    ],
)
def test_a_report_refuses_what_it_does_not_understand(report: str, query: dict[str, str]) -> None:
    answer = callers.caller().get(f"{SENATE}/reports/{report}", **query)
    assert answer.status_code == 400, answer.content
    assert problem(answer)["errors"][0]["parameter"] == next(iter(query))


# In the admin


def test_a_reviewer_reads_all_three_tables(client: Client, two: list[Proposal]) -> None:
    reviewers.staff(client, "governance.view_proposal")
    response = client.get(reverse(PAGE))
    assert response.context["says"] == (
        "2 enacted, of which the day of 1 has come. 1 kept their promise: 12 of 10 net edges (120%)."
    )
    shown = response.content.decode()
    assert reverse("admin:governance_proposal_change", args=[two[0].pk]) in shown
    assert all(word in shown for word in ("scout", "r1", "not due", "+500 LLM tokens"))
    assert reverse(PAGE) in client.get(reverse("admin:governance_proposal_changelist")).content.decode()


def test_the_page_is_narrowed_by_day_and_type(client: Client, two: list[Proposal], then: datetime) -> None:
    reviewers.staff(client, "governance.view_proposal")
    day = f"{then + 5 * DAY:%Y-%m-%d}"
    assert client.get(reverse(PAGE), {"since": day}).context["says"] == "1 enacted, of which the day of 0 has come."
    none = client.get(reverse(PAGE), {"entity_type": "analysis"})
    assert none.context["says"] == "Nothing that was decided in this time has taken effect yet."
    wrong = client.get(reverse(PAGE), {"since": "soon"})
    assert (wrong.status_code, wrong.context["form"].errors["since"]) == (200, ["Enter a valid date."])


def test_the_page_is_for_those_who_see_proposals(client: Client) -> None:
    reviewers.staff(client, "economics.view_envelope")
    assert client.get(reverse(PAGE)).status_code == 403


def test_the_page_shows_words_of_others_inert_and_costs_the_same_for_many(
    client: Client, own: Envelope, then: datetime
) -> None:
    reviewers.root(client)
    bad = factories.envelope("<script>alert(1)</script>", at=then)
    decisions.enacted(10, of=bad, at=then, by=senate.reviewer("<i>zoe"))
    with CaptureQueriesContext(connection) as few:
        shown = client.get(reverse(PAGE)).content.decode()
    assert "<script>alert(1)" not in shown
    assert "<i>zoe" not in shown
    for _ in range(5):
        decisions.enacted(10, of=own, at=then)
    with CaptureQueriesContext(connection) as many:
        client.get(reverse(PAGE))
    assert len(many) == len(few) <= 8


# At a terminal


def _printed(*options: str) -> str:
    out = StringIO()
    call_command("follow_up", *options, stdout=out)
    return out.getvalue()


def test_the_command_prints_three_tables(two: list[Proposal], then: datetime) -> None:
    lines = [line.split() for line in _printed().splitlines()]
    kept = two[0]
    day = f"{then:%Y-%m-%d}"
    last = f"{then + 10 * DAY:%Y-%m-%d}"
    row = [str(kept.pk), "hypothesis:h1", "scout", "+500", day, last, "10", "12", "120%", "kept", "-"]
    assert row in lines
    assert ["scout", *["2", "2", "0", "0", "0", "2", "1", "1", "10", "12", "120%", "30", "0"]] in lines
    assert ["r2", *["2", "2", "0", "0", "2", "2", "1", "1", "10", "12", "120%", "30", "0"]] in lines


def test_the_command_prints_an_object_for_programs(two: list[Proposal], then: datetime) -> None:
    found = json.loads(_printed("--json", "--entity-type", "hypothesis", "--since", f"{then:%Y-%m-%d}"))
    (row,) = found["enacted"]
    assert (row["proposal_id"], row["promised"], row["realised"], row["share"]) == (
        two[0].pk,
        "10.000000",
        *["12.000000", "1.2000"],
    )
    assert [one["reviewer"] for one in found["reviewers"]] == ["r1", "r2"]
    assert Decimal(found["proposers"][0]["sums"]["share"]) == Decimal("1.2")


def test_the_command_says_when_there_is_nothing_and_refuses_what_is_no_time() -> None:
    assert _printed() == (
        "Promised and realised, in net edges: nothing.\nBy proposer: nothing.\nBy reviewer: nothing.\n"
    )
    number = "a number from 1 to 1,000"
    refused = [("--since", "soon", "a day as 2030-01-31"), *(("--limit", none, number) for none in ("0", "1001", "x"))]
    for option, given, said in refused:
        with pytest.raises(CommandError, match=said):
            _printed(option, given)
