"""The fields of a row's page: each read-only column computed once, its numbers and its yes and no written for people.

Unfold asks twice for a column, and it may cost a query.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib.admin import helpers
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString


class Form(helpers.AdminForm):
    """A form in its fieldsets."""

    def __iter__(self) -> Iterator[helpers.Fieldset]:
        """Yield its fieldsets."""
        for name, options in self.fieldsets:
            fields = [one for one in options["fields"] if not self._is_asked(one)]
            told: dict[str, Any] = {**options, "fields": fields, "readonly_fields": self.readonly_fields}
            if fields:
                yield Fieldset(self.form, name, model_admin=self.model_admin, **told)

    def _is_asked(self, field: Any) -> bool:
        """Tell whether a field is one of the form alone, as a reason is, in a form that nobody here may fill in."""
        if field not in self.readonly_fields or field not in self.form.fields or hasattr(self.model_admin, field):
            return False
        return _column(self.form, field) is None


class Fieldset(helpers.Fieldset):
    """A titled part of a form."""

    def __iter__(self) -> Iterator[helpers.Fieldline]:
        """Yield its lines."""
        for field in self.fields:  # type: ignore[attr-defined] # the stubs lack it
            yield Line(self.form, field, self.readonly_fields, model_admin=self.model_admin)


class Line(helpers.Fieldline):
    """Fields that stand beside each other."""

    def __iter__(self) -> Iterator[Any]:
        """Yield its fields, Django's own ones."""
        for place, field in enumerate(self.fields):
            if field in self.readonly_fields:
                yield Read(self.form, field, is_first=place == 0, model_admin=self.model_admin)
            else:
                yield helpers.AdminField(self.form, field, is_first=place == 0)


class Read(helpers.AdminReadonlyField):
    """A field that is only read."""

    def contents(self) -> SafeString:
        """Return what is in it: thousands set apart, idle zeros left out, yes or no in words."""
        column = _column(self.form, self.field["field"])
        value = None if column is None else getattr(self.form.instance, column.attname)
        if isinstance(column, models.BooleanField) and value is not None:
            return conditional_escape("yes" if value else "no")
        if isinstance(value, Decimal):
            return conditional_escape(f"{value.normalize():,f}")
        if isinstance(value, int) and not _is_name(column):
            return conditional_escape(f"{value:,}")
        return super().contents()


def _column(form: Any, field: Any) -> Any:
    """Return the column of the form's model that is called so; None where there is none."""
    try:
        found = form._meta.model._meta.get_field(field) if isinstance(field, str) else None  # noqa: SLF001 - public
    except FieldDoesNotExist:
        return None
    return found if isinstance(found, models.Field) else None


def _is_name(column: Any) -> bool:
    """Tell whether a whole number names something and counts nothing: a key, or the number of a version."""
    is_key = column.primary_key or column.is_relation
    return bool(is_key or column.choices or column.name.endswith(("_id", "version", "seq")))


def plain(dressed: helpers.AdminForm) -> Form:
    """Return the same form, with fields that are computed once and labels without a colon."""
    dressed.form.label_suffix = ""
    form = Form(dressed.form, dressed.fieldsets, {}, dressed.readonly_fields, model_admin=dressed.model_admin)
    form.prepopulated_fields = dressed.prepopulated_fields
    return form
