"""Who may call what: 401 without a valid key, 403 without the scope, and never a look at another's things."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from config import keys
from config.api import views
from tests import callers
from tests.callers import MARKET

pytestmark = pytest.mark.django_db

EVERY_SCOPE = sorted(frozenset().union(*keys.SCOPES_BY_KIND.values()))
PARTS = {
    **dict.fromkeys(
        (
            *("bid_id", "round_id", "account_id", "price_id", "reservation_id", "usage_id", "review_id", "outcome_id"),
            *("proposal_id", "evidence_id", "refusal_id"),
        ),
        "1",
    ),
    "slot_id": "slot",
    "quest_id": "quest",
    "task_id": "task",
    "name": "pool",
    "entity_type": "hypothesis",
    "entity_id": "h1",
}


def _walk(resolver: URLResolver, prefix: str = "") -> list[tuple[str, type[views.Scoped]]]:
    """Return the address and the view of everything that asks for a scope."""
    found = []
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            found += _walk(pattern, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None)
            if view is not None and issubclass(view, views.Scoped):
                match = pattern.pattern.regex.pattern.removeprefix("^").removesuffix(r"/?\Z")
                for name, part in PARTS.items():
                    start = match.find(f"(?P<{name}>")
                    if start >= 0:
                        match = match[:start] + part + match[match.index(")", start) + 1 :]
                found.append((f"/{prefix}{match}", view))
    return found


CALLS = [
    (method, address, scope) for address, view in _walk(get_resolver()) for method, scope in sorted(view.scopes.items())
]


def test_every_method_of_every_view_names_a_known_scope() -> None:
    assert len(CALLS) == 98
    assert {scope for _method, _address, scope in CALLS} == set(EVERY_SCOPE)
    for address, view in _walk(get_resolver()):
        served = {name.upper() for name in view.http_method_names if hasattr(view, name)}
        rights = getattr(view, "rights", {})  # of people, where they may call as well
        assert view.scopes.keys() | rights.keys() == served - {"HEAD"}, address


@pytest.mark.parametrize(("method", "address", "scope"), CALLS)
def test_a_call_needs_a_key_and_the_scope(method: str, address: str, scope: str) -> None:
    assert Client().generic(method, address).status_code == 401
    kind, others = next((kind, allowed - {scope}) for kind, allowed in keys.SCOPES_BY_KIND.items() if allowed - {scope})
    stranger = callers.caller(kind, scopes=others)
    refused = Client(headers={"authorization": f"Bearer {stranger.secret}"}).generic(method, address)
    assert refused.status_code == 403
    document = callers.problem(refused)
    assert (document["code"], document["figures"]) == ("scope_missing", {"scope": scope})
    assert scope in document["detail"]
    kind = next(kind for kind, allowed in keys.SCOPES_BY_KIND.items() if scope in allowed)
    bearer = callers.caller(kind, scopes=[scope])
    allowed = Client(headers={"authorization": f"Bearer {bearer.secret}"}).generic(method, address)
    assert allowed.status_code not in {401, 403}


def test_asking_for_the_head_of_a_page_needs_the_scope_of_the_page() -> None:
    worker = callers.caller(scopes=["bids:write"])
    client = Client(headers={"authorization": f"Bearer {worker.secret}"})
    assert client.head(f"{MARKET}/pools/").status_code == 403
    assert Client().head(f"{MARKET}/pools/").status_code == 401


def _refused(headers: dict[str, str]) -> tuple[int, str, str]:
    response = Client(headers=headers).get(f"{MARKET}/pools/")
    return response.status_code, callers.problem(response)["code"], response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic dXNlcjpwYXNz"}, {"authorization": "rk_1_2"}])
def test_without_a_bearer_key_nobody_comes_in(headers: dict[str, str]) -> None:
    assert _refused(headers) == (401, "key_missing", "Bearer")


@pytest.mark.parametrize("token", ["", "rk_", "rk_abc_", "rk_000000000000_guess", "xx_a_b", "rk_ä_b", "rk_\0_b", "a b"])
def test_a_token_that_is_no_key_is_refused(token: str) -> None:
    assert _refused({"authorization": f"Bearer {token}"}) == (401, "key_invalid", "Bearer")


def test_a_key_ends_by_revocation_expiry_and_with_its_agent() -> None:
    worker = callers.caller()
    header = {"authorization": f"Bearer {worker.secret}"}
    assert worker.get(f"{MARKET}/pools/").status_code == 200
    worker.agent.is_active = False
    worker.agent.save(update_fields=["is_active"])
    assert _refused(header) == (401, "key_invalid", "Bearer")
    worker.agent.is_active = True
    worker.agent.save(update_fields=["is_active"])
    assert worker.get(f"{MARKET}/pools/").status_code == 200
    keys.revoke([worker.key.pk], now=callers.now())
    assert _refused(header) == (401, "key_invalid", "Bearer")
    _key, expired = keys.issue(agent=worker.agent, lifetime=timedelta(days=1), now=callers.now() - timedelta(days=1))
    assert _refused({"authorization": f"Bearer {expired}"}) == (401, "key_invalid", "Bearer")


def test_the_scheme_is_spelled_as_one_likes_and_the_use_recorded() -> None:
    worker = callers.caller()
    assert Client(headers={"authorization": f"bearer {worker.secret}"}).get(f"{MARKET}/pools/").status_code == 200
    worker.key.refresh_from_db()
    assert worker.key.last_used_at is not None


def test_a_refused_key_hides_what_the_address_would_have_said() -> None:
    response = Client().post(f"{MARKET}/pools/")
    assert response.status_code == 401
    assert callers.caller().post(f"{MARKET}/pools/").status_code == 405
