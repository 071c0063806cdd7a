"""The fields of a row's page, each read-only column computed once: unfold asks twice, and it may cost a query."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import helpers


class Form(helpers.AdminForm):
    """A form in its fieldsets."""

    def __iter__(self) -> Iterator[helpers.Fieldset]:
        """Yield its fieldsets."""
        for name, options in self.fieldsets:
            told: dict[str, Any] = dict(options)
            yield Fieldset(self.form, name, readonly_fields=self.readonly_fields, model_admin=self.model_admin, **told)


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
                yield helpers.AdminReadonlyField(self.form, field, is_first=place == 0, model_admin=self.model_admin)
            else:
                yield helpers.AdminField(self.form, field, is_first=place == 0)


def plain(dressed: helpers.AdminForm) -> Form:
    """Return the same form, with fields that are computed once and labels without a colon."""
    dressed.form.label_suffix = ""
    form = Form(dressed.form, dressed.fieldsets, {}, dressed.readonly_fields, model_admin=dressed.model_admin)
    form.prepopulated_fields = dressed.prepopulated_fields
    return form
