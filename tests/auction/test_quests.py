"""Quests: opened with a wallet, changed by their programme or by people, run by their members or by all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from auction import errors, pools, quests, split
from auction.models import Clear, Quest
from config.models import Change
from tests import factories
from tests.factories import NOON, after

if TYPE_CHECKING:
    from config.errors import RefusedError
    from config.models import Agent

pytestmark = pytest.mark.usefixtures("balanced_books")


@pytest.fixture
def ada() -> Agent:
    pools.create(pools.DEFAULT)
    return factories.agent("ada")


def _members(quest: Quest) -> list[str]:
    return sorted(quest.members.values_list("agent_id", flat=True))


def test_a_worker_opens_a_quest_with_an_empty_wallet_and_is_its_programme(ada: Agent) -> None:
    quest = quests.upsert("tau", by=ada, now=NOON, title="Tau and sleep")
    quest.refresh_from_db()
    assert (quest.title, quest.programme, quest.pool.name) == ("Tau and sleep", ada, pools.DEFAULT)
    assert (quest.account.owner_type, quest.account.owner_id, quest.account.balance) == ("quest", "tau", 0)
    assert (quest.strategy, quest.bid_factor, quest.is_active, quest.created_at) == (
        "source",
        Decimal("0.6"),
        False,
        NOON,
    )


def test_what_an_agent_opened_gets_nothing_until_people_make_it_active(ada: Agent) -> None:
    own = quests.upsert("own", by=None, now=NOON)
    for number in range(3):
        quest = quests.upsert(f"tau-{number}", by=ada, now=NOON)
        factories.quest_task(quest, 1_000)
    parts = split.get_quest_budget_allocation(100, now=NOON)
    assert {part.quest_id: part.tokens for part in parts} == {own.pk: 100}
    quests.upsert("tau-0", by=None, now=NOON, is_active=True)
    quests.upsert("tau-0", by=ada, now=NOON, title="Tau")  # which does not make it inactive again
    assert {part.quest_id: part.tokens for part in split.get_quest_budget_allocation(100, now=NOON)}["tau-0"] == 100


def test_the_same_again_changes_nothing(ada: Agent) -> None:
    said: dict[str, Any] = {"title": "Tau", "bid_factor": Decimal("0.5"), "members": ["ada"]}
    first = quests.upsert("tau", by=ada, now=NOON, **said)
    changes = Change.objects.count()
    again = quests.upsert("tau", by=ada, now=after(60), **said)
    assert (again, again.account_id, again.created_at) == (first, first.account_id, NOON)
    assert Change.objects.count() == changes


def test_what_is_not_said_stays(ada: Agent) -> None:
    quests.upsert("tau", by=ada, now=NOON, title="Tau", strategy="paced", members=["ada"])
    quests.upsert("tau", by=ada, now=NOON, horizon_seconds=3600)
    quest = quests.get("tau")
    assert (quest.title, quest.strategy, quest.horizon_seconds, _members(quest)) == ("Tau", "paced", 3600, ["ada"])


def test_only_its_programme_or_a_person_changes_a_quest(ada: Agent) -> None:
    quests.upsert("tau", by=ada, now=NOON, title="Tau")
    with factories.refused(errors.QuestIdTakenError):
        quests.upsert("tau", by=factories.agent("eve"), now=NOON, title="Mine")
    quests.upsert("tau", by=None, now=NOON, title="Tau, by people", is_active=False)
    quest = quests.get("tau")
    assert (quest.title, quest.is_active, quest.programme_id) == ("Tau, by people", False, "ada")


def test_people_name_the_programme(ada: Agent) -> None:
    assert quests.upsert("tau", by=None, now=NOON).programme is None
    quests.upsert("tau", by=None, now=NOON, programme=ada)
    assert list(quests.of_programme(ada)) == [quests.get("tau")]


def test_an_agent_cannot_take_a_wallet_that_people_filled(ada: Agent) -> None:
    factories.wallet(100, quest="tau")
    with factories.refused(errors.QuestIdTakenError):
        quests.upsert("tau", by=ada, now=NOON)
    assert quests.upsert("tau", by=None, now=NOON, programme=ada).account.balance == 100


REFUSED: dict[str, tuple[dict[str, Any], type[RefusedError], str]] = {
    "no id": ({"quest_id": ""}, errors.InvalidQuestError, "/quest_id"),
    "long id": ({"quest_id": "q" * 65}, errors.InvalidQuestError, "/quest_id"),
    "an id with a slash": ({"quest_id": "tau/1"}, errors.InvalidQuestError, "/quest_id"),
    "an id of two lines": ({"quest_id": "tau\n1"}, errors.InvalidQuestError, "/quest_id"),
    "an id that leads up": ({"quest_id": ".."}, errors.InvalidQuestError, "/quest_id"),
    "long title": ({"title": "t" * 301}, errors.InvalidQuestError, "/title"),
    "unknown strategy": ({"strategy": "greedy"}, errors.InvalidQuestError, "/strategy"),
    "negative factor": ({"bid_factor": Decimal("-0.1")}, errors.InvalidQuestError, "/bid_factor"),
    "factor above one": ({"bid_factor": Decimal("1.1")}, errors.InvalidQuestError, "/bid_factor"),
    "factor that is none": ({"bid_factor": Decimal("NaN")}, errors.InvalidQuestError, "/bid_factor"),
    "short horizon": ({"horizon_seconds": 59}, errors.InvalidQuestError, "/horizon_seconds"),
    "unknown member": ({"members": ["nobody"]}, errors.InvalidQuestError, "/members"),
    "grader as member": ({"members": ["grader"]}, errors.InvalidQuestError, "/members"),
    "unknown pool": ({"pool": "nowhere"}, errors.UnknownPoolError, ""),
    "activity, by an agent": ({"is_active": False}, errors.NotYourQuestError, ""),
    "programme, by an agent": ({"programme": None}, errors.NotYourQuestError, ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_said_of_a_quest_is_refused_and_writes_nothing(what: str, ada: Agent) -> None:
    terms, refusal, pointer = REFUSED[what]
    factories.agent("grader", kind="grader")
    with factories.refused(refusal) as refused:
        quests.upsert(**{"quest_id": "tau", "by": ada, "now": NOON, **terms})
    assert refused.value.pointer == pointer
    assert not Quest.objects.exists()


@pytest.mark.parametrize("kind", ["provider", "grader", "exchange"])
def test_only_workers_open_quests(kind: str) -> None:
    pools.create(pools.DEFAULT)
    with factories.refused(errors.NotYourQuestError):
        quests.upsert("tau", by=factories.agent(kind=kind), now=NOON)


def test_a_quest_with_open_bids_stays_in_its_pool(ada: Agent) -> None:
    quest = quests.upsert("tau", by=None, now=NOON, programme=ada)
    factories.pool("other")
    owner = factories.wallet(100, quest="tau")
    factories.bid(owner, 10, quest.pool, work=factories.quest_task(quest))
    with factories.refused(errors.QuestHasOpenBidsError):
        quests.upsert("tau", by=ada, now=NOON, pool="other")
    assert quests.upsert("tau", by=ada, now=NOON, pool=pools.DEFAULT).pool.name == pools.DEFAULT


def test_members_are_replaced_as_a_whole_and_join_and_leave_one_by_one(ada: Agent) -> None:
    eve = factories.agent("eve")
    quest = quests.upsert("tau", by=ada, now=NOON, members=["ada", "eve", "eve"])
    assert _members(quest) == ["ada", "eve"]
    assert quests.upsert("tau", by=ada, now=NOON, members=["eve"]) == quest
    assert _members(quest) == ["eve"]
    assert [quests.leave(quest, eve), quests.leave(quest, eve)] == [True, False]
    assert [quests.join(quest, eve, now=NOON), quests.join(quest, eve, now=NOON)] == [True, False]
    with factories.refused(errors.InvalidQuestError):
        quests.join(quest, factories.agent(kind="grader"), now=NOON)


def test_who_reads_and_who_changes_a_quest(ada: Agent) -> None:
    member, stranger = factories.agent(), factories.agent()
    quest = quests.upsert("tau", by=ada, now=NOON, members=[member.pk])
    assert [list(quests.seen_by(who)) for who in (ada, member, stranger)] == [[quest], [quest], []]
    assert [quests.changeable("tau", by=who) for who in (ada, None)] == [quest, quest]
    with factories.refused(errors.NotYourQuestError):
        quests.changeable("tau", by=member)
    with factories.refused(errors.UnknownQuestError):
        quests.changeable("tau", by=stranger)
    with factories.refused(errors.UnknownQuestError):
        quests.get("nothing")


def test_all_workers_run_for_an_open_quest_and_only_members_for_a_closed_one(ada: Agent) -> None:
    member, stranger = factories.agent(), factories.agent()
    wins = {}
    for name, members_only in (("open", False), ("closed", True)):
        quest = quests.upsert(name, by=None, now=NOON, programme=ada, members_only=members_only, members=[member.pk])
        clear = factories.sale(owner=factories.wallet(1000, quest=name))
        assert clear.account_id == quest.account_id
        wins[name] = clear
    own = factories.sale()  # of an agent's own task: nobody's to claim
    assert own.account.owner_type == "agent"
    allowed = {
        who: set(Clear.objects.filter(quests.may_run(who)).values_list("pk", flat=True))
        for who in (ada, member, stranger, factories.agent(kind="provider"))
    }
    both, one = {wins["open"].pk, wins["closed"].pk}, {wins["open"].pk}
    assert list(allowed.values()) == [both, both, one, set()]
