"""Who calls the API: an agent behind a bearer key or, where a view says so, a person who signed in; what each may."""

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config import keys
from config.models import AgentKey, User

if TYPE_CHECKING:  # DRF's views load the classes here, so these cannot load them
    from rest_framework.views import APIView

    from config.api.views import Reviewed, Scoped


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


class CsrfError(exceptions.PermissionDenied):
    """A write of a signed-in person without the CSRF token of the session could come from any page."""

    default_code = "csrf_failed"


class PersonAuthentication(SessionAuthentication):
    """A person signed in at the admin, by the session's cookie: the user of the request is the person, auth is None.

    Every write must carry the session's CSRF token in the header X-CSRFToken.
    """

    def enforce_csrf(self, request: Request) -> None:
        """Refuse a request that does not prove to come from a page of ours."""
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise CsrfError(str(error.detail)) from error


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


class RightMissingError(exceptions.PermissionDenied):
    """The person is known, but may not do this."""

    default_code = "right_missing"

    def __init__(self, right: str) -> None:
        """Name the right."""
        super().__init__(f"This takes a member of staff with the right {right}.")
        self.figures = {"right": right}


class PeopleOnlyError(exceptions.PermissionDenied):
    """This is for people to decide, whatever an agent's key allows."""

    default_code = "people_only"
    default_detail = "A reviewer decides this, signed in; no key of an agent does."


class HasScopeOrRight(HasScope):
    """An agent's key carries the scope, or a person of the staff has the right, that the view asks for this method.

    A method with a right (`rights`) and no scope is for people only.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Refuse with 401 when nobody signed in, else with 403 naming what is missing."""
        method = "GET" if request.method == "HEAD" else request.method or ""
        asked = cast("Reviewed", view)
        right = asked.rights.get(method)
        if isinstance(request.user, User):
            if right is not None and not (request.user.is_staff and request.user.has_perm(right)):
                raise RightMissingError(right)
            return True
        allowed = super().has_permission(request, view)
        if right is not None and method not in asked.scopes:
            raise PeopleOnlyError
        return allowed
