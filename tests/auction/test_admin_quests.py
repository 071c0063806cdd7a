"""Quests, members and backlogs in the admin: opened and changed by the rule, counted, explained, searched."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from auction import clearing, pools, quests, valuation
from auction.models import Bid, Member, Need, Pool, Quest, Task
from config import history
from economics.models import Account, Transfer
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import column, listed, offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def form(**chosen: object) -> dict[str, object]:
    """Return a quest's form, filled in."""
    default = pools.get(pools.DEFAULT)
    plain = {"title": "", "pool": default.pk, "programme": "", "is_active": "on", "strategy": "source"}
    return {**plain, "bid_factor": "0.6", "horizon_seconds": 86_400, "reason": "", **chosen}


# Quests


def test_a_quest_is_opened_with_its_wallet_and_signed(root: Client) -> None:
    agent = factories.agent("scout")
    assert root.get(page(Quest, kind="add")).status_code == 200
    sent = form(id="tau", title="Tau", programme=agent.pk, strategy="paced", horizon_seconds=3_600, reason="as agreed")
    assert root.post(page(Quest, kind="add"), sent).status_code == 302
    quest = Quest.objects.get()
    wallet = Account.objects.get(owner_type="quest", owner_id="tau")
    assert (quest.pk, quest.account_id, quest.programme, quest.strategy) == ("tau", wallet.pk, agent, "paced")
    assert (quest.title, quest.horizon_seconds, quest.bid_factor, quest.members_only, quest.is_active) == (
        "Tau",
        3_600,
        Decimal("0.6"),
        False,
        True,
    )
    assert (wallet.balance, Transfer.objects.count()) == (0, 0)
    assert [(change.action, change.who, change.why) for change in history.of(Quest, "tau")] == [
        ("added", "root", "as agreed")
    ]


def test_an_id_is_taken_once(root: Client) -> None:
    factories.quest("tau", title="Tau")
    response = root.post(page(Quest, kind="add"), form(id="tau", title="Other"))
    assert list(response.context["adminform"].form.errors) == ["id"]
    assert Quest.objects.get().title == "Tau"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("id", ""), ("id", "x" * 65), ("pool", ""), ("strategy", "greedy"), ("bid_factor", "1.01")),
        *(("bid_factor", "-0.1"), ("horizon_seconds", 59), ("horizon_seconds", 2**31), ("title", "x" * 301)),
    ],
)
def test_settings_out_of_bounds_are_named(root: Client, field: str, value: object) -> None:
    response = root.post(page(Quest, kind="add"), form(**{"id": "tau", field: value}))
    assert (response.status_code, list(response.context["adminform"].form.errors)) == (200, [field])
    assert Quest.objects.count() == 0


def test_only_what_was_changed_is_written_and_the_history_tells_it(root: Client) -> None:
    quest = factories.quest("tau")
    changed = form(id="rho", strategy="paced", bid_factor="0.8", reason="too dear")
    assert root.post(page(Quest, "tau"), changed).status_code == 302
    quest.refresh_from_db()
    assert (quest.pk, quest.strategy, quest.bid_factor, Quest.objects.count()) == ("tau", "paced", Decimal("0.8"), 1)
    last = history.of(Quest, "tau")[0]
    assert (last.who, last.why, last.changes) == (
        "root",
        "too dear",
        {"strategy": ["source", "paced"], "bid_factor": [0.6, 0.8]},
    )
    shown = root.get(page(Quest, "tau", kind="history")).content.decode()
    assert "too dear" in shown


def test_a_save_that_changes_nothing_leaves_no_trace(root: Client) -> None:
    factories.quest("tau")
    root.post(page(Quest, "tau"), form())
    assert history.of(Quest, "tau").count() == 1


def test_a_quest_is_taken_out_of_service_and_keeps_its_pace(root: Client) -> None:
    quest = factories.quest("tau", strategy="paced", pace=Decimal("0.25"))
    sent = form(strategy="paced")
    del sent["is_active"]
    root.post(page(Quest, "tau"), sent)
    quest.refresh_from_db()
    assert (quest.is_active, quest.pace) == (False, Decimal("0.25"))
    assert column(root.get(page(Quest)), "how") == ["inactive"]


