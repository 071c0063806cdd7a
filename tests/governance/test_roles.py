"""Roles: who may do what, over the admin and the API, told as a grid and tried cell by cell."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from auction import audit, fallback, pools, settlement
from auction.models import AuditRun, Clear, Pool, Quest, Slot
from config.models import AgentKey, FeedEntry, RetentionPolicy, User
from economics import reviews, safety
from economics.models import (
    Account,
    Alert,
    BudgetPolicy,
    Envelope,
    Pause,
    Price,
    Reservation,
    Review,
    WorthPolicy,
)
from governance import ballots, measures, proposals, roles
from governance.models import Proposal, SenatePolicy, Vote
from tests import callers, factories
from tests.economics import fleets
from tests.governance import senate
from tests.reviewers import page, press

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from django.db.models import Model

PEOPLE: Final = ("nobody", "staff", "reviewer", "chair", "auditor", "operator", "root", "agent")

# What becomes of each deed: "yes", it is done; "no", the person lacks the right; "login", nobody is signed in; "law",
# the right is there but a rule refuses: an account that may do everything has no seat in the Senate by that. An agent
# calls the API with a key of all its scopes; the admin knows no agents.
GRID: Final = """
                                nobody  staff  reviewer  chair  auditor  operator  root  agent

In the admin
  read proposals                login   no     yes       yes    yes      yes       yes   -
  read a card                   login   no     yes       yes    yes      yes       yes   -
  export proposals              login   no     yes       yes    yes      yes       yes   -
  read keys of agents           login   no     no        no     yes      yes       yes   -
  read accounts of people       login   no     no        no     yes      yes       yes   -
  read roles                    login   no     no        no     yes      no        yes   -
  file a proposal               login   no     yes       yes    no       no        yes   -
  vote                          login   no     yes       yes    no       no        law   -
  close a vote early            login   no     no        yes    no       no        yes   -
  confirm over a moved base     login   no     yes       yes    no       no        law   -
  enact a measure of policy     login   no     no        yes    no       no        yes   -
  change the Senate's policy    login   no     no        yes    no       no        yes   -
  change the policy of worth    login   no     no        no     no       no        yes   -
  apply a review                login   no     yes       yes    no       no        yes   -
  discard a review              login   no     yes       yes    no       no        yes   -
  mark an alert as seen         login   no     yes       yes    no       yes       yes   -
  change an envelope            login   no     no        no     no       no        yes   -
  freeze an envelope            login   no     no        no     no       no        yes   -
  pause the fleet               login   no     no        no     no       yes       yes   -
  release a reservation         login   no     no        no     no       yes       yes   -
  withdraw a price              login   no     no        no     no       yes       yes   -
  change a pool                 login   no     no        no     no       yes       yes   -
  stop a pool                   login   no     no        no     no       yes       yes   -
  begin fallback                login   no     no        no     no       yes       yes   -
  end fallback                  login   no     no        no     no       yes       yes   -
  release a stuck hold          login   no     no        no     no       yes       yes   -
  release what nothing holds    login   no     no        no     no       yes       yes   -
  take a slot back              login   no     no        no     no       yes       yes   -
  end what is overdue           login   no     no        no     no       yes       yes   -
  offer a slot again            login   no     no        no     no       yes       yes   -
  open a quest                  login   no     no        no     no       yes       yes   -
  change a quest                login   no     no        no     no       yes       yes   -
  let an agent join a quest     login   no     no        no     no       yes       yes   -
  read quests                   login   no     yes       yes    yes      yes       yes   -
  read a backlog                login   no     yes       yes    yes      yes       yes   -
  read the feed                 login   no     yes       yes    yes      yes       yes   -
  change how long rows are kept login   no     no        no     no       yes       yes   -
  run the audit                 login   no     no        no     no       yes       yes   -
  issue a key                   login   no     no        no     no       yes       yes   -
  open a wallet                 login   no     no        no     no       yes       yes   -
  switch a schedule off         login   no     no        no     no       yes       yes   -
  give a role                   login   no     no        no     no       no        yes   -

