"""What may narrow a list: query parameters that refuse what they do not understand."""

from datetime import datetime
from typing import Any, cast

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions

from config.api import fields


class _MomentField(forms.CharField):
    """A time of the address; a plus sign may have become a blank on the way."""

    def clean(self, value: Any) -> datetime | None:
        """Take what a body takes, and nothing."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return fields.Moment().to_internal_value(text.replace(" ", "+"))
        except exceptions.ValidationError as error:
            (fault,) = cast("list[exceptions.ErrorDetail]", error.detail)
            raise ValidationError(str(fault), code=fault.code) from error


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentFilter(django_filters.Filter):
    """An ISO 8601 time with its zone."""

    field_class = _MomentField


class DayFilter(django_filters.DateFilter):
    """A day as 2030-01-31, and in no other way."""

    def __init__(self, **options: Any) -> None:
        """Take ISO 8601 only."""
        super().__init__(input_formats=["%Y-%m-%d"], **options)


@extend_schema_field(OpenApiTypes.INT64)
class IdFilter(django_filters.Filter):
    """The number of a row."""

    field_class = forms.IntegerField

    def __init__(self, **options: Any) -> None:
        """Bound it to what a bigint holds."""
        super().__init__(**{"min_value": 0, "max_value": fields.LARGEST, **options})


@extend_schema_field(OpenApiTypes.BOOL)
class FlagFilter(django_filters.Filter):
    """`true` or `false`."""

    field_class = forms.TypedChoiceField

    def __init__(self, **options: Any) -> None:
        """Offer the two words."""
        words = (("true", "true"), ("false", "false"))
        super().__init__(choices=words, coerce=lambda word: word == "true", empty_value=None, **options)