def test_a_quest_with_open_bids_stays_in_its_pool_and_the_page_says_why(root: Client) -> None:
    quest = factories.quest("tau", 1_000)
    factories.bid(quest.account, 100, quest.pool, work=factories.quest_task(quest, 1))
    response = root.post(page(Quest, "tau"), form(pool=factories.pool("gpu").pk, title="Moved"), follow=True)
    assert response.redirect_chain == [(page(Quest, "tau"), 302)]
    (told,) = (str(message) for message in response.context["messages"])
    assert told.endswith("[quest_has_open_bids: quest_id tau]")
    quest.refresh_from_db()
    assert (quest.pool.name, quest.title, LogEntry.objects.count()) == (pools.DEFAULT, "", 0)


def test_quests_are_not_deleted(root: Client) -> None:
    assert root.post(page(Quest, factories.quest().pk, kind="delete"), {"post": "yes"}).status_code == 403


def backlog() -> Quest:
    """Return a quest with 1,000 tokens, 100 of them held, and tasks that are open (2), blocked, taken and done."""
    quest = factories.quest("tau", 1_000)
    book = factories.pool("gpu")
    for name in ("sold", "ran"):
        factories.slot(book)
        factories.bid(quest.account, 50, book, work=factories.quest_task(quest, 1, name=name))
    clearing.clear_round(NOON, book.name)
    Task.objects.filter(pk="ran").update(state="done", closed_at=after(9))
    first = factories.quest_task(quest, "2.5", name="first")
    factories.quest_task(quest, "0.5", name="second")
    factories.quest_task(quest, 8, name="third", needs=[first])
    return quest


def test_the_list_tells_wallet_strategy_backlog_and_value(root: Client) -> None:
    quest = backlog()
    factories.quest("slow", strategy="paced", pace=Decimal("0.25"))
    shown = root.get(page(Quest))
    figures = [f"figure_{name}" for name in ("open", "blocked", "taken", "done", "value")]
    assert [column(shown, name) for name in ("id", "how", "figure_available", *figures)] == [
        ["slow", "tau"],
        ["paced, 25 %", "60 %"],
        ["0", f"{Account.objects.get(pk=quest.account_id).available:,}"],
        *(["0", "2"], ["0", "1"], ["0", "1"], ["0", "1"], ["0.00", "3.00"]),
    ]


def test_the_numbers_lead_to_the_tasks_they_count(root: Client) -> None:
    backlog()
    factories.quest_task(factories.quest("other"), 9, name="not its own")
    found = {}
    links = re.findall(r'href="([^"]*stands=(\w+))"', root.get(page(Quest)).content.decode())
    for address, state in links:
        if "quest__exact=tau" in address:
            rows = root.get(address.replace("&amp;", "&")).context["cl"].result_list
            found[state] = sorted(task.pk for task in rows)
    assert found == {"open": ["first", "second"], "blocked": ["third"], "taken": ["sold"], "done": ["ran"]}


def test_the_page_of_a_quest_tells_how_it_stands(root: Client) -> None:
    backlog()
    shown = re.sub(r"<[^>]+>", "", root.get(page(Quest, "tau")).content.decode())
    assert "2 open (3.00 USD) · 1 blocked (8.00 USD) · 1 taken (1.00 USD) · 1 done (1.00 USD)" in shown
    assert "60 % of a task&#x27;s value, no more than the wallet&#x27;s share for each task." in shown
    assert "every worker" in shown


def test_a_quest_without_tasks_says_how_it_gets_some(root: Client) -> None:
    factories.quest("tau", is_active=False)
    shown = root.get(page(Quest, "tau")).content.decode()
    assert "No task yet. Its programme files them over the API, or a person imports them." in shown
    assert "Nothing: it is inactive." in shown


def test_its_links_lead_to_pages_that_answer(root: Client) -> None:
    backlog()
    shown = root.get(page(Quest, "tau")).content.decode()
    told = shown.partition("How it stands")[2].partition('id="submit-row"')[0]
    addresses = [address.replace("&amp;", "&") for address in re.findall(r'href="([^"]+)"', told)]
    assert len(addresses) == 10
    assert {address: root.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)
    assert [root.get(address, follow=True).redirect_chain for address in addresses] == [[]] * 10  # no filter refused


