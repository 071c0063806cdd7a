"""The doors of the API: where what is, what each code means, and whether the house is alive."""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import problems
from config.errors import RefusedError

log = logging.getLogger(__name__)


class Open(APIView):
    """A view that anybody may read."""

    http_method_names = ["get", "head"]
    authentication_classes = ()
    permission_classes = ()


class Doors(serializers.Serializer[object]):
    """Where to go on."""

    docs = serializers.CharField()
    schema = serializers.CharField()
    problems = serializers.CharField()
    compute_auction = serializers.CharField()
    economics = serializers.CharField()
    events = serializers.CharField()
    governance = serializers.CharField()


class Root(Open):
    """The root."""

    @extend_schema(responses=Doors)
    def get(self, request: Request) -> Response:
        """Say where to go on."""
        doors = ("docs", "schema", "problems", "compute-auction", "economics", "events", "governance")
        return Response({door.replace("-", "_"): request.build_absolute_uri(f"/api/{door}/") for door in doors})


class Index(Open):
    """What lies under one address."""

    names: tuple[str, ...] = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """List the addresses."""
        here = request.build_absolute_uri(request.path).rstrip("/")
        return Response({name.replace("-", "_"): f"{here}/{name}/" for name in self.names})


class Refusal(serializers.Serializer[object]):
    """A code, the status it comes with and what it means."""

    code = serializers.CharField()
    status = serializers.IntegerField()
    title = serializers.CharField()


class Refusals(serializers.Serializer[object]):
    """All refusals."""

    results = Refusal(many=True)


class Problems(Open):
    """The refusals."""

    @extend_schema(responses=Refusals)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        """List every code with which a deed may be refused."""
        known = {
            error.code: {"code": error.code, "status": error.status, "title": problems.title_of(error)}
            for error in _refusals(RefusedError)
        }
        return Response({"results": [known[code] for code in sorted(known)]})


def _refusals(base: type[RefusedError]) -> Iterator[type[RefusedError]]:
    for error in base.__subclasses__():
        yield error
        yield from _refusals(error)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - the same for everybody
    """Answer 200 when the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        log.exception("The database does not answer")
        return JsonResponse({"status": "database_unavailable"}, status=503)
    return JsonResponse({"status": "ok"})


@csrf_exempt  # there is no session to forge a request for
def nothing(request: HttpRequest, **_rest: Any) -> Any:
    """Answer every other address under /api/, so that no redirect is ever tried."""
    return problems.not_found(request, LookupError(request.path))
