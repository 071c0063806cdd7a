"""What a body may hold: fields that take exactly what they say and refuse what merely looks like it."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from django.core.validators import RegexValidator
from django.db.models import DecimalField, Model
from rest_framework import exceptions, serializers

ModelT = TypeVar("ModelT", bound=Model)
LARGEST = 2**63 - 1
_MOST_USD = Decimal("999999999999999.999999999999")
_MOST_AMOUNT = Decimal(10**15)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_OBJECT = 20_000
_LONGEST_NUMBER = 40
_NAME = r"^[A-Za-z0-9._:@+=~-]+\Z"
_NAME_RULE = "Only letters, digits and . _ : @ + = ~ - are taken."
_PLAIN_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)


class Body(serializers.Serializer[Any]):
    """An object whose every field is known."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse anything but an object, every field that is not declared, and every value that does not fit."""
        faults = {}
        if isinstance(data, dict):
            refused = exceptions.ErrorDetail("This field is not known here.", code="unknown_field")
            faults = {name: [refused] for name in sorted(data.keys() - self.fields.keys())}
        try:
            values = super().to_internal_value(data)
        except exceptions.ValidationError as error:
            raise exceptions.ValidationError({**cast("dict[str, Any]", error.detail), **faults}) from error
        if faults:
            raise exceptions.ValidationError(faults)
        return values


class WholeNumber(serializers.IntegerField):
    """A JSON integer within a bigint: not 1.0, not "1", not true."""

    def __init__(self, **options: Any) -> None:
        """Bound it to what a bigint holds unless told a smaller bound."""
        super().__init__(**{"max_value": LARGEST, "min_value": -LARGEST - 1, **options})

    def to_internal_value(self, data: Any) -> int:
        """Take integers only."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class Exact(serializers.DecimalField):
    """A NUMERIC column, shown as text without trailing zeros."""

    def __init__(self, **options: Any) -> None:
        """Show it plainly."""
        super().__init__(**{"normalize_output": True, **options})


class PlainNumber(Exact):
    """A number as JSON number or plain decimal text; never a float, so it is kept exactly as it was written."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Take null for nothing where that is allowed, but not an empty text."""
        return serializers.Field.validate_empty_values(self, data)

    def to_internal_value(self, data: Any) -> Decimal:
        """Take integers, decimals and plain decimal text."""
        if type(data) not in (int, Decimal) and not (isinstance(data, str) and _PLAIN_NUMBER.fullmatch(data)):
            self.fail("invalid")
        return self.quantize(self.validate_precision(Decimal(data)))


class Usd(PlainNumber):
    """An amount of USD, 0 or more and below 10^15."""

    def __init__(self, **options: Any) -> None:
        """Bound it by the column, NUMERIC(30, 12), and by what the rules take."""
        bounds = {"min_value": Decimal(0), "max_value": _MOST_USD}
        super().__init__(**{"max_digits": 30, "decimal_places": 12, **bounds, **options})


class Amount(PlainNumber):
    """An amount of a resource in the unit of its class, 0 or more and at most 10^15, with at most 6 decimals."""

    def __init__(self, **options: Any) -> None:
        """Bound it by the column, NUMERIC(30, 6), and by what the rules take."""
        bounds = {"min_value": Decimal(0), "max_value": _MOST_AMOUNT}
        super().__init__(**{"max_digits": 30, "decimal_places": 6, **bounds, **options})


class Flag(serializers.BooleanField):
    """`true` or `false`, nothing that merely means it."""

    def to_internal_value(self, data: Any) -> bool:
        """Take the two words of JSON only."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Moment(serializers.DateTimeField):
    """An ISO 8601 time that names its zone; kept in UTC."""

    default_error_messages = {
        "invalid": "An ISO 8601 time is expected, as 2030-01-31T12:00:00Z.",
        "zone_missing": "The time must name its zone, as in 2030-01-31T12:00:00Z.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Take text only, with a zone, within what can be stored."""
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else self.fail("invalid")
            if moment.tzinfo is None:
                self.fail("zone_missing")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return self.fail("invalid")


