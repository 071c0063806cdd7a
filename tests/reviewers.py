"""People at the admin: who they are, what they press and what the next page says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.urls import reverse

from config.models import User

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client


def root(client: Client) -> Client:
    """Sign a superuser in, who has no password: to hash one takes longer than most tests."""
    client.force_login(User.objects.create_superuser("root"))
    return client


def staff(client: Client, *permissions: str) -> Client:
    """Sign a member of staff in who has just these permissions, each named `app.codename`."""
    person = User.objects.create_user("ann", is_staff=True)
    named = [permission.split(".") for permission in permissions]
    person.user_permissions.set(
        Permission.objects.get(content_type__app_label=app, codename=code) for app, code in named
    )
    client.force_login(person)
    return client


def page(model: type[Model], pk: object = None, *, kind: str = "") -> str:
    """Return the address of a model's list, of its form for a new row (`add`) or of one row's page."""
    args = [] if pk is None else [pk]
    name = kind or ("changelist" if pk is None else "change")
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)  # noqa: SLF001 - public


def press(client: Client, deed: str, *rows: Model, **fields: object) -> Any:
    """Choose rows of a list and press a deed; with fields, confirm it."""
    return client.post(page(type(rows[0])), {"action": deed, "_selected_action": [row.pk for row in rows], **fields})


def offered(client: Client, model: type[Model]) -> list[str]:
    """Return the deeds that a list offers to the person signed in."""
    form = client.get(page(model)).context["action_form"]
    return [] if form is None else [name for name, _text in form.fields["action"].choices if name]


def said(response: Any) -> list[str]:
    """Return the messages that the next page shows."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def listed(response: Any) -> str:
    """Return a list's page without the classes and labels that only dress its cells."""
    cells = re.sub(r'<(t[dh]) class="(field-\w+)[^"]*"[^>]*>', r'<\1 class="\2">', response.content.decode())
    return re.sub(r'(<th class="field-\w+"><a href="[^"]*")[^>]*>', r"\1>", cells)


def column(response: Any, name: str) -> list[str]:
    """Return what a list shows in a column, row by row, without its markup."""
    cells = re.findall(rf'<t[dh] class="field-{name}">(.*?)</t[dh]>', listed(response), re.DOTALL)
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]
