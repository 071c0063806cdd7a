"""Each right by itself: what it opens and lets one do, and that all others together do not stand in for it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from config.models import User
from governance import roles
from tests import addresses, everything
from tests.factories import after
from tests.reviewers import page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django.db.models import Model

pytestmark = pytest.mark.django_db
# What everybody on the staff opens: the house as a whole, what waits for oneself, one's own password.
FOR_STAFF: Final = {
    *("/admin/", "/admin/search/", "/admin/jsi18n/", "/admin/password_change/", "/admin/password_change/done/"),
    *("/admin/governance/proposal/queue/", "/resources/", "/resources/auction/live/"),
    *(f"/resources/{tab}/" for tab in ("budgets", "usage", "quests", "auction")),
}
OPEN: Final = {"/favicon.ico", "/healthz/", "/"}
# Deeds by the right that they need; of those that delete rows it is the right to.
DEEDS: Final = {
    "auction.change_pool": {
        *("Bid: release", "Clear: end_overdue", "Clear: offer_again", "Clear: take_back", "Slot: offer_again"),
        *("Pool: begin_fallback", "Pool: end_fallback", "Pool: resume", "Pool: stop"),
    },
    "auction.change_quest": {"Member: leave", "Quest: join"},
    "auction.view_round": {"Round: replay"},  # which shows, and changes nothing
    "config.add_agentkey": {"Agent: issue_key"},
    "config.change_agentkey": {"AgentKey: revoke"},
    "django_celery_beat.change_periodictask": {
        *("PeriodicTask: disable_tasks", "PeriodicTask: enable_tasks", "PeriodicTask: run_tasks"),
    },
    "economics.add_account": {"Agent: open_wallets"},
    "economics.add_outcome": {"Outcome: correct"},
    "economics.add_pause": {"BudgetPolicy: pause_fleet", "BudgetPolicy: resume_fleet", "Pause: end"},
    "economics.add_price": {"LanguageModel: set_price"},
    "economics.add_transfer": {"Account: grant"},
    "economics.add_usage": {"Usage: correct"},
    "economics.change_alert": {"Alert: mark_as_seen"},
    "economics.change_envelope": {
        *("Envelope: freeze", "Envelope: grant", "Envelope: mark_granted", "Envelope: set_line", "Envelope: unfreeze"),
        "Grant: end",
    },
    "economics.change_languagemodel": {"LanguageModel: move", "LanguageModel: switch_off", "LanguageModel: switch_on"},
    "economics.change_observation": {"Observation: withdraw"},
    "economics.change_price": {"Price: withdraw"},
    "economics.change_reservation": {"Reservation: release"},
    "economics.change_review": {"Review: apply_review", "Review: discard_review"},
    "economics.change_signalsource": {"SignalSource: activate", "SignalSource: deactivate"},
    "governance.add_proposal": {
        *("Proposal: amend", "Proposal: attach", "Proposal: detach", "Proposal: submit", "Proposal: withdraw"),
    },
    "governance.close_proposal": {"Proposal: close_early"},
    "governance.confirm_proposal": {"Proposal: confirm"},
    "governance.enact_policy": {"Proposal: enact"},
    "governance.vote_proposal": {"Proposal: vote"},
}
IMPLIED: Final = {"auction.change_round": {"Round: replay"}}  # who may change rows may see them, as Django has it
OF_ROLES: Final = {
    "reviewer": {
        *("economics.change_alert", "economics.change_review", "auction.view_round", "governance.add_proposal"),
        *("governance.confirm_proposal", "governance.vote_proposal"),
    },
    "auditor": {"auction.view_round"},
    "operator": {
        *("auction.change_pool", "auction.change_quest", "auction.view_round", "config.add_agentkey"),
        *("config.change_agentkey", "django_celery_beat.change_periodictask", "economics.add_account"),
        *("economics.add_pause", "economics.add_price", "economics.change_alert", "economics.change_languagemodel"),
        *("economics.change_price", "economics.change_reservation", "economics.change_signalsource"),
    },
}
# Pages that stand beside those of rows, each with the rights of which none may lack.
PAGES: Final = {
    "auction_book": {"auction.view_bid"},
    "auction_wallet": {"economics.view_account", "economics.view_transfer"},
    "auction_wallet_export": {"economics.view_account", "economics.view_transfer"},
    "auction_wallet_release": {"auction.change_pool", "economics.view_account", "economics.view_transfer"},
    "auction_auditrun_run": {"auction.add_auditrun"},
    "economics_price_import": {"economics.add_price", "economics.add_languagemodel"},
    "economics_price_unpriced": {"economics.view_usage"},
    "economics_review_draft": {"economics.change_review"},
    "governance_chain": {"economics.view_envelope"},
    "governance_proposal_amend": {"governance.add_proposal"},
    "governance_queue_vote": {"governance.vote_proposal"},
}
# Others are pages of a model that whoever may see its rows opens: files of a list, what follows from the rows.
OF_ROWS: Final = {"auction_round_replay", "economics_review_what_if", "governance_proposal_follow_up"}
OF_EACH_MODEL: Final = ("_changelist", "_add", "_change", "_history", "_delete", "_export", "_password_change")
OF_DJANGO: Final = {"app_list", "view_on_site"}  # which ask for rights on the models that they lead to


class House(NamedTuple):
    """The last row of each model, and somebody on the staff, signed in."""

    rows: list[Model]
    person: User
    client: Client


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Let everything have happened just now; the log of what is refused is left out."""
    monkeypatch.setattr(timezone, "now", lambda: after(60))
    everything.once()
    found = (model._default_manager.order_by("pk").last() for model in _models())  # noqa: SLF001 - public
    person = User.objects.create_user("somebody", is_staff=True)
    client = Client(raise_request_exception=False)
    client.force_login(person)
    logging.disable(logging.ERROR)
    yield House([row for row in found if row is not None], person, client)
    logging.disable(logging.NOTSET)


