"""Bodies: strict JSON in, so that nothing ambiguous reaches a rule; exact JSON out."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

from django.http import UnreadablePostError
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder


class ExactJSONEncoder(JSONEncoder):
    """As DRF writes JSON, with exact numbers as plain decimal text: no exponent, no trailing zeros."""

    def default(self, o: Any) -> Any:
        """Write a Decimal plainly, everything else as DRF does."""
        return format(o.normalize(), "f") if isinstance(o, Decimal) else super().default(o)


class ExactJSONRenderer(JSONRenderer):
    """JSON answers."""

    encoder_class = ExactJSONEncoder


_encoder = ExactJSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def as_json(data: object) -> str:
    """Return an answer as compact JSON."""
    return _encoder.encode(data)


class StrictJSONParser(BaseParser):
    """UTF-8 JSON with fractions as Decimal. Refuses NaN, keys given twice, lone surrogates and endless nesting."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body; it is read as a whole, which applies the size limit and keeps it for digests."""
        del stream, media_type
        request = (parser_context or {})["request"]
        try:
            text = request._request.body.decode()  # noqa: SLF001 - DRF's own reads pass by the size limit
            data = json.loads(
                text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_doubles
            )
            if "\\u" in text:
                json.dumps(data, ensure_ascii=False, default=str).encode()
        except (ValueError, RecursionError, UnreadablePostError) as error:
            msg = f"The body is not JSON that is taken here: {_reason(error)}"
            raise exceptions.ParseError(msg, code="malformed_json") from error
        return data


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})."
    if isinstance(error, UnicodeError):
        return "its text is not valid Unicode."
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    return f"{error}."


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not a number"
    raise ValueError(msg)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        msg = "a key is given twice in one object"
        raise ValueError(msg)
    return data
