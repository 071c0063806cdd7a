"""What every view of the API stands on."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model
from django.http import Http404
from rest_framework import generics
from rest_framework.views import APIView

from config.api.principal import AgentKeyAuthentication, HasScopeOrRight, PersonAuthentication
from config.errors import NotFoundError
from config.models import Agent, User

ModelT = TypeVar("ModelT", bound=Model)


class Scoped(APIView):
    """A view that says which scope each of its methods asks for, and which of them need an Idempotency-Key."""

    http_method_names = ["get", "head", "post", "delete"]
    scopes: ClassVar[Mapping[str, str]]
    keyed: ClassVar[frozenset[str]] = frozenset()

    @property
    def agent(self) -> Agent:
        """The agent that calls."""
        return cast("Agent", self.request.user)


class Reviewed(Scoped):
    """A view for agents and for people who signed in: it says which right of a person each of its methods asks for."""

    authentication_classes = (AgentKeyAuthentication, PersonAuthentication)
    permission_classes = (HasScopeOrRight,)
    rights: ClassVar[Mapping[str, str]]

    @property
    def person(self) -> User:
        """The person that calls."""
        return cast("User", self.request.user)


class Listed(Scoped, generics.ListAPIView[ModelT]):
    """A list in pages."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)


class One(Scoped, generics.RetrieveAPIView[ModelT]):
    """One row, or a refusal that names what is missing."""

    missing: ClassVar[type[NotFoundError]] = NotFoundError

    def get_object(self) -> ModelT:
        """Return the row the address names."""
        try:
            row: ModelT = super().get_object()
        except Http404:
            names: dict[str, Any] = self.kwargs
            raise self.missing(**names) from None
        return row
