"""Taking over worlds of `tests/legacy` in this process, and keeping what came of it for the tests of a run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

from tests import cluster, legacy_worlds

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def pointed_at(url: str) -> Iterator[None]:
    """Make Django, and programs started meanwhile, work in our schema of a database of others."""
    ContentType.objects.clear_cache()
    with cluster.pointed_at(url, cluster.SCHEMA):
        yield
    ContentType.objects.clear_cache()


def adopt(url: str) -> None:
    """Take a database over."""
    with pointed_at(url):
        call_command("adopt", verbosity=0)


def place(table: str) -> str:
    """Return the name of the table behind one of our names, for statements that no view takes."""
    return f"public.{table}" if cluster.world() and table in legacy_worlds.TABLES else table


def found(server: str, name: str) -> str:
    """Return the template of a world beside which our tables stand: they are made once, for all worlds."""
    alone = cluster.template(server, "in_our_schema", _migrate)
    return cluster.template(server, f"found_{name}", lambda url: legacy_worlds.build(url, name), of=alone)


def template(server: str, name: str) -> str:
    """Return the template of a world that was taken over, made the first time anybody in this run asks."""
    return cluster.template(server, f"adopted_{name}", adopt, of=found(server, name))


def _migrate(url: str) -> None:
    with psycopg.connect(url) as session:
        session.execute(f"CREATE SCHEMA {cluster.SCHEMA}".encode())
    with pointed_at(url):
        call_command("migrate", verbosity=0, interactive=False)