Over the API
  read proposals                login   no     yes       yes    yes      yes       yes   yes
  file a proposal               login   no     yes       yes    no       no        yes   yes
  vote                          login   no     yes       yes    no       no        law   no
  close a vote early            login   no     no        yes    no       no        yes   no
  confirm over a moved base     login   no     yes       yes    no       no        law   no
  enact a measure of policy     login   no     no        yes    no       no        yes   no
  change the Senate's policy    login   no     no        yes    no       no        yes   no
  read reviews                  login   no     yes       yes    yes      yes       yes   yes
  apply a review                login   no     yes       yes    no       no        yes   no
  discard a review              login   no     yes       yes    no       no        yes   no
"""


def _grid() -> Iterator[tuple[str, list[str]]]:
    """Read the grid: each deed after its door, with what becomes of it for everybody."""
    door = ""
    for line in GRID.strip("\n").splitlines()[1:]:
        if line.startswith("  "):
            yield f"{door}: {line[2:32].strip()}", line[32:].split()
        elif line:
            door = {"In the admin": "admin", "Over the API": "api"}[line]


EXPECTED: Final = dict(_grid())


class Deed:
    """Something that a person does: what must be there first, how it is done, and by what one sees that it was."""

    def __init__(
        self,
        prepare: Callable[[], Any],
        do: Callable[[Client, Any], Any],
        done: Callable[[Any], bool] | None = None,
    ) -> None:
        """Take the three; a deed without `done` only reads."""
        self.prepare, self.do, self._done = prepare, do, done

    def outcome(self, client: Client, given: Any) -> str:
        """Do it, take it back, and return what became of it."""
        with transaction.atomic():
            answer = self.do(client, given)
            done = answer.status_code == 200 if self._done is None else self._done(given)
            transaction.set_rollback(True)
        if done:
            return "yes"
        if answer.status_code == 401 or reverse("admin:login") in answer.get("Location", ""):
            return "login"
        return "law" if _refused_by_a_rule(answer) else "no"


def _refused_by_a_rule(answer: Any) -> bool:
    if answer.headers["Content-Type"] == "application/problem+json":
        return json.loads(answer.content)["code"] not in {"right_missing", "people_only", "scope_missing"}
    form = (answer.context or {}).get("form")
    return bool(form is not None and form.errors)


# What there must be


def _ask(**terms: Any) -> Proposal:
    """Return a proposal that is voted on by the clock, which the doors go by."""
    now = timezone.now()
    draft = senate.draft(gain_by=now + timedelta(days=28), filed_at=now, **terms)
    assert draft.agent is not None
    return ballots.submit(draft.pk, by=proposals.Proposer(agent=draft.agent), now=now)


def _approved(proposal: Proposal) -> Proposal:
    """Let everybody approve it, and return it as it then is."""
    for elector in senate.ballot_of(proposal).electors.select_related("user"):
        if Proposal.objects.get(pk=proposal.pk).status == Proposal.Status.SUBMITTED:
            ballots.cast(proposal.pk, voter=elector.user, choice="approve", reason="good", now=timezone.now())
    return Proposal.objects.get(pk=proposal.pk)


def _of_policy() -> Proposal:
    terms: dict[str, Any] = {"requested_tokens": 0, "terms": {"gain": "0.5"}}
    return _approved(_ask(entity_type="policy", entity_id="worth", measure="policy", **terms))


def _moved() -> Proposal:
    """Return what was approved over a base that moved while it was voted on."""
    own = factories.envelope("moved")
    proposal = _ask(of=own)
    Envelope.objects.filter(pk=own.pk).update(token_budget=2_000)
    return _approved(proposal)


def _review() -> Review:
    fleets.plain_policy()
    good, idle = fleets.member("good"), fleets.member("idle")
    fleets.used(good, 1_000, 1_000)
    fleets.gained(good, 20)
    fleets.used(idle, 100, 100)
    return reviews.draft_weekly(author=factories.REVIEWER, now=fleets.MONDAY)


def _alert() -> Alert:
    own = factories.envelope("full")
    factories.record(own, 900)
    safety.check(now=factories.NOON)
    return Alert.objects.latest("pk")


def _reservation() -> Reservation:
    factories.model("m")
    factories.reserve(factories.envelope("held"), 50, model="m")
    return Reservation.objects.latest("pk")


def _priced() -> Price:
    factories.model("priced")
    return Price.objects.latest("pk")


def _held_for_nothing() -> Account:
    wallet = factories.wallet(100)
    Account.objects.filter(pk=wallet.pk).update(held=40)
    return wallet


def _lapsed() -> Clear:
    """Return a sale whose runner fell silent."""
    clear = factories.started(factories.sale(into=factories.pool(capacity=1, lease_seconds=30)))
    settlement.sweep(now=factories.after(31))
    return clear


def _schedule() -> PeriodicTask:
    every = IntervalSchedule.objects.create(every=9, period="seconds")
    return PeriodicTask.objects.create(name="often", task="t", interval=every)


# How it is done


def _get(*name: str) -> Callable[[Client, Any], Any]:
    def read(client: Client, given: Model) -> Any:
        return client.get(page(type(given), given.pk if "one" in name else None))

    return read


def _press(deed: str, **fields: object) -> Callable[[Client, Any], Any]:
    """Press a deed of a list and confirm it."""
    return lambda client, row: press(client, deed, row, confirmed="yes", **fields)


def _fill(kind: str, context: str, **changes: object) -> Callable[[Client, Any], Any]:
    """Open a form, change what is named and send all of it."""

    def send(client: Client, row: Model) -> Any:
        address = page(type(row), None if kind == "add" else row.pk, kind=kind)
        shown = client.get(address)
        if shown.status_code != 200 or context not in shown.context:
            return shown
        form = shown.context[context]
        form = getattr(form, "form", form)
        named = {bound.html_name: bound.value() for bound in form}
        told = {name: "" if value is None else value for name, value in named.items() if value is not False}
        return client.post(address, {**told, **changes})

    return send


def _send(path: str, **body: object) -> Callable[[Client, Any], Any]:
    """Send a body to the API, about the row that is given; `seen` is told as the row's base stands."""

    def send(client: Client, row: Any) -> Any:
        told = {name: value(row) if callable(value) else value for name, value in body.items()}
        headers = {"idempotency-key": "once"}
        return client.post(path.format(row.pk), json.dumps(told), content_type="application/json", headers=headers)

    return send


