"""Pages whose plain saves and deletions go on record under the person's name."""

from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.site import HouseAdmin
from economics import revisions
from economics.admin import figures

ModelT = TypeVar("ModelT", bound=Model)


class SignedForm(forms.ModelForm[ModelT]):
    """What is saved, with the reason, which may be left out."""

    reason = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record."
    )


class SignedAdmin(HouseAdmin[ModelT]):
    """A page of rows with a history, for which no rule stands between the form and the row."""

    form = SignedForm  # type: ignore[assignment] # any model's

    def save_model(self, request: HttpRequest, obj: ModelT, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Save in the person's name, for the reason given."""
        by = figures.author(request, form.cleaned_data["reason"] or "saved in the admin")
        with revisions.signed(by, now=timezone.now()):
            super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: ModelT) -> None:
        """Delete in the person's name."""
        with revisions.signed(figures.author(request, "deleted in the admin"), now=timezone.now()):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ModelT]) -> None:
        """Delete in the person's name."""
        with revisions.signed(figures.author(request, "deleted in the admin"), now=timezone.now()):
            super().delete_queryset(request, queryset)