def test_names_that_are_no_words_are_found_and_shown(root: Client) -> None:
    odd = 'a/b "<c>_d?&e'
    quest = factories.quest(odd)
    factories.quest_task(quest, 1, name="t/1?")
    assert root.get(page(Quest)).status_code == 200
    address = reverse("admin:auction_quest_changelist")
    (link,) = re.findall(rf'<th class="field-id"><a href="({address}[^"]+)"', listed(root.get(page(Quest))))
    assert root.get(link).status_code == 200
    (tasks,) = re.findall(r'href="([^"]*stands=open)"', root.get(page(Quest)).content.decode())
    narrowed = root.get(tasks.replace("&amp;", "&"))
    assert [task.pk for task in narrowed.context["cl"].result_list] == ["t/1?"]


# Members


def test_an_agent_joins_and_leaves(root: Client) -> None:
    quest, agent = factories.quest("tau", members_only=True), factories.agent("scout")
    shown = root.get(page(Quest, "tau")).content.decode()
    assert "nobody: it is for members only and has none. Let an agent join." in shown
    assert press(root, "join", quest).status_code == 200
    assert Member.objects.count() == 0
    assert said(press(root, "join", quest, confirmed="yes", agent=agent.pk)) == [
        "Agent scout runs what quest tau wins."
    ]
    member = Member.objects.get()
    assert (member.quest, member.agent) == (quest, agent)
    assert "scout</a>" in root.get(page(Quest, "tau")).content.decode()
    assert press(root, "leave", member).status_code == 200
    assert Member.objects.count() == 1
    assert said(press(root, "leave", member, confirmed="yes"))[-1] == "Members that left: 1."
    assert Member.objects.count() == 0


@pytest.mark.parametrize("kind", ["provider", "grader", "exchange"])
def test_who_is_no_worker_does_not_join(root: Client, kind: str) -> None:
    quest, agent = factories.quest(), factories.agent(kind=kind)
    response = press(root, "join", quest, confirmed="yes", agent=agent.pk)
    assert list(response.context["form"].errors) == ["agent"]
    assert Member.objects.count() == 0


# Tasks


def test_the_list_tells_blocked_from_open(root: Client) -> None:
    backlog()
    shown = root.get(page(Task), {"o": ""})
    stands = dict(zip(column(shown, "id"), column(shown, "stands"), strict=True))
    assert stands == {"first": "open", "second": "open", "third": "blocked", "sold": "taken", "ran": "done"}
    Task.objects.filter(pk="first").update(state="taken")
    Task.objects.filter(pk="first").update(state="done", closed_at=after(9))
    shown = root.get(page(Task))
    assert dict(zip(column(shown, "id"), column(shown, "stands"), strict=True))["third"] == "open"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("first", ["first"]),
        ("tau", ["first", "second"]),
        ("hypothesis:h1", ["second"]),
        ("hypothesis:h2", []),
        ("firs", []),
        ("nobody", []),
    ],
)
def test_tasks_are_found_by_id_owner_and_entity(root: Client, words: str, found: list[str]) -> None:
    quest = factories.quest("tau")
    factories.quest_task(quest, 1, name="first")
    factories.quest_task(quest, 1, name="second", entity=("hypothesis", "h1"))
    factories.task(factories.wallet(), "third")
    listed = root.get(page(Task), {"q": words}).context["cl"].result_list
    assert sorted(task.pk for task in listed) == found


def test_tasks_can_be_narrowed_to_owners(root: Client) -> None:
    factories.quest_task(factories.quest("tau"), name="of a quest")
    factories.task(factories.wallet(), "of an agent")
    shown = {
        owner: [task.pk for task in root.get(page(Task), {"owner": owner}).context["cl"].result_list]
        for owner in ("quest", "agent")
    }
    assert shown == {"quest": ["of a quest"], "agent": ["of an agent"]}


