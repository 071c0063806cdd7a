"""A database for every test: one cluster per run, one migrated template, clones of it.

`db` (pytest-django): the test runs in a transaction that is rolled back. The usual choice.
`committed_db`: the test really commits, in a fresh clone of its own, dropped afterwards; it yields the
clone's address, which programs started by the test find in `DATABASE_URL`. Under `races/` and `crashes/`
the clone lies in a server with fsync on. pytest-django's `transactional_db` is not for this project: it
empties tables that laws protect, and takes the fixtures of the house with it.
"""

from __future__ import annotations

import atexit
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import django
import hypothesis
import pytest
from django.conf import settings

from tests import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

# How fast examples come depends on what else the machine does; that is no property of ours.
hypothesis.settings.register_profile("house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("house")

DAY, MOMENTS = 86_400, 30  # seconds
DURABLE = {"races", "crashes", "benchmarks"}  # folders whose tests need fsync as in real life


def _begin() -> None:
    """Start the run's cluster and set Django up on it, before anything imports a model.

    Workers of pytest-xdist are started by the process that owns the cluster and inherit its address.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        run = cluster.ScratchCluster(durable=False)
        atexit.register(run.stop)
        os.environ["DATABASE_URL"] = run.start().url
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    # Every test client builds the middleware anew, and listing all static files takes longer than most requests.
    settings.WHITENOISE_AUTOREFRESH = True  # a file is then looked for when it is asked for


_begin()


@pytest.fixture(autouse=True)
def _away_from_midnight() -> None:
    """Begin no test in the last moments of a day in UTC: many ask, by the clock, what the day has come to."""
    left = DAY - time.time() % DAY
    if left < MOMENTS:
        time.sleep(left)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give every worker a clone of the template, in place of pytest-django's test database."""
    with (
        django_db_blocker.unblock(),
        cluster.clone(os.environ["DATABASE_URL"]) as url,
        cluster.pointed_at(url),
    ):
        yield


@pytest.fixture(scope="session")
def durable_server() -> Iterator[str]:
    """Start a server with fsync on, one per worker, the first time a test asks; yields its address."""
    with cluster.ScratchCluster(durable=True) as started:
        yield started.url


@pytest.fixture
def committed_db(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Give the test a database of its own to commit in; yields its address."""
    del django_db_setup
    server = os.environ["DATABASE_URL"]
    if DURABLE & set(Path(request.path).parts):
        server = request.getfixturevalue("durable_server")
    with django_db_blocker.unblock(), cluster.clone(server) as url, cluster.pointed_at(url):
        yield url
