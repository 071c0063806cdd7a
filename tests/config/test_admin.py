"""The admin as a whole (tables, rights, numbers of queries, paginator), and people, agents, keys, schedules in it."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_beat import models as beat

from auction.models import (
    AuditRun,
    Bid,
    BidCycle,
    Clear,
    FallbackShare,
    Need,
    Payout,
    Pool,
    Quest,
    QuestAllocation,
    Round,
    Slot,
    Task,
)
from config import keys, lists, site
from config.models import Agent, AgentKey, Change, FeedEntry, IdempotentRequest, RetentionPolicy, User
from economics import ledger, mint
from economics.models import (
    Account,
    Alert,
    Arrival,
    Assessment,
    BudgetPolicy,
    Counter,
    DailyIssue,
    DefaultEnvelope,
    Envelope,
    LanguageModel,
    Line,
    MonetaryPolicy,
    Observation,
    Outcome,
    Pause,
    Price,
    Refusal,
    Reservation,
    ReviewLine,
    Revision,
    Score,
    Signal,
    SignalSource,
    Tier,
    Transfer,
    Usage,
    UsageDay,
    WorthPolicy,
)
from governance.models import Ballot, Elector, Enactment, Evidence, Proposal, SenatePolicy, Vote
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import listed, offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
HOUSE = ("config", "economics", "auction", "governance", "django_celery_beat")
EDITABLE = {User, Agent, Pool, Quest, MonetaryPolicy, RetentionPolicy, Group} | {
    *(Assessment, BudgetPolicy, DefaultEnvelope, Envelope, LanguageModel, Pause, Price, SignalSource, Tier),
    *(WorthPolicy, Proposal, SenatePolicy),
}
LARGE = {Change, Transfer, Usage, Bid, Clear, Round, Slot, Task, Payout, AuditRun, IdempotentRequest} | {
    *(Alert, Arrival, Assessment, Counter, Envelope, Line, Observation, Outcome, Refusal, Reservation, ReviewLine),
    *(Revision, Score, Signal, UsageDay),
    *(Proposal, Evidence, Ballot, Elector, Vote, Enactment),
    *(BidCycle, FallbackShare, FeedEntry, Need, QuestAllocation),
}


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


# Every page


def test_every_table_of_the_house_is_listed() -> None:
    unlisted = [
        model._meta.label  # noqa: SLF001
        for label in HOUSE
        for model in apps.get_app_config(label).get_models()
        if not admin.site.is_registered(model)
    ]
    assert unlisted == ["django_celery_beat.PeriodicTasks"]  # one row, the package's own mark of the last change


def test_rows_that_a_law_protects_are_read_only_for_superusers_too(root: Client) -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="root")
    own = [m for m in admin.site._registry if m._meta.app_label != "django_celery_beat"]  # noqa: SLF001
    may = {
        model: [
            getattr(admin.site.get_model_admin(model), f"has_{right}_permission")(request)
            for right in ("view", "add", "change", "delete")
        ]
        for model in own
    }
    assert {model for model, (view, *_rights) in may.items() if not view} == set()
    assert {model for model, (_view, *rights) in may.items() if any(rights)} == EDITABLE
    assert may[Agent][1:] == may[Pool][1:] == [True, True, False]
    assert may[Quest][1:] == [True, True, False]
    assert may[MonetaryPolicy][1:] == may[RetentionPolicy][1:] == [False, True, False]


def test_a_post_to_a_read_only_page_is_refused(root: Client) -> None:
    account = factories.wallet(10)
    assert root.post(page(Account, account.pk), {"balance": 999}).status_code == 403
    assert root.post(page(Account, account.pk).replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_large_tables_are_never_counted_in_full() -> None:
    careful = {
        model
        for model, page_of in admin.site._registry.items()  # noqa: SLF001
        if page_of.paginator is lists.EstimatingPaginator and not page_of.show_full_result_count
    }
    assert careful == LARGE
    assert {m for m, page_of in admin.site._registry.items() if page_of.date_hierarchy} == set()  # noqa: SLF001


def test_index_leads_to_the_docs_and_to_health(root: Client) -> None:
    shown = root.get(reverse("admin:index")).content.decode()
    panels = re.findall(r'<li><a href="([^"]+)">(API docs|Health)</a></li>', shown)
    assert panels == [(reverse("docs"), "API docs"), (reverse("healthz"), "Health")]


def test_times_are_shown_in_utc_and_say_so(root: Client) -> None:
    factories.agent("clock")
    Agent.objects.filter(pk="clock").update(created_at=after(1).astimezone(UTC))
    assert "2026-03-02 12:00:01 UTC" in root.get(page(Agent, "clock")).content.decode()


# The paginator


def _usage(number: int) -> None:
    Usage.objects.bulk_create(
        Usage(entity_type="e", entity_id=str(n % 2), resource_type="api_calls", amount=1) for n in range(number)
    )


def test_paginator_counts_exactly_up_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "EXACT_UP_TO", 20)
    _usage(20)
    assert lists.EstimatingPaginator(Usage.objects.order_by("-pk"), 5).count == 20


def test_paginator_estimates_above_its_bound_from_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "EXACT_UP_TO", 20)
    _usage(500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE resource_usage")
    with CaptureQueriesContext(connection) as captured:
        everything = lists.EstimatingPaginator(Usage.objects.order_by("-pk"), 5).count
    assert (everything, len(captured)) == (500, 2)
    half = lists.EstimatingPaginator(Usage.objects.filter(entity_id="1").order_by("pk"), 5).count
    assert 200 <= half <= 300


def test_paginator_never_estimates_less_than_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "EXACT_UP_TO", 20)
    _usage(30)  # no statistics yet
    unlikely = Usage.objects.filter(entity_type="e", resource_type="api_calls", amount=1, tier="")
    assert lists.EstimatingPaginator(unlikely.order_by("pk"), 5).count >= 21


# People and agents


def test_a_user_is_added_with_a_password(root: Client) -> None:
    fields = {"username": "eve", "usable_password": "true", "password1": "long-enough-9", "password2": "long-enough-9"}
    assert root.post(page(User, kind="add"), fields).status_code == 302
    assert User.objects.get(username="eve").check_password("long-enough-9")


NO_KEYS = {"keys-TOTAL_FORMS": 0, "keys-INITIAL_FORMS": 0}


def test_an_agent_gets_id_and_kind_once(root: Client) -> None:
    fields = {"id": "bot-1", "kind": "grader", "title": "Judge", "is_active": "on", **NO_KEYS}
    assert root.post(page(Agent, kind="add"), fields).status_code == 302
    changed = {"id": "bot-2", "kind": "worker", "title": "Fair judge", **NO_KEYS}
    assert root.post(page(Agent, "bot-1"), changed).status_code == 302
    assert list(Agent.objects.values_list("id", "kind", "title", "is_active")) == [
        ("bot-1", "grader", "Fair judge", False)
    ]


def test_an_agent_of_a_bad_name_is_refused_on_the_page(root: Client) -> None:
    response = root.post(page(Agent, kind="add"), {"id": "no good", "kind": "worker", **NO_KEYS})
    assert (response.status_code, next(iter(response.context["errors"]))[0][:18]) == (200, "Enter a valid “slu")


# Keys


def _issue(client: Client, owner: Agent, **fields: object) -> Any:
    chosen = {"name": "0123456789ab", "scopes": ["bids:write"], "days": 7, "label": "host", **fields}
    return press(client, "issue_key", owner, confirmed="yes", **chosen)


def test_issue_key_asks_first_and_offers_the_scopes_of_the_kind(root: Client) -> None:
    grader = factories.agent(kind="grader")
    form = press(root, "issue_key", grader).context["form"]
    scopes = sorted(keys.SCOPES_BY_KIND["grader"])
    assert "impact:write" in scopes
    assert form.fields["scopes"].choices == [(scope, scope) for scope in scopes]
    assert (form.initial["days"], form.initial["scopes"]) == (90, scopes)
    assert AgentKey.objects.count() == 0


def test_issue_key_shows_the_secret_once_on_a_page_that_is_not_kept(root: Client) -> None:
    owner = factories.agent()
    response = _issue(root, owner)
    secret = response.context["secret"]
    assert secret in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    key = keys.authenticate(secret, now=timezone.now())
    assert key is not None
    assert (key.agent, key.scopes, key.label, str(key.issued_by)) == (owner, ["bids:write"], "host", "root")
    assert key.expires_at - key.created_at == timedelta(days=7)
    hidden = secret.split("_", 2)[2]  # the secret itself may hold underscores
    assert len(hidden) > 30
    for address in (page(Agent, owner.pk), page(AgentKey, key.pk), page(AgentKey)):
        assert hidden not in root.get(address).content.decode()
    assert LogEntry.objects.get().change_message == f"Issued key {key.prefix}."


def test_issue_key_sent_twice_issues_one_key(root: Client) -> None:
    owner = factories.agent()
    _issue(root, owner)
    again = _issue(root, owner)
    assert (again.status_code, owner.keys.count()) == (302, 1)
    assert said(again)[-1] == "This key was issued already; its secret was shown that one time. [key_refused]"


@pytest.mark.parametrize(
    ("field", "value"),
    [("scopes", ["impact:write"]), ("scopes", []), ("days", 0), ("days", 3651), ("name", "x"), ("label", "x" * 101)],
)
def test_issue_key_asks_again_where_the_form_is_wrong(root: Client, field: str, value: object) -> None:
    owner = factories.agent()
    response = _issue(root, owner, **{field: value})
    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert owner.keys.count() == 0


def test_issue_key_takes_one_agent_and_an_active_one(root: Client) -> None:
    one, other = factories.agent(), factories.agent()
    assert said(press(root, "issue_key", one, other)) == ["Select exactly one row for this."]
    Agent.objects.filter(pk=one.pk).update(is_active=False)
    assert said(_issue(root, one))[-1] == f"Agent {one} is inactive. [key_refused]"
    assert AgentKey.objects.count() == 0


def test_revoke_asks_first_and_then_revokes_for_good(root: Client) -> None:
    owner = factories.agent()
    issued = [keys.issue(agent=owner, now=timezone.now())[0] for _ in range(3)]
    assert press(root, "revoke", *issued[:2]).status_code == 200
    assert AgentKey.objects.filter(revoked_at=None).count() == 3
    press(root, "revoke", *issued[:2], confirmed="yes", reason="Lost.")
    assert list(AgentKey.objects.filter(revoked_at=None)) == [issued[2]]
    assert LogEntry.objects.latest("pk").change_message == "Revoked: Lost."
    again = press(root, "revoke", *issued, confirmed="yes", reason="Lost.")
    assert said(again)[-1] == "Keys revoked: 1; revoked before: 2."
    assert LogEntry.objects.count() == 3


def test_key_lists_can_be_narrowed_to_a_state(root: Client) -> None:
    owner, now = factories.agent(), timezone.now()
    valid, revoked = (keys.issue(agent=owner, now=now)[0] for _ in range(2))
    expired, _secret = keys.issue(agent=owner, lifetime=timedelta(days=1), now=now - timedelta(days=2))
    keys.revoke([revoked.pk], now=now)
    shown = {
        state: list(root.get(page(AgentKey), {"state": state}).context["cl"].result_list)
        for state in ("valid", "expired", "revoked")
    }
    assert shown == {"valid": [valid], "expired": [expired], "revoked": [revoked]}


def test_a_deed_stands_on_the_page_of_a_row_too(root: Client) -> None:
    shown = root.get(page(Agent, factories.agent().pk)).content.decode()
    assert re.findall(r'name="action" value="(\w+)"', shown) == ["issue_key", "open_wallets"]


# Rights


def test_deeds_are_offered_only_to_those_who_may(client: Client) -> None:
    owner = factories.agent()
    key, _secret = keys.issue(agent=owner, now=timezone.now())
    reader = staff(client, "config.view_agent", "config.view_agentkey")
    for model in (Agent, AgentKey):
        assert offered(reader, model) == []
    _issue(reader, owner)
    press(reader, "revoke", key, confirmed="yes", reason="Lost.")
    assert list(AgentKey.objects.values_list("pk", "revoked_at")) == [(key.pk, None)]


@pytest.mark.parametrize(
    ("permission", "deeds"),
    [("config.add_agentkey", ["issue_key"]), ("economics.add_account", ["open_wallets"]), ("config.delete_agent", [])],
)
def test_each_deed_on_agents_has_a_right_of_its_own(client: Client, permission: str, deeds: list[str]) -> None:
    factories.agent()
    assert offered(staff(client, "config.view_agent", permission), Agent) == deeds


def test_schedules_are_switched_only_by_those_who_may_change_them(client: Client) -> None:
    task = beat.PeriodicTask.objects.create(
        name="tick", task="t", interval=beat.IntervalSchedule.objects.create(every=1, period="seconds")
    )
    reader = staff(client, "django_celery_beat.view_periodictask")
    press(reader, "disable_tasks", task, confirmed="yes")
    task.refresh_from_db()
    assert task.enabled
    reader.force_login(User.objects.create_superuser("root"))
    press(reader, "disable_tasks", task, confirmed="yes")
    task.refresh_from_db()
    assert not task.enabled


def test_too_many_rows_at_once_are_refused(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "MOST_SELECTED", 2)
    issued = [keys.issue(agent=factories.agent(), now=timezone.now())[0] for _ in range(3)]
    assert said(press(root, "revoke", *issued)) == ["Select at most 2 rows at once."]


def test_lists_set_thousands_apart(root: Client) -> None:
    ledger.grant(account=factories.wallet(), amount=1_234_567, key="k", now=NOON, memo="m")
    mint.issue_daily(now=NOON)
    assert '<td class="field-figure_amount">1,234,567</td>' in listed(root.get(page(Transfer)))
    assert '<td class="field-figure_amount">100,000</td>' in listed(root.get(page(DailyIssue)))
