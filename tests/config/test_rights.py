"""Nobody does another's work: not by an address, not by a field of a form, not by a deed that a list did not offer.

Pages, forms and deeds are taken from the site itself, so that new ones are tried by themselves. A superuser opens each
form and fills it in; others then send the same. What counts is what is written, table by table.
"""

from __future__ import annotations

import json
import logging
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.models import RetentionPolicy, User
from config.site import CONFIRMED
from economics.models import Envelope
from governance import roles
from governance.models import Proposal, Vote
from tests import addresses, everything, written
from tests.factories import after
from tests.governance import senate
from tests.reviewers import page, press

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.db.models import Model

pytestmark = pytest.mark.django_db
LOGIN: Final = "/admin/login/"
# What people without a session may read: what the API is, whether the site is well, and its icon.
OPEN: Final = {"/api/", "/api/docs/", "/api/problems/", "/api/schema/", "/favicon.ico", "/healthz/"} | {
    *("/api/compute-auction/", "/api/economics/", "/api/governance/"),  # which name what lies under them
}
# What a reviewer may send to the API: reviews are drafted, applied and discarded, proposals filed and voted on.
_REVIEWS: Final = "/api/economics/reviews/"
_PROPOSALS: Final = "/api/governance/proposals/"
TAKEN: Final = {
    *(_REVIEWS, f"{_REVIEWS}what-if/", f"{_REVIEWS}1/apply/", f"{_REVIEWS}1/discard/"),
    *(_PROPOSALS, "/api/governance/evidence/check/", "/api/governance/refusals/1/ask/"),
    *(f"{_PROPOSALS}1/{deed}/" for deed in ("amend", "confirm", "evidence", "submit", "votes", "withdraw")),
}
DRAFT: Final = {"measure": "freeze", "entity_type": "hypothesis", "entity_id": "entity"}


class Sent(NamedTuple):
    """A post: what it is, where to, and with what."""

    name: str
    address: str
    fields: Mapping[str, Any]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Leave out the log of what is refused, which would be all that one reads of a failure."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


# Strangers


def _answers_a_stranger(method: str, address: str) -> bool:
    """Tell whether a stranger gets anything but the way to the login page."""
    answer = getattr(Client(raise_request_exception=False), method)(address)
    if address.startswith("/api/"):
        return answer.status_code not in {401, 404, 405}
    return not (answer.status_code == 302 and LOGIN in answer["Location"]) and answer.status_code != 405


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_reaches_the_login_page_only(method: str) -> None:
    senate.reviewer()
    asked = [one.path for one in addresses.every()]
    reached = {address for address in asked if _answers_a_stranger(method, address)}
    assert len(asked) > 300
    assert reached <= OPEN | {LOGIN, "/admin/logout/", "/"}
    assert Client().get("/")["Location"] == reverse("admin:index")


# People with a role


def _undone(client: Client, address: str, fields: Mapping[str, Any]) -> Any:
    """Return the answer to a post, and take back what it did."""
    with transaction.atomic():
        answer = client.post(address, fields)
        transaction.set_rollback(True)
    return answer


def _written(client: Client, sent: Sent) -> set[str]:
    """Return the tables that a post writes to, whatever becomes of it after."""
    with written.tables() as found:
        _undone(client, sent.address, sent.fields)
    return found


def _forms(answer: Any) -> Iterator[forms.BaseForm]:
    """Yield the forms on a page, and of forms that there are several of what says how many."""
    context = answer.context or []
    layers = [layer for part in (context if isinstance(context, list) else [context]) for layer in part.dicts]
    shown = {name: value for layer in reversed(layers) for name, value in layer.items()}
    for value in shown.values():
        if isinstance(form := getattr(value, "form", value), forms.BaseForm):
            yield form
    for inline in shown.get("inline_admin_formsets", ()):
        yield inline.formset.management_form


def _filled(of: Iterable[forms.BaseForm]) -> dict[str, Any]:
    """Return what a person would send who changes every field that can be changed."""
    return {
        bound.html_name: _other(bound.field, bound.value())
        for form in of
        for bound in form
        if not isinstance(bound.field, forms.FileField)
    }


