"""Whatever stands in an address, no page falls over: each parameter of each page is given what makes no sense."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.models import Agent, AgentKey, User
from economics.models import Envelope, Usage
from tests import addresses, everything, reviewers
from tests.factories import after
from tests.reviewers import page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("default::RuntimeWarning"),  # a time without its zone, as Django reads one
]
POISON: Final = ("\0", "9" * 40, "-1", "\N{SNOWMAN}\N{ARABIC-INDIC DIGIT THREE}", "2026-02-31", "")
WORST: Final = POISON[:2]
OF_LISTS: Final = {"p", "o", "q", "all", "older", "newer"}
# What the admin and pages of our own read from any address; beside `_to_field`, which hides the others where refused.
OF_PAGES: Final = {"_popup", "_changelist_filters", "_facets", "e", "next", "p", "page", "changes", "pool", "after"} | {
    *("since", "until", "days", "app_label", "model_name", "field_name", "term", "s", "extended"),
}


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Let everything have happened just now, and sign a superuser in; the log of what is refused is left out."""
    monkeypatch.setattr(timezone, "now", lambda: after(60))
    everything.once()
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    logging.disable(logging.CRITICAL)
    yield client
    logging.disable(logging.NOTSET)


def _falls(client: Client, address: str, query: Any = None) -> bool:
    """Tell whether a page fails, or leads out of the house; a file is read to its end."""
    answer: Any = client.get(address, query)
    if answer.streaming:
        b"".join(answer.streaming_content)
    return bool(answer.status_code >= 500 or urlsplit(answer.headers.get("Location", "")).netloc)


def _own() -> list[str]:
    """Return every page of people that is no list and no row, but that where they sign out."""
    plain = [one for one in addresses.every() if not one.is_made_up and not one.path.startswith("/api/")]
    return [one.path for one in plain if not one.name.endswith(("_changelist", "logout"))]


def _rows() -> Iterator[str]:
    """Yield the pages of a row of each model."""
    for model in admin.site._registry:  # noqa: SLF001 - public
        row = model._default_manager.order_by("pk").last()  # noqa: SLF001 - public
        yield from () if row is None else (page(model, row.pk, kind=kind) for kind in ("", "history", "delete"))


def test_no_list_falls_over_what_it_is_narrowed_to(root: Client) -> None:
    fallen, asked = [], 0
    for model in admin.site._registry:  # noqa: SLF001 - public
        specs = root.get(page(model)).context["cl"].filter_specs
        names = OF_LISTS.union(*(spec.expected_parameters() for spec in specs))
        for place, name in enumerate(sorted(names)):
            for poison in (*POISON, *POISON)[place % len(POISON) :][:3]:  # by turns: each list costs its rows
                fallen += [(page(model), name, poison)] if _falls(root, page(model), {name: poison}) else []
                asked += 1
    assert fallen == []
    assert asked > 1_500


def test_no_page_falls_over_what_its_address_says_beside_its_name(root: Client) -> None:
    asked = [(address, poison) for address in _own() for poison in (*POISON, "//elsewhere.example/")]
    asked += [(address, poison) for address in _rows() for poison in WORST]
    fallen = [(address, poison) for address, poison in asked if _falls(root, address, dict.fromkeys(OF_PAGES, poison))]
    assert fallen == []
    assert len(asked) > 600


@pytest.mark.parametrize("model", [User, Agent, Envelope, Usage])  # one of each base that pages of rows stand on
@pytest.mark.parametrize("kind", ["", "history", "delete"])
def test_no_row_is_found_by_a_column_that_is_none(root: Client, model: type[Model], kind: str) -> None:
    address = page(model, model._default_manager.latest("pk").pk, kind=kind)  # noqa: SLF001 - public
    assert [poison for poison in (*POISON, "pk", "nothing") if _falls(root, address, {"_to_field": poison})] == []


@pytest.mark.parametrize("name", ["%00", "9" * 40, "-1", "x", "_5F", "x" * 3_000])
def test_no_page_falls_over_the_name_of_a_row_that_is_not_there(root: Client, name: str) -> None:
    models = [model._meta for model in admin.site._registry]  # noqa: SLF001 - public
    rows = [f"/admin/{one.app_label}/{one.model_name}/{name}/" for one in models]
    asked = [f"{row}{kind}/" for row in rows for kind in ("change", "history", "delete")]
    asked += [
        f"/admin/{name}/",
        f"/resources/{name}/",
        f"/admin/r/{name}/{name}/",
        f"/admin/config/user/{name}/password/",
    ]
    asked += [f"/admin/auction/bid/wallet/{name}/{kind}" for kind in ("", "statement.csv", "release/")]
    asked += [f"/admin/auction/round/{name}/replay/", f"/admin/governance/proposal/{name}/amend/"]
    asked += [f"/admin/governance/proposal/entity/{name}/x/", f"/admin/governance/proposal/entity/x/{name}/"]
    assert [address for address in asked if _falls(root, address)] == []


def test_a_new_row_is_filled_in_with_what_its_columns_hold(root: Client) -> None:
    person = User.objects.get(username="person")
    filled = root.get(page(Agent, kind="add"), {"title": "T", "sponsor": str(person.pk)}).content.decode()
    assert 'value="T"' in filled
    assert f'<option value="{person.pk}" selected>person</option>' in filled
    began = root.get(page(PeriodicTask, kind="add"), {"start_time": "2026-03-02 12:00"}).content.decode()
    assert 'value="2026-03-02"' in began
    for model, name in ((Agent, "sponsor"), (PeriodicTask, "start_time"), (Envelope, "token_budget"), (User, "groups")):
        fallen = [one for one in (*POISON, "x", "1,x") if _falls(root, page(model, kind="add"), {name: one})]
        assert (name, fallen) == (name, [])


def test_of_a_column_that_is_not_shown_nothing_is_told(client: Client) -> None:
    everything.once()
    reader = reviewers.staff(client, "config.view_agentkey", "config.view_user", "config.view_agent")
    for model, name in ((AgentKey, "digest"), (AgentKey, "digest__gt"), (User, "password__startswith")):
        assert reader.get(page(model), {name: "a"}).status_code == 400
    assert reader.get(page(Agent), {"sponsor__password__startswith": "a"}).status_code == 400


def test_menus_to_choose_from_tell_nothing_to_who_may_not_read_it(client: Client) -> None:
    everything.once()
    query = {"app_label": "config", "model_name": "agent", "field_name": "sponsor", "term": "person"}
    reader = reviewers.staff(client, "config.add_agent", "config.change_agent", "config.view_agent")
    assert reader.get(reverse("admin:autocomplete"), query).status_code == 403
    reader.force_login(User.objects.create_superuser("root"))
    found = reader.get(reverse("admin:autocomplete"), query).json()["results"]
    assert [one["text"] for one in found] == ["person"]
