"""Bodies: strict JSON in, so that nothing ambiguous reaches a rule; exact JSON out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.http import UnreadablePostError
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from config import strict_json


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
            return strict_json.parse(request._request.body)  # noqa: SLF001 - DRF's own reads pass by the size limit
        except strict_json.NotJSONError as error:
            reason = str(error)
        except UnreadablePostError as error:
            reason = f"{error}."
        msg = f"The body is not JSON that is taken here: {reason}"
        raise exceptions.ParseError(msg, code="malformed_json")


class _AsItCame(BaseParser):
    """The body as it came, within the size limit: whoever reads it knows its form."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the bytes."""
        del stream, media_type
        return (parser_context or {})["request"]._request.body  # noqa: SLF001 - DRF's own reads pass by the size limit


def as_it_came(media_type: str) -> type[BaseParser]:
    """Return a parser that takes this kind of body as it came."""
    return type("Parser", (_AsItCame,), {"media_type": media_type})
