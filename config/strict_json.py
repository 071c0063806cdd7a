"""JSON that means one thing: fractions stay exact, and whatever two readers could understand differently is refused."""

import json
from decimal import Decimal
from typing import Any, NoReturn


class NotJSONError(ValueError):
    """The text is not JSON that is taken here; the message is the reason, a sentence's second half."""


def parse(raw: bytes) -> Any:
    """Return what UTF-8 JSON says, with fractions as Decimal.

    Refuses NaN and infinities, a key given twice in one object, lone surrogates, endless nesting and endless numbers.
    """
    try:
        text = raw.decode()
        data = _decoder.decode(text)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False, default=str).encode()
    except NotJSONError:
        raise
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise NotJSONError(_reason(error)) from error
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})."
    if isinstance(error, UnicodeError):
        return "its text is not valid Unicode."
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    return "a number in it is too long."  # an integer of thousands of digits, or an exponent beyond Decimal's


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not a number."
    raise NotJSONError(msg)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        msg = "a key is given twice in one object."
        raise NotJSONError(msg)
    return data


# Made once: to make one takes as long as to read a small body.
_decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_doubles)