def _read(path: str) -> Callable[[Client, Any], Any]:
    return lambda client, _given: client.get(path)


def _status(status: str) -> Callable[[Any], bool]:
    return lambda row: type(row).objects.filter(pk=row.pk, status=status).exists()


def _state(state: str) -> Callable[[Any], bool]:
    return lambda row: type(row).objects.filter(pk=row.pk, state=state).exists()


def _voted(proposal: Proposal) -> bool:
    return Vote.objects.filter(ballot__proposal=proposal).exists()


def _stands(proposal: Proposal) -> dict[str, Any]:
    return measures.base(proposal, at=timezone.now())


def _mode(mode: str) -> Callable[[Any], bool]:
    return lambda row: Pool.objects.filter(pk=row.pk, mode=mode).exists()


def _in_fallback() -> Pool:
    fallback.begin(pools.DEFAULT, why="by hand", now=timezone.now())
    return pools.get(pools.DEFAULT)


SENATE: Final = callers.SENATE
REVIEWS: Final = f"{callers.BOOKS}/reviews"
VOTE: Final = {"choice": "approve", "reason": "good"}
WHY: Final = {"reason": "as agreed"}
DRAFT: Final = {"measure": "freeze", "entity_type": "hypothesis", "entity_id": "h"}
_QUEST: Final = {"id": "tau", "strategy": "source", "bid_factor": "0.6", "horizon_seconds": 86_400, "is_active": "on"}
_KEY: Final = {"name": "0123456789ab", "scopes": ["bids:write"], "days": 7, "label": ""}
DEEDS: Final[dict[str, Deed]] = {
    "admin: read proposals": Deed(_ask, _get()),
    "admin: read a card": Deed(_ask, _get("one")),
    "admin: export proposals": Deed(_ask, _read(reverse("admin:governance_proposal_export"))),
    "admin: read keys of agents": Deed(AgentKey, _get()),
    "admin: read accounts of people": Deed(User, _get()),
    "admin: read roles": Deed(Group, _get()),
    "admin: file a proposal": Deed(
        lambda: factories.envelope("h"),
        lambda client, _given: client.post(page(Proposal, kind="add"), DRAFT),
        lambda _given: Proposal.objects.filter(status="draft").exists(),
    ),
    "admin: vote": Deed(_ask, _press("vote", **VOTE), _voted),
    "admin: close a vote early": Deed(_ask, _press("close_early", **WHY), _status("expired")),
    "admin: confirm over a moved base": Deed(
        _moved,
        lambda client, row: press(client, "confirm", row, confirmed="yes", seen=json.dumps(_stands(row)), **WHY),
        _status("enacted"),
    ),
    "admin: enact a measure of policy": Deed(_of_policy, _press("enact", **WHY), _status("enacted")),
    "admin: change the Senate's policy": Deed(
        lambda: SenatePolicy.objects.latest("version"),
        _fill("add", "form", quorum=3, **WHY),
        lambda _given: SenatePolicy.objects.filter(quorum=3).exists(),
    ),
    "admin: change the policy of worth": Deed(
        lambda: WorthPolicy.objects.latest("version"),
        _fill("add", "form", gain="0.25", **WHY),
        lambda _given: WorthPolicy.objects.filter(gain="0.25").exists(),
    ),
    "admin: apply a review": Deed(_review, _press("apply_review", **WHY), _state("applied")),
    "admin: discard a review": Deed(_review, _press("discard_review", **WHY), _state("discarded")),
    "admin: mark an alert as seen": Deed(
        _alert, _press("mark_as_seen"), lambda row: Alert.objects.filter(pk=row.pk, seen_at__isnull=False).exists()
    ),
    "admin: change an envelope": Deed(
        lambda: factories.envelope("own"),
        _fill("", "adminform", token_budget=1_234, **WHY),
        lambda row: Envelope.objects.filter(pk=row.pk, token_budget=1_234).exists(),
    ),
    "admin: freeze an envelope": Deed(lambda: factories.envelope("own"), _press("freeze", **WHY), _state("frozen")),
    "admin: pause the fleet": Deed(
        BudgetPolicy.objects.get, _press("pause_fleet", **WHY), lambda _given: Pause.objects.exists()
    ),
    "admin: release a reservation": Deed(_reservation, _press("release", **WHY), _state("released")),
    "admin: withdraw a price": Deed(
        _priced, _press("withdraw"), lambda row: Price.objects.filter(pk=row.pk, withdrawn_at__isnull=False).exists()
    ),
    "admin: change a pool": Deed(
        lambda: pools.get(pools.DEFAULT),
        _fill("", "adminform", reserve_tokens=7),
        lambda row: Pool.objects.filter(pk=row.pk, reserve_tokens=7).exists(),
    ),
    "admin: stop a pool": Deed(
        lambda: pools.get(pools.DEFAULT),
        _press("stop"),
        lambda row: Pool.objects.filter(pk=row.pk, mode="stopped").exists(),
    ),
    "admin: begin fallback": Deed(lambda: pools.get(pools.DEFAULT), _press("begin_fallback", **WHY), _mode("fallback")),
    "admin: end fallback": Deed(_in_fallback, _press("end_fallback", **WHY), _mode("auction")),
    "admin: release a stuck hold": Deed(
        lambda: factories.bid(factories.wallet(100), 70, factories.pool(), lives=30),
        _press("release", **WHY),
        _status("expired"),
    ),
    "admin: release what nothing holds": Deed(
        _held_for_nothing,
        lambda client, row: client.post(
            reverse("admin:auction_wallet_release", args=[row.pk]), {"confirmed": "yes", **WHY}
        ),
        lambda row: Account.objects.filter(pk=row.pk, held=0).exists(),
    ),
    "admin: take a slot back": Deed(factories.sale, _press("take_back", **WHY), _state("withdrawn")),
    "admin: end what is overdue": Deed(factories.sale, _press("end_overdue", **WHY), _state("forfeited")),
    "admin: offer a slot again": Deed(
        _lapsed,
        _press("offer_again", **WHY),
        lambda row: Slot.objects.filter(offers_again=row.slot_id).exists(),
    ),
    "admin: open a quest": Deed(
        lambda: pools.get(pools.DEFAULT),
        lambda client, pool: client.post(page(Quest, kind="add"), {**_QUEST, "pool": pool.pk}),
        lambda _given: Quest.objects.filter(pk="tau").exists(),
    ),
    "admin: change a quest": Deed(
        lambda: factories.quest("tau"),
        _fill("", "adminform", bid_factor="0.7", **WHY),
        lambda row: Quest.objects.filter(pk=row.pk, bid_factor="0.7").exists(),
    ),
    "admin: let an agent join a quest": Deed(
        lambda: (factories.agent("bot"), factories.quest("tau"))[1],
        _press("join", agent="bot"),
        lambda row: row.members.exists(),
    ),
    "admin: read quests": Deed(lambda: factories.quest("tau"), _get()),
    "admin: read a backlog": Deed(lambda: factories.quest_task(factories.quest("tau")), _get("one")),
    "admin: read the feed": Deed(FeedEntry, _get()),
    "admin: change how long rows are kept": Deed(
        RetentionPolicy.objects.get,
        _fill("", "adminform", bids_days=30, **WHY),
        lambda _given: RetentionPolicy.objects.filter(bids_days=30).exists(),
    ),
    "admin: run the audit": Deed(
        lambda: None,
        lambda client, _given: client.post(reverse("admin:auction_auditrun_run")),
        lambda _given: AuditRun.objects.exists(),
    ),
    "admin: issue a key": Deed(
        lambda: factories.agent("bot"), _press("issue_key", **_KEY), lambda row: row.keys.exists()
    ),
    "admin: open a wallet": Deed(
        lambda: factories.agent("bot"),
        _press("open_wallets"),
        lambda row: Account.objects.filter(owner_id=row.pk).exists(),
    ),
    "admin: switch a schedule off": Deed(
        _schedule, _press("disable_tasks"), lambda row: PeriodicTask.objects.filter(pk=row.pk, enabled=False).exists()
    ),
    "admin: give a role": Deed(
        lambda: User.objects.create(username="eve"),
        lambda client, row: client.post(
            page(User, row.pk),
            {
                "username": "eve",
                "groups": [Group.objects.get(name=roles.CHAIR).pk],
                "date_joined_0": "2026-03-02",
                "date_joined_1": "12:00:00",
            },
        ),
        lambda row: row.groups.exists(),
    ),
    "api: read proposals": Deed(_ask, _read(f"{SENATE}/proposals/")),
    "api: file a proposal": Deed(
        lambda: factories.envelope("h"),
        _send(f"{SENATE}/proposals/", entity_type="hypothesis", entity_id="h"),
        lambda _given: Proposal.objects.filter(status="draft").exists(),
    ),
    "api: vote": Deed(_ask, _send(f"{SENATE}/proposals/{{}}/votes/", **VOTE), _voted),
    "api: close a vote early": Deed(_ask, _send(f"{SENATE}/proposals/{{}}/close/", **WHY), _status("expired")),
    "api: confirm over a moved base": Deed(
        _moved, _send(f"{SENATE}/proposals/{{}}/confirm/", seen=_stands, **WHY), _status("enacted")
    ),
    "api: enact a measure of policy": Deed(
        _of_policy, _send(f"{SENATE}/proposals/{{}}/enact/", **WHY), _status("enacted")
    ),
    "api: change the Senate's policy": Deed(
        lambda: SenatePolicy.objects.latest("version"),
        _send(f"{SENATE}/policy/", expected_version=lambda row: row.version, quorum=3, **WHY),
        lambda _given: SenatePolicy.objects.filter(quorum=3).exists(),
    ),
    "api: read reviews": Deed(_review, _read(f"{REVIEWS}/")),
    "api: apply a review": Deed(_review, _send(f"{REVIEWS}/{{}}/apply/", **WHY), _state("applied")),
    "api: discard a review": Deed(_review, _send(f"{REVIEWS}/{{}}/discard/", **WHY), _state("discarded")),
}