def _models() -> list[type[Model]]:
    return list(admin.site._registry)  # noqa: SLF001 - public


def _rights() -> set[str]:
    found = Permission.objects.values_list("content_type__app_label", "codename")
    return {f"{app}.{code}" for app, code in found}


def _of(model: type[Model], *verbs: str) -> set[str]:
    """Return the rights to do so with rows of a model."""
    named = model._meta  # noqa: SLF001 - public
    return {f"{named.app_label}.{verb}_{named.model_name}" for verb in verbs or ("add", "change", "delete", "view")}


def _all_but(person: User, lacking: Collection[str]) -> None:
    """Give a person every right but these."""
    named = {
        (one.content_type.app_label, one.codename): one for one in Permission.objects.select_related("content_type")
    }
    person.user_permissions.set([one for (app, code), one in named.items() if f"{app}.{code}" not in lacking])


# Deeds


def _offered(rights: Collection[str]) -> set[str]:
    """Return the deeds that lists offer to somebody with just these rights."""
    request = HttpRequest()
    person: Any = SimpleNamespace(has_perm=lambda right: right in rights, is_active=True, is_superuser=False)
    request.user = person
    return {
        f"{model.__name__}: {deed}"
        for model in _models()
        for deed in admin.site.get_model_admin(model).get_actions(request)
    }


def _given(right: str) -> set[str]:
    """Return the deeds that a right gives by itself."""
    deleting = {f"{model.__name__}: delete_selected" for model in _models() if right in _of(model, "delete")}
    return DEEDS.get(right, set()) | IMPLIED.get(right, set()) | (deleting & _deleting())


def _deleting() -> set[str]:
    return {deed for deed in _offered(_rights()) if deed.endswith(": delete_selected")}


def test_each_deed_is_offered_by_one_right_and_by_no_other() -> None:
    rights = _rights()
    assert {right: _offered({right}) for right in rights} == {right: _given(right) for right in rights}
    assert len(rights) > 250


@pytest.mark.parametrize("role", ["reviewer", "auditor", "operator"])
def test_a_role_is_offered_the_deeds_of_its_rights(role: str) -> None:
    roles.ensure()
    given = roles.rights()[roles.BY_NAME[role]]
    assert _offered(given) == set().union(*(DEEDS[right] for right in OF_ROLES[role]))


