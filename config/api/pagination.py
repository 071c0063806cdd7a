"""Lists in pages that neither lose nor repeat a row: each begins after the last key of the one before."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from rest_framework import exceptions
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from config import keyset

_SHOWN = 50
_MOST = 200


class KeysetPagination(BasePagination):
    """Pages of `page_size` rows (1 to 200) in the view's `ordering`, whose last column must be unique.

    `next` is the address of the following page, null on the last one; its cursor is opaque.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Return the rows of the page asked for and remember where the next one begins."""
        if not isinstance(queryset, QuerySet):
            msg = "Only rows of a table have keys to go on from."
            raise TypeError(msg)
        ordering: Sequence[str] = getattr(view, "ordering", ("-id",))
        size = _page_size(request)
        if cursor := request.query_params.get("cursor"):
            queryset = queryset.filter(keyset.beyond(ordering, _decoded(cursor, queryset.model, ordering)))
        rows = list(queryset.order_by(*ordering)[: size + 1])
        self._next = None
        if len(rows) > size:
            key = [_text(getattr(rows[size - 1], column.lstrip("-"))) for column in ordering]
            self._next = replace_query_param(request.build_absolute_uri(), "cursor", _encoded(key))
        return rows[:size]

    def get_paginated_response(self, data: Any) -> Response:
        """Wrap the page."""
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page for OpenAPI."""
        following = {"type": "string", "format": "uri", "nullable": True, "description": "The page after this one."}
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": following},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:  # noqa: ARG002 - DRF's signature
        """Describe the parameters for OpenAPI."""
        return [
            {
                "name": "page_size",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _SHOWN},
            },
            {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "Opaque; from `next`."},
        ]


def _page_size(request: Request) -> int:
    asked = request.query_params.get("page_size", str(_SHOWN))
    if not (asked.isascii() and asked.isdigit() and len(asked) < len(str(_MOST)) + 1 and 1 <= int(asked) <= _MOST):
        raise exceptions.ValidationError({"page_size": f"A page has 1 to {_MOST} rows."}, code="out_of_range")
    return int(asked)


def _text(value: object) -> object:
    return value if isinstance(value, int) else str(value)


def _encoded(key: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decoded(cursor: str, model: type[Model], ordering: Sequence[str]) -> list[Any]:
    """Return the key a cursor stands for, refusing everything that is not one of this list's."""
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        columns: list[Any] = [model._meta.get_field(column.lstrip("-")) for column in ordering]  # noqa: SLF001 - Django's public name for it
        if not isinstance(key, list) or any(type(part) not in (int, str) or "\0" in str(part) for part in key):
            raise ValueError  # noqa: TRY301 - one way out of here
        "".join(map(str, key)).encode()  # a lone surrogate is no text
        return [column.clean(part, None) for column, part in zip(columns, key, strict=True)]
    except (ValueError, TypeError, RecursionError, binascii.Error, ValidationError) as error:
        msg = "This cursor does not belong to this list."
        raise exceptions.ValidationError({"cursor": msg}, code="bad_cursor") from error
