"""The menu: every page once, for those who may open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from config import sidebar
from economics.models import Account
from tests import factories, reviewers
from tests.reviewers import staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def menu(client: Client, address: str) -> list[dict[str, Any]]:
    """Return the menu that a page shows."""
    groups: list[dict[str, Any]] = client.get(address).context["sidebar_navigation"]
    return groups


def test_every_list_stands_in_the_menu_once(client: Client) -> None:
    registered = {
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"  # noqa: SLF001 - public
        for model in admin.site._registry  # noqa: SLF001
    }
    named = [entry.name for group in sidebar.GROUPS for entry in group.entries]
    assert len(named) == len(set(named))
    assert {name for name in named if name.endswith("_changelist")} == registered
    shown = menu(reviewers.root(client), reverse("admin:index"))
    assert len([item for group in shown for item in group["items"]]) >= len(registered)


def test_the_menu_shows_what_a_person_may_open(client: Client) -> None:
    shown = menu(staff(client, "auction.view_pool", "config.view_agent"), reverse("admin:index"))
    assert {group["title"] for group in shown} == {"", "Auction", "Agents and keys", "Records"}
    assert [item["title"] for group in shown if group["title"] == "Auction" for item in group["items"]] == ["Pools"]


def test_the_menu_marks_the_page_and_opens_its_group(client: Client) -> None:
    reviewers.root(client)
    for address, title, group_title in (
        (reverse("admin:index"), "Home", ""),
        (reverse("admin:economics_review_what_if"), "What if…", "Reviews"),
        (reverse("admin:economics_reviewline_changelist"), "Lines of reviews", "Reviews"),
        (reverse("admin:config_agent_add"), "Agents", "Agents and keys"),
    ):
        shown = menu(client, address)
        marked = [(item["title"], group["title"]) for group in shown for item in group["items"] if item["active"]]
        assert marked == [(title, group_title)]
        assert all(group["is_open"] for group in shown if group["title"] == group_title != "")


def test_a_stranger_gets_no_menu(client: Client) -> None:
    assert client.get(reverse("admin:login")).context["sidebar_navigation"] == []


def test_a_list_has_the_name_that_the_menu_gives_it(client: Client) -> None:
    reviewers.root(client)
    account = factories.wallet(1)
    assert "<h1>Wallets and accounts" in client.get(reviewers.page(Account)).content.decode()
    assert ">Wallets and accounts</a>" in client.get(reviewers.page(Account, account.pk)).content.decode()
    assert sidebar.list_title(ContentType._meta) == "Content types"  # noqa: SLF001 - Django's public name for it
