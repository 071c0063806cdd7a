"""The story of an entity in the admin: what it used lately, where its rows are, and what it costs to show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories, reviewers

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
STORY = reverse("admin:governance_chain", args=["hypothesis", "h1"])


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def test_it_tells_what_the_entity_used_lately(root: Client) -> None:
    envelope = factories.envelope("h1", tokens=1_000)
    factories.record(envelope, 250, at=timezone.now())
    shown = root.get(STORY).content.decode()
    assert re.search(r"<dt>LLM tokens used</dt><dd>250 <small>250 of them today</small>", shown)
    assert '<canvas class="chart" role="img" aria-label="LLM tokens by day' in shown


def test_its_ways_on_are_open(root: Client) -> None:
    factories.envelope("h1", tokens=1_000)
    ways = re.findall(r'href="(/admin/economics/[a-z]+/\?[^"]+)"', root.get(STORY).content.decode())
    assert len(ways) == 8
    assert {root.get(way.replace("&amp;", "&")).status_code for way in ways} == {200}


def test_it_takes_as_many_queries_for_much_usage_as_for_none(root: Client) -> None:
    envelope = factories.envelope("h1", tokens=1_000)
    root.get(STORY)
    counts = []
    for uses in (0, 40):
        for _ in range(uses):
            factories.record(envelope, 10, at=timezone.now())
        with CaptureQueriesContext(connection) as captured:
            root.get(STORY)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 25


@pytest.mark.parametrize("name", ["hypothesis/a%00b/", "a%00b/h1/"])
def test_a_name_that_no_column_holds_has_no_story(root: Client, name: str) -> None:
    assert root.get(STORY.replace("hypothesis/h1/", name)).status_code == 404