def test_a_card_explains_the_value_by_its_parts(root: Client) -> None:
    factories.envelope("h1")
    quest = factories.quest("tau")
    parts: dict[str, Any] = {"value_if_works_usd": Decimal(10), "chance": Decimal("0.4"), "cost_usd": Decimal("0.5")}
    task = factories.quest_task(quest, name="t", entity=("hypothesis", "h1"), **parts)
    assert "until it is scored anew" in root.get(page(Task, "t")).content.decode()
    valuation.score_all(now=NOON)
    task.refresh_from_db()
    shown = root.get(page(Task, "t")).content.decode()
    told = valuation.explain(task)
    assert told.sentence in shown
    assert told.formula in shown
    rows = re.findall(r'<th scope="row">([^<]+)</th><td class="number">([^<]+)</td>', shown)
    assert rows[:2] == [("Value if it works (USD)", "10"), ("Chance that it works", "0.4")]


def test_a_card_says_that_a_value_was_stated(root: Client) -> None:
    factories.quest_task(factories.quest("tau"), "1.5", name="t")
    shown = root.get(page(Task, "t")).content.decode()
    assert "Worth 1.5 USD, as stated." in shown
    assert "It was never sold or given a slot." in shown
    assert "No open bid." in shown


def test_a_card_shows_what_it_waits_for_and_what_waits_for_it(root: Client) -> None:
    backlog()
    links = r'<li><a href="([^"]+)">(\w+)</a> <span class="badge is-(\w+)">'
    assert re.findall(links, root.get(page(Task, "third")).content.decode()) == [(page(Task, "first"), "first", "open")]
    assert re.findall(links, root.get(page(Task, "first")).content.decode()) == [(page(Task, "third"), "third", "open")]


def test_a_card_leads_to_its_bid_and_its_slots(root: Client) -> None:
    quest = backlog()
    bid = factories.bid(quest.account, 70, quest.pool, work=Task.objects.get(pk="first"))
    shown = root.get(page(Task, "first")).content.decode()
    assert f'<a href="{page(Bid, bid.pk)}">Bids up to 70 wallet tokens</a>' in shown
    assert re.findall(r'<span class="badge is-(\w+)">', root.get(page(Task, "sold")).content.decode()) == [
        "taken",
        "sold",
    ]


def test_cards_take_no_more_queries_for_a_long_backlog(root: Client) -> None:
    quest = factories.quest("tau")
    goal = factories.quest_task(quest, 1, name="goal")
    for _ in range(3):
        factories.quest_task(quest, 1, needs=[goal])
    root.get(page(Task, "goal"))
    with CaptureQueriesContext(connection) as few:
        root.get(page(Task, "goal"))
    for _ in range(60):
        factories.quest_task(quest, 1, needs=[goal])
    with CaptureQueriesContext(connection) as many:
        shown = root.get(page(Task, "goal")).content.decode()
    assert (len(few), "and more" in shown) == (len(many), True)
    assert Need.objects.count() == 63


# Rights


def test_deeds_are_offered_only_to_those_who_may(client: Client) -> None:
    quest = factories.quest("tau")
    quests.join(quest, factories.agent(), now=NOON)
    reader = staff(client, "auction.view_quest", "auction.view_member", "auction.view_task")
    assert (offered(reader, Quest), offered(reader, Member), offered(reader, Task)) == ([], [], [])
    assert reader.post(page(Quest, "tau"), form(title="Mine")).status_code == 403
    press(reader, "join", quest, confirmed="yes", agent=factories.agent().pk)
    press(reader, "leave", Member.objects.get(), confirmed="yes")
    assert (Quest.objects.get().title, Member.objects.count()) == ("", 1)


def test_who_may_change_quests_opens_none(client: Client) -> None:
    factories.quest("tau")
    person = staff(client, "auction.view_quest", "auction.change_quest")
    assert offered(person, Quest) == ["join"]
    assert person.post(page(Quest, kind="add"), form(id="rho")).status_code == 403
    assert person.post(page(Quest, "tau"), form(title="Better")).status_code == 302
    assert Quest.objects.get().title == "Better"
    assert Pool.objects.count() == 1
