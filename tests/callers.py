"""Agents that call the API, as a test sees them: a key of their own and a request per line."""

from __future__ import annotations

import functools
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.test import Client

from config import keys
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from config.models import Agent, User

MARKET: Final = "/api/compute-auction"
BOOKS: Final = "/api/economics"
SENATE: Final = "/api/governance"
_numbers = itertools.count(1)


def now() -> datetime:
    """Return the time by the clock, which the API goes by."""
    return datetime.now(UTC)


def ahead(**time: float) -> str:
    """Return a time that lies so far ahead of now, as a body spells it."""
    return (now() + timedelta(**time)).isoformat()


class Caller:
    """An agent with a key."""

    def __init__(self, agent: Agent, scopes: Collection[str] | None = None) -> None:
        """Issue it a key, with all scopes of its kind when none are named."""
        self.agent = agent
        self.key, self.secret = keys.issue(agent=agent, scopes=scopes, now=now())
        self._client = Client(headers={"authorization": f"Bearer {self.secret}"}, raise_request_exception=False)

    def get(self, path: str, **query: object) -> Response:
        """Read."""
        return self._client.get(path, {name: str(value) for name, value in query.items()})

    def delete(self, path: str) -> Response:
        """Delete."""
        return self._client.delete(path)

    def post(self, path: str, body: object = None, *, key: str | None = "new", **headers: str) -> Response:
        """Send a body as JSON, under a new Idempotency-Key when none is given; None sends no key."""
        return self.send(path, b"" if body is None else json.dumps(body).encode(), key=key, **headers)

    def send(
        self, path: str, body: bytes, *, key: str | None = "new", kind: str = "application/json", **headers: str
    ) -> Response:
        """Send a body as it is."""
        if key is not None:
            headers["idempotency-key"] = f"key-{next(_numbers)}" if key == "new" else key
        return self._client.post(path, body, content_type=kind, headers=headers)


@functools.cache
def _of_a_page() -> tuple[str, str]:
    """Return the CSRF cookie and token of a page of the admin; they name nobody, so one page is read for all."""
    stranger = Client()
    token = stranger.get("/admin/login/").context["csrf_token"]
    return stranger.cookies["csrftoken"].value, str(token)


class Person:
    """Somebody signed in, with the CSRF token of a page of the admin."""

    def __init__(self, user: User) -> None:
        """Sign the person in."""
        self.user = user
        self._client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self._client.force_login(user)
        self._client.cookies["csrftoken"], self._token = _of_a_page()

    def get(self, path: str, **query: object) -> Response:
        """Read."""
        return self._client.get(path, {name: str(value) for name, value in query.items()})

    def delete(self, path: str) -> Response:
        """Delete."""
        return self._client.delete(path, headers={"x-csrftoken": self._token})

    def post(self, path: str, body: object = None, *, key: str | None = "new") -> Response:
        """Send a body as JSON, under a new Idempotency-Key when none is given; None sends no key."""
        headers = {"x-csrftoken": self._token}
        if key is not None:
            headers["idempotency-key"] = f"key-{next(_numbers)}" if key == "new" else key
        sent = b"" if body is None else json.dumps(body).encode()
        return self._client.post(path, sent, content_type="application/json", headers=headers)


def caller(kind: str = "worker", *, name: str = "", scopes: Collection[str] | None = None) -> Caller:
    """Return a new agent of this kind with a key."""
    return Caller(factories.agent(name, kind=kind), scopes)


def trader(tokens: int = 1_000_000, *, name: str = "") -> Caller:
    """Return a new worker with a key and so many tokens in its wallet."""
    worker = caller(name=name)
    factories.wallet(tokens, owner=worker.agent)
    return worker


def bid(task_id: str, price: int = 100, **terms: object) -> dict[str, object]:
    """Return the body of a bid that lives for an hour."""
    return {"task_id": task_id, "max_price_tokens": price, "ttl_at": ahead(hours=1), **terms}


def problem(response: Response) -> Mapping[str, Any]:
    """Return the problem a response carries, having checked its form (RFC 9457)."""
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(response.content)
    assert list(document) == ["type", "title", "status", "code", "detail", "instance", "errors", "figures"]
    assert document["status"] == response.status_code
    assert document["type"] == f"/api/problems/#{document['code']}"
    assert all({"code", "detail", "pointer"} <= fault.keys() for fault in document["errors"])
    return document
