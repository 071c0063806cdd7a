"""People who sign in, by role, with a password that they can type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.test import Client

from config.models import User
from governance import roles

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PASSWORD: Final = "long and plain enough"  # noqa: S105 - of people who exist for a test
NAMES: Final = {"reviewer": "ada", "chair": "cato", "auditor": "aulus", "operator": "otto", "root": "root"}


def person(role: str, name: str = "") -> User:
    """Return a member of staff with this role (a name of `roles.BY_NAME`, or root, who may do everything)."""
    named = name or NAMES[role]
    if found := User.objects.filter(username=named).first():
        return found
    if role == "root":
        return User.objects.create_superuser(named, password=PASSWORD)
    somebody = User.objects.create_user(named, password=PASSWORD)
    roles.give(somebody, role)
    return somebody


def sign_in(person: User, context: BrowserContext, url: str) -> None:
    """Let a browser be signed in as a person from now on, as if a form had been sent."""
    client = Client()
    client.force_login(person)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url, "httpOnly": True}])
