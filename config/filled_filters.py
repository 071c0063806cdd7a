"""Filters of lists that are filled in: a text found whole, or from one value to another; what is none is refused."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config import lists

if TYPE_CHECKING:

    class _Filter:
        """What unfold's filters have, which come without types."""

        field: Any
        field_path: str
        lookup_kwarg: str
        lookup_val: Any
        parameter_name: str
        used_parameters: Mapping[str, Any]
        title: str

        def __init__(self, field: Any, request: HttpRequest, params: Any, *rest: Any, field_path: str) -> None:
            """Take what belongs to the filter out of the parameters."""

        def expected_parameters(self) -> list[str]:
            """Return what the filter is called in addresses."""

    class FieldTextFilter(_Filter):
        """A text."""

    class RangeDateFilter(_Filter):
        """From day to day."""

    class RangeDateTimeFilter(_Filter):
        """From moment to moment."""

    class RangeNumericFilter(_Filter):
        """From number to number."""

else:
    from unfold.contrib.filters.admin import (
        FieldTextFilter,
        RangeDateFilter,
        RangeDateTimeFilter,
        RangeNumericFilter,
    )

_ENDS: Final = (("from", "gte"), ("to", "lte"))
_FIRST: Final = time.min
_LAST: Final = time.max
_OPEN: Final = "\N{LEFT DOUBLE QUOTATION MARK}"
_CLOSE: Final = "\N{RIGHT DOUBLE QUOTATION MARK}"


class Whole(FieldTextFilter):
    """A text that is found whole, so that an index finds it."""

    def __init__(self, field: Any, request: HttpRequest, params: Any, *rest: Any, field_path: str) -> None:
        """Go by equality, which every list allows."""
        super().__init__(field, request, params, *rest, field_path=field_path)
        self.lookup_kwarg = f"{field_path}__exact"
        self.lookup_val = params.pop(self.lookup_kwarg, None)
        if self.lookup_val is not None:
            self.used_parameters = {**self.used_parameters, self.lookup_kwarg: self.lookup_val}

    def expected_parameters(self) -> list[str]:
        """Return what it is called in addresses."""
        return [self.lookup_kwarg]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Keep the rows with this text."""
        text = str((self.lookup_val or [""])[-1]).strip()
        return queryset.filter(**{self.lookup_kwarg: text}) if text else queryset


class Numbers(RangeNumericFilter):
    """From one number to another, both of them in."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Keep what lies between, and refuse what is no number of this column."""
        own = self.field.formfield(required=False) or forms.IntegerField(required=False)
        return queryset.filter(**_bounds(self, lambda end: own.clean(_given(self, end))))


class Dates(RangeDateFilter):
    """From one day to another, both of them in."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Keep what lies between, and refuse what is no day."""
        return queryset.filter(**_bounds(self, lambda end: _day(_given(self, end))))


class Times(RangeDateTimeFilter):
    """From one moment to another, in UTC. A day alone is meant from its beginning, and to its end.

    `most_days` bounds how far apart they may lie, for a table that is read from one end to the other.
    """

    most_days: int | None = None
    instead = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Keep what lies between, and refuse what is no moment, and too long a time."""
        bounds = _bounds(self, self._moment)
        if bounds and self.most_days is not None:
            first = bounds.get(f"{self.parameter_name}__gte")
            last = bounds.get(f"{self.parameter_name}__lte", timezone.now())
            if first is None or last - first > timedelta(days=self.most_days):
                msg = f"Choose a beginning, and an end at most {self.most_days} days later.{self.instead}"
                raise lists.NonsenseError(msg)
        return queryset.filter(**bounds)

    def _moment(self, end: str) -> datetime | None:
        day = _day(_given(self, f"{end}_0"))
        clock = forms.TimeField(required=False).clean(_given(self, f"{end}_1"))
        if day is None:
            if clock is not None:
                msg = "A time needs its day."
                raise ValidationError(msg)
            return None
        return datetime.combine(day, clock or (_FIRST if end == "from" else _LAST), tzinfo=UTC)


def _given(of: Any, end: str) -> str:
    return str(of.used_parameters.get(f"{of.parameter_name}_{end}") or "").strip()


def _day(text: str) -> date | None:
    found: date | None = forms.DateField(required=False).clean(text)
    return found


def _bounds(of: Any, read: Callable[[str], Any]) -> dict[str, Any]:
    """Return what to filter by, each end read from what the person gave."""
    found = {}
    for end, lookup in _ENDS:
        try:
            value = read(end)
        except ValidationError as error:
            given = " ".join(filter(None, (_given(of, end), _given(of, f"{end}_0"), _given(of, f"{end}_1"))))
            what = f"{str(of.title).capitalize()}, {end} {_OPEN}{given[:60]}{_CLOSE}"
            msg = f"{what}: {' '.join(error.messages)}"
            raise lists.NonsenseError(msg) from error
        if value is not None:
            found[f"{of.parameter_name}__{lookup}"] = value
    return found
