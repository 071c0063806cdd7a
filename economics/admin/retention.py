"""How long rows are kept, in the admin: here, because a change is signed with the author of the books."""

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest

from config.models import MOST_DAYS, RetentionPolicy
from economics.admin import signed

_DAYS: Final = ("bids_days", "rounds_days", "refusals_days", "answers_days", "feed_days")


class RetentionForm(signed.SignedForm[RetentionPolicy]):
    """The days, each at least one."""

    class Meta:
        """The names of the rows."""

        labels: ClassVar[dict[str, str]] = {name: name.removesuffix("_days").capitalize() for name in _DAYS}

    def clean(self) -> dict[str, Any]:
        """Refuse to forget what is not a day old, and days that no calendar has."""
        chosen = super().clean() or self.cleaned_data
        for name in _DAYS:
            if not 1 <= chosen.get(name, 1) <= MOST_DAYS:
                self.add_error(name, f"Nothing goes before a day is over, or stays longer than {MOST_DAYS:,}.")
        return chosen


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(signed.SignedAdmin[RetentionPolicy]):
    """How long rows are kept that no money rests on: one row, to be changed only."""

    form = RetentionForm
    list_display = ("__str__", *_DAYS, "swept_at")
    readonly_fields = ("swept_at",)
    fieldsets = (
        ("Days that rows are kept", {
            "fields": _DAYS,
            "description": "What is older is deleted for good, a batch at a time. Transfers, bids that won, sold slots "
            "and rounds that sold, usage, envelopes and decisions are kept for ever.",
        }),
        (None, {"fields": ("reason",)}),
        ("So far", {"fields": ("swept_at",)}),
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: there is one policy."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> bool:  # noqa: ARG002
        """Refuse: there is always a policy."""
        return False
