"""Live deployments of others: `legacy(name)` gives one as it was found, `adopted(name)` one that was taken over."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from tests import adoptions, cluster, legacy_worlds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import DjangoDbBlocker

    World = Callable[[str], str]


@pytest.fixture
def legacy(django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Give fresh copies of the worlds in `tests/legacy`, by name; Django and programs use the last one asked for."""
    yield from _worlds(django_db_blocker, legacy_worlds.template)


@pytest.fixture
def found(django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Give fresh copies of worlds beside which our own tables stand, empty: the slow first step of an adoption."""
    yield from _worlds(django_db_blocker, adoptions.found)


@pytest.fixture
def adopted(django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Give fresh copies of worlds that were adopted, once a run each."""
    yield from _worlds(django_db_blocker, adoptions.template)


def _worlds(blocker: DjangoDbBlocker, template: Callable[[str, str], str]) -> Iterator[World]:
    server = os.environ["DATABASE_URL"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(blocker.unblock())

        def world(name: str) -> str:
            url = stack.enter_context(cluster.clone(server, template(server, name)))
            stack.enter_context(adoptions.pointed_at(url))
            return url

        yield world
