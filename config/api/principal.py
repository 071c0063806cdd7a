"""Who calls the API: an agent behind a bearer key, and what that key allows."""

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config import keys
from config.models import AgentKey

if TYPE_CHECKING:  # DRF's views load the classes here, so these cannot load them
    from rest_framework.views import APIView

    from config.api.views import Scoped


class AgentKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`: the user of the request is the agent, its auth the key."""

    def authenticate(self, request: Request) -> tuple[Any, AgentKey] | None:
        """Return agent and key; None without a bearer key, a refusal for one that is not or no longer valid."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = keys.authenticate(token, now=timezone.now()) if token.isascii() and token.isprintable() else None
        if key is None:
            msg = "This key is unknown, expired or revoked."
            raise exceptions.AuthenticationFailed(msg, code="key_invalid")
        return key.agent, key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Make a refusal a 401 that says how to come in."""
        return "Bearer"


class ScopeMissingError(exceptions.PermissionDenied):
    """The key is valid, but not for this."""

    default_code = "scope_missing"

    def __init__(self, scope: str) -> None:
        """Name the scope."""
        super().__init__(f"This key lacks the scope {scope}.")
        self.figures = {"scope": scope}


class HasScope(BasePermission):
    """The key carries the scope that the view asks for this method (`scopes`); methods it lacks are for the 405."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Refuse with 401 when nobody signed in, with 403 naming the scope when the key lacks it."""
        if request.auth is None:
            msg = "Send a key: Authorization: Bearer <key>."
            raise exceptions.NotAuthenticated(msg, code="key_missing")
        method = "GET" if request.method == "HEAD" else request.method
        scope = cast("Scoped", view).scopes.get(method or "")
        if scope is not None and scope not in cast("AgentKey", request.auth).scopes:
            raise ScopeMissingError(scope)
        return True
