"""The Resources page: how the whole house stands, in tabs, for everybody on the staff."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from config import content_policy
from governance.pages import budgets, market, quests, usage


class _Context(Protocol):
    def __call__(self, request: HttpRequest, *, now: datetime) -> dict[str, Any]:
        """Return what a tab shows."""


TABS: Final[Mapping[str, tuple[str, _Context]]] = {
    "budgets": ("Budgets", budgets.context),
    "usage": ("Usage", usage.context),
    "quests": ("Quests", quests.context),
    "auction": ("Auction", market.context),
}


def _for_staff(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let people of the staff in and lead all others to the login page, as every page of the admin does."""

    def guarded(request: HttpRequest, **named: Any) -> HttpResponse:
        return admin.site.admin_view(view)(request, **named)

    return content_policy.drawn_by_unfold(guarded)


@_for_staff
def page(request: HttpRequest, tab: str = "budgets") -> HttpResponse:
    """Show a tab."""
    title, context = TABS[tab]
    tabs = [(one, reverse("resources_tab", args=[name]), name == tab) for name, (one, _context) in TABS.items()]
    shown = {
        **admin.site.each_context(request),
        "title": f"Resources: {title}",
        "tabs": tabs,
        **context(request, now=timezone.now()),
    }
    return TemplateResponse(request, f"resources/{tab}.html", shown)


@_for_staff
def live(request: HttpRequest) -> HttpResponse:
    """Return the part of the Auction tab that its script fetches again and again."""
    return render(request, "resources/live.html", market.context(request, now=timezone.now()))
