"""The feed over HTTP: what one may read of it, from where on, and when to ask again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from auction import quests
from config import feed, retention
from config.models import User
from tests import callers, factories
from tests.callers import Caller, now
from tests.factories import NOON, after

pytestmark = pytest.mark.django_db

EVENTS = "/api/events/"


def _tell(number: int, owner: tuple[str, str] = ("", ""), **terms: Any) -> None:
    at = terms.pop("at", NOON)
    feed.publish([feed.Entry(terms.pop("kind", "won"), at, {"number": number}, *owner, **terms)])


def _read(by: Caller, **query: object) -> dict[str, Any]:
    answer = by.get(EVENTS, **query)
    assert answer.status_code == 200, answer.content
    read: dict[str, Any] = answer.json()
    return read


def _numbers(read: dict[str, Any]) -> list[int]:
    return [one["data"]["number"] for one in read["results"]]


def test_an_entry_is_shown_whole() -> None:
    ann = callers.trader(name="ann")
    _tell(1, ("agent", "ann"), pool="market")
    assert _read(ann)["results"] == [
        {
            "position": 1,
            "kind": "won",
            "at": "2026-03-02T12:00:00Z",
            "owner_type": "agent",
            "owner_id": "ann",
            "pool": "market",
            "data": {"number": 1},
        }
    ]


def test_one_goes_on_from_after_until_all_is_told() -> None:
    ann = callers.trader(name="ann")
    for number in range(1, 4):
        _tell(number)
    first = _read(ann, limit=2)
    assert (_numbers(first), first["after"]) == ([1, 2], 2)
    second = _read(ann, after=first["after"], limit=2)
    assert (_numbers(second), second["after"]) == ([3], 3)
    assert (_read(ann, after=3)["results"], _read(ann, after=3)["after"]) == ([], 3)


def test_it_says_when_to_ask_again() -> None:
    ann = callers.trader(name="ann")
    _tell(1)
    _tell(2)
    begun = now()
    waits = {
        position: (datetime.fromisoformat(_read(ann, after=position, limit=1)["next_poll_after"]) - begun)
        for position in (0, 2)
    }
    assert timedelta(0) <= waits[0] < timedelta(seconds=4)
    assert waits[2] >= timedelta(seconds=5)


def test_an_agent_reads_its_own_and_that_of_the_quests_it_runs_or_plans() -> None:
    ann, ben, cem = (callers.trader(name=name) for name in ("ann", "ben", "cem"))
    quests.upsert("deep", by=ann.agent, now=NOON)
    quests.join(quests.get("deep"), ben.agent, now=NOON)
    _tell(1)
    _tell(2, ("agent", "ann"))
    _tell(3, ("quest", "deep"))
    _tell(4, ("agent", "cem"))
    assert [_numbers(_read(one)) for one in (ann, ben, cem)] == [[1, 2, 3], [1, 3], [1, 4]]


def test_it_takes_the_scope_to_read_the_market() -> None:
    answer = Caller(factories.agent(), ["bids:write"]).get(EVENTS)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert Client().get(EVENTS).status_code == 401


def test_a_person_of_the_staff_with_the_right_reads_everybodys() -> None:
    _tell(1, ("agent", "ann"))
    ada = User.objects.create(username="ada", is_staff=True)
    client = Client()
    client.force_login(ada)
    assert client.get(EVENTS).json()["code"] == "right_missing"
    ada.user_permissions.add(Permission.objects.get(codename="view_feedentry"))
    assert _numbers(client.get(EVENTS).json()) == [1]


def test_kinds_and_pool_narrow_it() -> None:
    ann = callers.trader(name="ann")
    _tell(1, pool="a")
    _tell(2, kind="lost", pool="b")
    _tell(3, kind="decided")
    assert _numbers(_read(ann, kind="lost")) == [2]
    assert _numbers(_read(ann, pool="a")) == [1]
    assert _numbers(ann.get(f"{EVENTS}?kind=won&kind=decided").json()) == [1, 3]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"after": "x"}, "after"),
        ({"after": "-1"}, "after"),
        ({"after": ""}, "after"),
        ({"after": str(2**63)}, "after"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"kind": "wonn"}, "kind.0"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(query: dict[str, str], parameter: str) -> None:
    answer = callers.trader().get(EVENTS, **query)
    assert answer.status_code == 400
    assert [fault["parameter"] for fault in answer.json()["errors"]] == [parameter]


def test_a_position_that_was_never_given_is_refused() -> None:
    _tell(1)
    answer = callers.trader().get(EVENTS, after=7)
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["figures"]) == ("feed_ahead", {"last": 1})


def test_who_comes_too_late_is_told_from_where_to_go_on() -> None:
    ann = callers.trader()
    for number in range(1, 5):
        _tell(number, at=after(60 * number))
    retention.forget(feed.outdated(after(180)))
    answer = ann.get(EVENTS, after=1)
    assert answer.status_code == 410
    document = answer.json()
    assert (document["code"], document["figures"]) == ("feed_forgotten", {"oldest": 3, "go_on_after": 2})
    assert _numbers(_read(ann, after=document["figures"]["go_on_after"])) == [3, 4]


def test_a_read_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    ann = callers.trader()
    for number in range(20):
        _tell(number)
    with django_assert_max_num_queries(12):
        _read(ann)
    with django_assert_max_num_queries(9):
        _read(ann, after=3)