def test_a_chair_is_offered_what_a_reviewer_is_and_the_deeds_of_the_chair() -> None:
    roles.ensure()
    more = _offered(roles.rights()[roles.CHAIR]) - _offered(roles.rights()[roles.REVIEWER])
    assert more == DEEDS["governance.close_proposal"] | DEEDS["governance.enact_policy"]


# Pages


def test_who_has_no_right_opens_what_is_for_all_of_the_staff(house: House) -> None:
    plain = [one.path for one in addresses.every() if not one.path.startswith("/api/") and one.name != "logout"]
    rows = [page(type(row), row.pk, kind=kind) for row in house.rows for kind in ("", "history", "delete")]
    opened = {address for address in (*plain, *rows) if house.client.get(address).status_code == 200}
    assert opened == FOR_STAFF | (OPEN & opened)


def test_the_rights_on_all_else_open_no_page_of_a_model(house: House) -> None:
    opened = []
    for row in house.rows:
        _all_but(house.person, _of(type(row)))
        model = type(row)._meta  # noqa: SLF001 - public
        own = [one.path for one in addresses.every() if one.name.startswith(f"{model.app_label}_{model.model_name}_")]
        own = [one for one in own if one.endswith("/export/")]
        asked = [page(type(row)), page(type(row), kind="add"), *own]
        asked += [page(type(row), row.pk, kind=kind) for kind in ("", "history", "delete")]
        opened += [address for address in asked if house.client.get(address).status_code != 403]
    assert opened == []


def test_no_other_right_opens_a_page_beside_those_of_rows(house: House) -> None:
    named = {one.name: one.path for one in addresses.every() if one.path.startswith("/admin/") and "_" in one.name}
    beside = {name for name, path in named.items() if not name.endswith(OF_EACH_MODEL) and path not in FOR_STAFF}
    assert (beside | set(PAGES)) - OF_ROWS == set(PAGES) | OF_DJANGO
    for name, rights in PAGES.items():
        for right in rights:
            _all_but(house.person, {right})
            answers = {house.client.get(named[name]).status_code, house.client.post(named[name]).status_code}
            assert (name, right, answers - {405}) == (name, right, {403})  # some answer one of the two only
    for name in OF_ROWS:
        app, model, _page = name.split("_", 2)
        _all_but(house.person, {f"{app}.view_{model}", f"{app}.change_{model}"})
        assert (name, house.client.get(named[name]).status_code) == (name, 403)


# People


def test_who_looks_after_accounts_makes_nobody_more_than_they_are(house: House) -> None:
    house.person.user_permissions.set(
        Permission.objects.filter(codename__in=["view_user", "change_user", "delete_user"])
    )
    root, other = User.objects.create_superuser("root"), User.objects.create_user("other")
    assert house.client.post(page(User, root.pk), {"username": "mine"}).status_code == 403
    assert house.client.get(f"/admin/config/user/{root.pk}/password/").status_code == 403
    assert house.client.post(page(User, root.pk, kind="delete"), {"post": "yes"}).status_code == 403
    everything_else = {"date_joined_0": "2026-03-02", "date_joined_1": "12:00", "is_active": "on", "username": "other"}
    forged = {"is_superuser": "on", "groups": [one.pk for one in Group.objects.all()]}
    forged["user_permissions"] = [one.pk for one in Permission.objects.all()]
    for person in (other, house.person):
        sent = {**everything_else, "username": person.username, "email": "new@example.org", "is_staff": "on", **forged}
        assert house.client.post(page(User, person.pk), sent).status_code == 302
        now = User.objects.get(pk=person.pk)
        assert (now.email, now.is_superuser, now.groups.count()) == ("new@example.org", False, 0)
    assert house.person.user_permissions.count() == 3
    assert other.user_permissions.count() == 0


def test_who_looks_after_groups_gives_them_no_rights(house: House) -> None:
    house.person.user_permissions.set(Permission.objects.filter(codename__in=["view_group", "change_group"]))
    group = Group.objects.get(name="group")
    sent = {"name": "renamed", "permissions": [one.pk for one in Permission.objects.all()]}
    assert house.client.post(page(Group, group.pk), sent).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("renamed", 0)