def _other(field: forms.Field, value: Any) -> Any:  # noqa: PLR0911 - one answer for each kind of field
    """Return another value than that which stands in a field."""
    if isinstance(field.widget, forms.HiddenInput):
        return json.dumps(value) if isinstance(value, dict | list) else "" if value is None else value
    match field:
        case forms.BooleanField():
            return "" if value else "on"
        case forms.ModelMultipleChoiceField():
            return [one.pk for one in field.queryset or []]
        case forms.ModelChoiceField():
            return next((one.pk for one in field.queryset or [] if one.pk != value), value or "")
        case forms.MultipleChoiceField():
            return [name for name, _text in _choices(field)]
        case forms.ChoiceField():
            return next((name for name, _text in _choices(field) if name and name != value), value or "")
        case forms.IntegerField() | forms.DecimalField():
            return _near(Decimal(value or 0), field.max_value)
        case forms.DateField() | forms.DateTimeField():
            return value if isinstance(value, date | datetime) else "2026-12-01"
    return value or "as agreed"


def _choices(field: Any) -> list[tuple[Any, Any]]:
    return list(field.choices)


def _near(value: Decimal, most: Any) -> Decimal:
    """Return another number that the field allows."""
    return value + 1 if most is None or value + 1 <= most else value / 2


def _asking(person: User) -> HttpRequest:
    request = HttpRequest()
    request.user = person
    return request


class House(NamedTuple):
    """The last row of each model, a superuser and somebody with a role, both signed in."""

    rows: list[Model]
    root: Client
    person: User
    client: Client