def _clients() -> dict[str, Client]:
    """Return everybody, signed in; two more reviewers make a quorum without them."""
    senate.reviewers(2)
    people = {"reviewer": senate.reviewer(), "chair": senate.chair(), "auditor": senate.auditor()}
    people["operator"] = User.objects.create_user("otto", is_staff=True)
    roles.give(people["operator"], "operator")
    people["staff"] = User.objects.create_user("sam", is_staff=True)
    people["root"] = User.objects.create_superuser("root")
    clients = {name: Client() for name in PEOPLE}
    for name, person in people.items():
        clients[name].force_login(person)
    clients["agent"] = Client(headers={"authorization": f"Bearer {callers.caller(name='hand').secret}"})
    return clients


@pytest.fixture
def short_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an audit leave its row and look at nothing: a real one wants the outermost transaction."""

    def passed(*, now: datetime, since: datetime) -> AuditRun:
        return AuditRun.objects.create(started_at=since, finished_at=now, passed=True)

    monkeypatch.setattr(audit, "audit", passed)


@pytest.mark.django_db
@pytest.mark.parametrize("deed", EXPECTED)
def test_each_role_does_what_the_grid_says(short_audit: None, deed: str) -> None:
    clients, tried = _clients(), DEEDS[deed]
    given = tried.prepare()
    expected = dict(zip(PEOPLE, EXPECTED[deed], strict=True))
    found = {name: "-" if expected[name] == "-" else tried.outcome(client, given) for name, client in clients.items()}
    assert found == expected


def test_the_grid_names_every_deed_that_is_tried() -> None:
    assert list(EXPECTED) == list(DEEDS)


def test_the_page_for_operators_tells_the_same_grid() -> None:
    page_of = Path("docs/operations.md").read_text().partition("## Roles")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page_of.splitlines() if line[:1] == "|"]
    heads = ["root" if name == "superuser" else name for name in rows[0][1:]]
    for deed, *told in rows[2:]:
        found = dict(zip(PEOPLE, EXPECTED[f"admin: {deed}"], strict=True))
        assert told == [found[name].replace("law", "no") for name in heads], deed


def _rights() -> dict[str, list[str]]:
    return {
        role.name: sorted(
            f"{p.content_type.app_label}.{p.codename}" for p in role.permissions.select_related("content_type")
        )
        for role in Group.objects.filter(name__in=roles.BY_NAME.values())
    }


@pytest.mark.django_db
def test_a_new_database_has_every_role_with_its_rights_after_the_first_migrate() -> None:
    assert _rights() == {name: sorted(rights) for name, rights in roles.rights().items()}
    assert [len(rights) > 20 for rights in _rights().values()] == [True] * 4


@pytest.mark.django_db
def test_migrating_again_gives_the_same_roles_and_mends_what_was_changed() -> None:
    before = _rights()
    call_command("migrate", verbosity=0)
    assert _rights() == before
    Group.objects.get(name=roles.CHAIR).permissions.clear()
    Group.objects.get(name=roles.AUDITOR).delete()
    call_command("migrate", verbosity=0)
    assert _rights() == before


@pytest.mark.django_db
def test_a_group_of_somebody_elses_making_is_left_alone() -> None:
    own = Group.objects.create(name="Friends of the house")
    roles.ensure()
    assert (Group.objects.filter(pk=own.pk).exists(), own.permissions.count()) == (True, 0)


@pytest.mark.django_db
def test_the_auditor_reads_every_page_of_the_house() -> None:
    client = Client()
    client.force_login(senate.auditor())
    own = (apps.get_app_config(app).get_models() for app in ("config", "economics", "auction", "governance"))
    models = [model for of_app in own for model in of_app if admin.site.is_registered(model)]
    assert len(models) > 30
    answers = {model.__name__: client.get(page(model)) for model in models}
    assert {name for name, answer in answers.items() if answer.status_code != 200} == set()


@pytest.mark.django_db
def test_no_role_touches_what_a_law_protects() -> None:
    protected = {"ballot", "vote", "elector", "enactment", "evidence", "transfer", "revision"}
    for name, rights in roles.rights().items():
        written = {right for right in rights if not right.partition(".")[2].startswith("view_")}
        assert {right for right in written if right.rpartition("_")[2] in protected} == set(), name
        assert {right for right in written if "delete_" in right} == set(), name
