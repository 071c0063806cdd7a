"""People and their groups in the admin: passwords given and taken away, deletions asked about, what an app lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group

from config.models import Agent, User
from tests import reviewers
from tests.reviewers import page, press

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def test_a_password_is_given_and_taken_away(root: Client) -> None:
    eve = User.objects.create(username="eve")
    address = f"/admin/config/user/{eve.pk}/password/"
    assert "&lt;" not in root.get(address).content.decode()  # words, not what would draw them
    new = {"password1": "quite another phrase", "password2": "quite another phrase"}
    for choice, works in (("true", True), ("false", False)):
        assert root.post(address, {**new, "usable_password": choice, "unset-password": ""}).status_code == 302
        eve.refresh_from_db()
        assert eve.has_usable_password() is eve.check_password("quite another phrase") is works
    wrong = root.post(address, {**new, "password2": "other", "usable_password": "true", "unset-password": ""})
    assert 'class="errorlist"' in wrong.content.decode()


def test_a_deletion_says_what_would_be_gone_and_then_does_it(root: Client) -> None:
    roles = [Group.objects.create(name=name) for name in ("one", "two", "three")]
    asked = root.get(page(Group, roles[0].pk, kind="delete")).content.decode()
    assert "cannot be brought back" in asked
    assert "Group: <a " in asked
    root.post(page(Group, roles[0].pk, kind="delete"), {"post": "yes"})
    both = press(root, "delete_selected", *roles[1:]).content.decode()
    assert "Groups: 2" in both
    press(root, "delete_selected", *roles[1:], post="yes")
    assert not Group.objects.filter(name__in=["one", "two", "three"]).exists()


def test_what_other_rows_stand_on_is_not_deleted(root: Client) -> None:
    person = User.objects.create(username="eve")
    Agent.objects.create(id="bot", kind="worker", sponsor=person)
    asked = root.get(page(User, person.pk, kind="delete")).content.decode()
    assert "This cannot be deleted" in asked
    assert ">Delete</button>" not in asked


def test_an_app_lists_what_a_person_may_see(client: Client) -> None:
    shown = reviewers.staff(client, "config.view_agent").get("/admin/config/").content.decode()
    assert f'<li><a href="{page(User)}">' not in shown
    assert '<li><a href="/admin/config/agent/">Agents</a></li>' in shown
