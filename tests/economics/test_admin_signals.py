"""Sources and signals in the admin: who registers, who switches, and what an envelope's page says of the market."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from economics import errors, signals
from economics.models import Envelope, Signal, SignalSource
from tests import factories, reviewers
from tests.economics import exchanges
from tests.factories import refused
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _add(client: Client, **fields: Any) -> Any:
    terms = {"name": "futures", "title": "Idea futures", "kind": "price", "is_probability": "on", **fields}
    given = {name: value for name, value in terms.items() if value is not None}
    return client.post(page(SignalSource, kind="add"), given)


def test_a_source_is_registered_with_the_name_of_who_did_it(root: Client) -> None:
    factories.agent("ise", kind="exchange")
    assert _add(root, agent="ise").status_code == 302
    made = SignalSource.objects.get()
    assert (made.pk, made.agent_id, made.agent_kind, made.is_active, made.registered_by) == (
        *("futures", "ise", "exchange", True, "root"),
    )
    assert _add(root, name="survey", kind="confidence").status_code == 302
    shown = root.get(page(SignalSource)).content.decode()
    assert [name in shown for name in ("futures", "survey", "probabilities")] == [True] * 3


@pytest.mark.parametrize(
    ("fields", "said_of"),
    [
        ({"name": "a market"}, "name"),
        ({"name": "taken"}, "name"),
        ({"kind": "confidence", "is_probability": None}, "is_probability"),
        ({"agent": "worker"}, "agent"),
    ],
)
def test_a_source_that_cannot_be_is_refused_on_the_page(root: Client, fields: dict[str, Any], said_of: str) -> None:
    exchanges.source("taken")
    factories.agent("worker")
    response = _add(root, **fields)
    assert (response.status_code, said_of in response.context["adminform"].form.errors) == (200, True)
    assert SignalSource.objects.count() == 1


def test_what_a_source_is_never_changes(root: Client) -> None:
    by = exchanges.source("futures")
    assert root.post(page(SignalSource, by.pk), {"kind": "confidence"}).status_code == 403
    shown = root.get(page(SignalSource, by.pk)).content.decode()
    assert 'name="kind"' not in shown
    assert f"{page(Signal)}?source__name__exact=futures" in shown


def test_sources_are_switched_off_and_on_for_a_reason(root: Client) -> None:
    by = exchanges.source("futures")
    assert press(root, "deactivate", by).context["title"] == "Deactivate sources"
    response = press(root, "deactivate", by, confirmed="yes", reason="prices look staged")
    assert said(response) == ["Sources deactivated: 1."]
    with refused(errors.SourceInactiveError):
        signals.post(exchanges.posted(by, "h1", "0.5", None), agent=None, now=timezone.now())
    press(root, "activate", by, confirmed="yes", reason="they were not")
    by.refresh_from_db()
    assert by.is_active
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Deactivated: prices look staged",
        "Activated: they were not",
    ]


def test_only_who_may_switches_sources(client: Client) -> None:
    exchanges.source("futures")
    looks = staff(client, "economics.view_signalsource")
    assert offered(looks, SignalSource) == []


def test_signals_are_read_and_found_by_entity(root: Client) -> None:
    by = exchanges.source("futures")
    for name, value in (("h1", "0.25"), ("h2", "0.75")):
        exchanges.signal(by, name, value)
    found = root.get(page(Signal), {"q": "h2"}).content.decode()
    assert re.findall(r"hypothesis:h\d", found) == ["hypothesis:h2"]
    assert "as it is" in found


def test_an_envelopes_page_says_what_the_market_says_and_why_it_does_not_count(root: Client) -> None:
    own = factories.envelope("h1")
    silent = root.get(page(Envelope, own.pk)).content.decode()
    assert "nothing: the weight goes back to 0" in silent
    assert "The Senate has not granted it. Its priority score is below 0.5." in silent
    by = exchanges.source("futures")
    now = timezone.now()
    signals.post(exchanges.posted(by, "h1", "0.9", now), agent=None, now=now)
    factories.market(own, Decimal("0.1"))
    lifted = root.get(page(Envelope, own.pk)).content.decode()
    assert "confidence 0.7000 by 1 daily signal, which asks for a weight of 0.4" in lifted
    assert "open: the market may lift it" in lifted