class PlainText(serializers.CharField):
    """One line of text: a JSON string without control characters."""

    default_error_messages = {"control": "Control characters are not allowed."}
    control = _CONTROL

    def __init__(self, **options: Any) -> None:
        """Keep the text as it was sent."""
        super().__init__(**{"trim_whitespace": False, "max_length": 200, **options})

    def to_internal_value(self, data: Any) -> str:
        """Take strings only."""
        if not isinstance(data, str):
            self.fail("invalid")
        if self.control.search(data):
            self.fail("control")
        return data


class LongText(PlainText):
    """Text of many lines: a JSON string that may hold line breaks and tabs, but no other control characters.

    Line breaks are kept as the one character of Unix, and the length is that of what is kept.
    """

    control = _CONTROL_IN_LINES

    def to_internal_value(self, data: Any) -> str:
        """Take strings only; one kind of line break."""
        return super().to_internal_value(data).replace("\r\n", "\n").replace("\r", "\n")


class Object(serializers.Field[dict[str, Any], Any, Any, Any]):
    """A JSON object whose parts a rule judges. Fractions become plain decimal text, so that they are kept exactly."""

    default_error_messages = {
        "invalid": "An object is expected.",
        "number": "A number in it is too long.",
        "control": "Control characters are not allowed.",
        "max_length": "It may have 20,000 characters as JSON.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Take objects only, of a bearable size."""
        if not isinstance(data, dict):
            self.fail("invalid")
        plain: dict[str, Any] = self._plain(data)
        if len(json.dumps(plain, ensure_ascii=False)) > _LONGEST_OBJECT:
            self.fail("max_length")
        return plain

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        """Show it as it is kept."""
        return value

    def _plain(self, data: Any) -> Any:
        if isinstance(data, str) and _CONTROL_IN_LINES.search(data):
            self.fail("control")
        if isinstance(data, Decimal):
            return _plain_text(data) or self.fail("number")
        if isinstance(data, dict):
            return {self._plain(name): self._plain(value) for name, value in data.items()}
        return [self._plain(value) for value in data] if isinstance(data, list) else data


def _plain_text(number: Decimal) -> str:
    """Return a number as plain decimal text; nothing where that would be longer than any number that is taken."""
    return f"{number:f}" if abs(number.adjusted()) <= _LONGEST_NUMBER else ""


class Name(PlainText):
    """A name that fits into an address."""

    def __init__(self, **options: Any) -> None:
        """Add the rule to the others."""
        super().__init__(validators=[RegexValidator(_NAME, _NAME_RULE, code="name")], **options)


class Choice(serializers.ChoiceField):
    """One of a few words; anything that is not text is refused before it is compared."""

    def to_internal_value(self, data: Any) -> Any:
        """Take strings only."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data)


class Row(serializers.ModelSerializer[ModelT]):
    """A row as it is shown: NUMERIC columns as text without trailing zeros."""

    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, DecimalField: Exact}


# A serializer copies its fields whenever one is made, which takes longer than to use it. Those that keep nothing of
# a request are made once.
_made: dict[type[serializers.BaseSerializer[Any]], serializers.BaseSerializer[Any]] = {}


def checked(shape: type[serializers.BaseSerializer[Any]], data: Any) -> dict[str, Any]:
    """Return the values of a body that fits `shape`, or refuse it with a 400 naming each fault."""
    values: dict[str, Any] = _one(shape).run_validation(data)
    return values


def shown(shape: type[serializers.BaseSerializer[ModelT]], row: ModelT) -> Any:
    """Return what `shape` shows of a row."""
    return _one(shape).to_representation(row)


def _one(shape: type[serializers.BaseSerializer[Any]]) -> serializers.BaseSerializer[Any]:
    if shape not in _made:
        _made[shape] = shape()
    return _made[shape]
