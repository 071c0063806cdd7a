"""What every view of the API stands on."""

from collections.abc import Mapping
from typing import ClassVar, cast

from rest_framework.views import APIView

from config.models import Agent


class Scoped(APIView):
    """A view that says which scope each of its methods asks for."""

    scopes: ClassVar[Mapping[str, str]]

    @property
    def agent(self) -> Agent:
        """The agent that calls."""
        return cast("Agent", self.request.user)
