"""A key is found whether or not the connection kept from the last request still stands, and nothing is asked before."""

from __future__ import annotations

import psycopg
import pytest
from django.db import OperationalError, close_old_connections, connection, transaction

from config import keys
from tests.factories import NOON, after, agent


def _end_the_connection(url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])


def test_a_key_is_found_over_a_new_connection_where_the_one_kept_has_ended(committed_db: str) -> None:
    _key, secret = keys.issue(agent=agent("worker"), now=NOON)
    for second in (1, 2):
        _end_the_connection(committed_db)
        close_old_connections()  # as a request does that begins
        found = keys.authenticate(secret, now=after(second))
        assert found is not None
        assert found.agent.pk == "worker"


def test_inside_a_transaction_a_connection_that_ended_is_said_to_have(committed_db: str) -> None:
    _key, secret = keys.issue(agent=agent(), now=NOON)

    def ask() -> None:
        with transaction.atomic():
            _end_the_connection(committed_db)
            keys.authenticate(secret, now=after(1))

    with pytest.raises(OperationalError):
        ask()


@pytest.mark.usefixtures("committed_db")
def test_the_key_is_the_first_that_a_request_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    _key, secret = keys.issue(agent=agent(), now=NOON)
    keys.authenticate(secret, now=after(1))
    close_old_connections()
    assert not connection.health_check_done  # type: ignore[attr-defined] # missing in the stubs
    monkeypatch.setattr(connection, "is_usable", lambda: pytest.fail("asked before"))
    assert keys.authenticate(secret, now=after(2)) is not None