@pytest.fixture
def house(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> House:
    """Let everything have happened just now, and let somebody with the role that is asked for come in."""
    monkeypatch.setattr(timezone, "now", lambda: after(60))
    root = User.objects.create_superuser("root")
    everything.once()
    every = (model._default_manager.order_by("pk").last() for model in admin.site._registry)  # noqa: SLF001 - public
    rows = [row for row in every if row is not None]
    person = User.objects.create_user("somebody", is_staff=True)
    roles.give(person, request.param)
    clients = [Client(raise_request_exception=False) for _ in range(2)]
    clients[0].force_login(root)
    clients[1].force_login(person)
    return House(rows, clients[0], person, clients[1])


by_role = pytest.mark.parametrize("house", ["reviewer", "operator"], indirect=True)


of_reviewer = pytest.mark.parametrize("house", ["reviewer"], indirect=True)


# Deeds of lists


def _deeds(house: House) -> Iterator[Sent]:
    """Yield every deed that the person is not offered, confirmed and filled in as a superuser may do it."""
    root = _asking(User.objects.get(username="root"))
    for row in house.rows:
        of = admin.site.get_model_admin(type(row))
        for deed in set(of.get_actions(root)) - set(of.get_actions(_asking(house.person))):
            fields = {"action": deed, "_selected_action": [row.pk]}
            asked = _undone(house.root, page(type(row)), fields)
            confirmed = {"post": "yes"} if deed == "delete_selected" else {CONFIRMED: "yes"}
            filled = _filled(_forms(asked)) if "action_checkbox_name" in (asked.context or {}) else {}
            yield Sent(f"{type(row).__name__}: {deed}", page(type(row)), {**filled, **fields, **confirmed})


# What a superuser's same posts write, or else nothing would be proven by others' writing nothing.
WITNESSES: Final = {
    "reviewer": {
        *("AgentKey: revoke", "Agent: issue_key", "Envelope: freeze", "Account: grant", "Price: withdraw"),
        *("Pool: stop", "Proposal: close_early", "Usage: correct", "PeriodicTask: disable_tasks"),
    },
    "operator": {"Envelope: freeze", "Proposal: close_early", "Review: discard_review", "Usage: correct"},
}


@by_role
def test_a_deed_that_is_not_offered_does_nothing(house: House, request: pytest.FixtureRequest) -> None:
    tried = list(_deeds(house))
    assert {sent.name: tables for sent in tried if (tables := _written(house.client, sent))} == {}
    witnesses = WITNESSES[request.node.callspec.params["house"]]
    assert {sent.name for sent in tried if sent.name in witnesses and _written(house.root, sent)} == witnesses


# Pages


def _pages(house: House) -> Iterator[Sent]:
    """Yield every form of a page outside lists: of each row, of a new one, of all else; filled in and confirmed."""
    plain = [one for one in addresses.every() if not one.is_made_up and not one.path.startswith("/api/")]
    own = [reverse("admin:governance_proposal_amend", args=[row.pk]) for row in house.rows if isinstance(row, Proposal)]
    asked = [one.path for one in plain if not one.name.endswith(("_changelist", "login", "logout"))] + own
    for address in (*asked, *(page(type(row), row.pk) for row in house.rows)):
        yield Sent(address, address, {**_filled(_forms(house.root.get(address))), CONFIRMED: "yes"})
    for row in house.rows:
        address = page(type(row), row.pk, kind="delete")
        yield Sent(address, address, {"post": "yes"})


@of_reviewer
def test_a_form_that_others_fill_in_writes_nothing_for_a_reviewer(house: House) -> None:
    tried = list(_pages(house))
    assert {sent.address: tables for sent in tried if (tables := _written(house.client, sent))} == {}
    witnesses = {page(type(row), row.pk) for row in house.rows if isinstance(row, Envelope | Group | RetentionPolicy)}
    assert {sent.address for sent in tried if sent.address in witnesses and _written(house.root, sent)} == witnesses


@of_reviewer
def test_a_reviewer_opens_no_page_of_what_reviewers_do_not_see(house: House) -> None:
    unseen = [row for row in house.rows if not house.person.has_perm(_right("view", row))]
    assert {type(row).__name__ for row in unseen} >= {"User", "AgentKey", "Group", "PeriodicTask", "IdempotentRequest"}
    pages = [page(type(row)) for row in unseen]
    pages += [page(type(row), row.pk, kind=kind) for row in unseen for kind in ("", "history")]
    pages += [page(type(row), kind="add") for row in house.rows if not house.person.has_perm(_right("add", row))]
    pages += [page(type(row), row.pk, kind="delete") for row in house.rows]
    assert {address for address in pages if house.client.get(address).status_code != 403} == set()


def _right(verb: str, row: Model) -> str:
    return f"{row._meta.app_label}.{verb}_{row._meta.model_name}"  # noqa: SLF001 - public


@of_reviewer
def test_fields_that_a_form_does_not_have_say_nothing(house: House) -> None:
    voter, other = User.objects.get(username="r3"), User.objects.get(username="root")
    house.client.force_login(voter)
    asked = Proposal.objects.get(status=Proposal.Status.SUBMITTED)
    press(house.client, "vote", asked, confirmed="yes", choice="reject", reason="no", voter=other.pk, user=other.pk)
    assert Vote.objects.latest("pk").voter == voter
    forged = {
        "status": "approved",
        "user": other.pk,
        "proposer_id": "root",
        "proposer_agent": "scout",
        "agent": "scout",
    }
    house.client.post(page(Proposal, kind="add"), {**DRAFT, **forged})
    filed = Proposal.objects.latest("pk")
    assert (filed.status, filed.user, filed.proposer_id, filed.agent) == ("draft", voter, "r3", None)


# Sent twice


# What may be said again: a judgement, of which the last one counts, and schedules alike, which change nothing.
SAID_AGAIN: Final = {
    "/admin/economics/assessment/add/": {"economics_assessments"},
    "/admin/django_celery_beat/crontabschedule/add/": {"django_celery_beat_crontabschedule"},
    "/admin/django_celery_beat/intervalschedule/add/": {"django_celery_beat_intervalschedule"},
}
LOGS: Final = {"django_admin_log", "django_celery_beat_periodictasks", "django_session"}
PAID: Final = {"Account: grant", "Envelope: grant", "Usage: correct", "Outcome: correct", "Agent: issue_key"}


def _contents() -> dict[str, str]:
    """Return what each table holds, in short."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema()")
        names = [name for (name,) in cursor.fetchall() if name not in LOGS]
        found = {}
        for name in names:
            cursor.execute(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {connection.ops.quote_name(name)} t"
            )
            (found[name],) = cursor.fetchone()
        return found


@pytest.mark.parametrize("house", ["auditor"], indirect=True)  # who is offered no deed: all of them are tried
def test_what_is_sent_twice_is_done_once(house: House) -> None:
    done: set[str] = set()
    again: dict[str, set[str]] = {}
    for sent in (*_deeds(house), *_pages(house)):
        with transaction.atomic():
            with written.tables() as tables:
                house.root.post(sent.address, sent.fields)
            if tables:
                done.add(sent.name)
                before = _contents()
                house.root.post(sent.address, sent.fields)
                moved = {name for name, held in _contents().items() if held != before[name]}
                again |= {sent.name: moved} if moved else {}
            transaction.set_rollback(True)
    assert again == SAID_AGAIN
    assert done >= PAID


# The API, to people who signed in


@of_reviewer
def test_the_api_takes_from_a_reviewer_what_reviewers_do(house: House) -> None:
    taken = {one.path for one in addresses.every() if one.path.startswith("/api/") and _takes(house.client, one.path)}
    assert taken == TAKEN


def _takes(client: Client, address: str) -> bool:
    """Tell whether an address looks at what a person sends to it, rather than at who it is."""
    answer = client.post(address, {}, content_type="application/json", headers={"idempotency-key": "k"})
    return answer.status_code not in {401, 403, 404, 405}
