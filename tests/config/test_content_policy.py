"""The Content-Security-Policy of every answer, and that pages keep to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import ResolverMatch, reverse

from auction.models import Bid, Pool
from config import content_policy
from config.models import Agent, User
from tests import factories, reviewers
from tests.reviewers import page, press

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import Client

pytestmark = pytest.mark.django_db

INLINE = re.compile(r"<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=|javascript:|(?:src|href)=\"(?:https?:)?//")


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


@pytest.mark.parametrize("address", ["/healthz", "/api/", "/api/docs/", "/api/schema/", "/nowhere", "/"])
def test_nothing_is_evaluated_outside_the_admin(client: Client, address: str) -> None:
    assert client.get(address)["Content-Security-Policy"] == content_policy.STRICT
    assert "unsafe" not in content_policy.STRICT


def test_pages_of_the_admin_may_evaluate_and_nothing_more(client: Client) -> None:
    policy = client.get(reverse("admin:login"))["Content-Security-Policy"]
    assert policy == content_policy.EVALUATED
    assert policy.replace(" 'unsafe-eval'", "") == content_policy.STRICT


def test_a_page_elsewhere_that_stands_in_the_admins_frame_says_so() -> None:
    def plain(_request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    @content_policy.drawn_by_unfold
    def framed(_request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    for view, policy in ((plain, content_policy.STRICT), (framed, content_policy.EVALUATED)):
        request = RequestFactory().get("/")
        request.resolver_match = ResolverMatch(view, (), {})
        assert content_policy.middleware(view)(request)["Content-Security-Policy"] == policy


def test_a_policy_that_a_view_gives_stays() -> None:
    def own(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Content-Security-Policy": "sandbox"})

    request = RequestFactory().get("/")
    assert content_policy.middleware(own)(request)["Content-Security-Policy"] == "sandbox"


def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(root: Client) -> None:
    pool, agent = factories.pool(), factories.agent()
    factories.bid(factories.wallet(100), 10, pool)
    addresses = [
        *(reverse("admin:index"), reverse("docs"), reverse("admin:password_change")),
        *(page(Bid), page(Pool, pool.pk), page(Pool, pool.pk, kind="history"), page(Agent, kind="add")),
        *(page(User, kind="add"), page(User, User.objects.get(username="root").pk)),
    ]
    shown = {address: root.get(address).content.decode() for address in addresses}
    shown["a page of confirmation"] = press(root, "issue_key", agent).content.decode()
    root.logout()
    shown["login"] = root.get(reverse("admin:login")).content.decode()
    assert {address: INLINE.findall(text) for address, text in shown.items() if INLINE.search(text)} == {}
