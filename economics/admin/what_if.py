"""The page that looks ahead: what this week's review would move under the policy in force and under another."""

from decimal import Decimal
from typing import Any, Final

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from config.errors import RefusedError
from economics import reviews, worth_policy
from economics.admin import figures, review_tables, worth_form
from economics.models import WorthPolicy

_ASKED: Final = "asked"
_LARGEST: Final = 15


class WhatIfForm(forms.ModelForm[WorthPolicy]):
    """Every term of the policy, prefilled with the one in force."""

    class Meta:
        """All terms."""

        model = WorthPolicy
        fields = worth_policy.TERMS

    def __init__(self, *given: Any, **named: Any) -> None:
        """Show numbers without idle zeros."""
        super().__init__(*given, **named)
        for name, value in self.initial.items():
            if isinstance(value, Decimal):
                self.initial[name] = Decimal(f"{value.normalize():f}")
            label = str(self.fields[name].label)
            self.fields[name].label = label.replace("Roi ", "ROI ").replace("Kg ", "KG ")

    def validate_constraints(self) -> None:
        """Say in words which law the terms break together, where each by itself is one."""
        if self.errors:
            return
        try:
            worth_policy.check(self.instance)
        except RefusedError as refusal:
            self.add_error(None, refusal.detail)

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields by subject, as the form of the policy does, what a review goes by first."""
        groups = sorted(worth_form.GROUPS, key=lambda group: group[0].startswith("Scores"))
        return [(title, [self[name] for name in names]) for title, names in groups]


def page(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows: the form and, side by side, what would move; nothing is written."""
    asked, now = _ASKED in request.GET, timezone.now()
    form = WhatIfForm(request.GET if asked else None, instance=worth_policy.get())
    context: dict[str, Any] = {"title": "What would a review move?", "form": form, "asked": _ASKED, "media": form.media}
    if asked and not form.is_valid():
        return context
    changes = {name: form.cleaned_data[name] for name in form.changed_data} if asked else {}
    present = reviews.what_if(now=now, limit=_LARGEST)
    if not changes:
        return {**context, **_alone(present)}
    try:
        changed = reviews.what_if(now=now, limit=_LARGEST, **changes)
    except RefusedError as refusal:
        form.add_error(None, refusal.detail)
        return {**context, **_alone(present)}
    return {**context, **_beside(present, changed, form)}


def _alone(present: reviews.WhatIf) -> dict[str, Any]:
    return {
        "pools": review_tables.pools(present.plan.pools),
        "counts": review_tables.counts(present.plan.counts._asdict()),
        "lines": [("Under the policy in force", review_tables.lines(present.lines, led=False))],
    }


def _beside(present: reviews.WhatIf, changed: reviews.WhatIf, form: WhatIfForm) -> dict[str, Any]:
    told = [(form.fields[name].label, form.initial[name], value) for name, value in changed.changes.items()]
    return {
        "changes": [f"{label}: {_plain(old)} → {_plain(new)}" for label, old, new in told],
        "pools": review_tables.pools_beside(present.plan.pools, changed.plan.pools),
        "counts": review_tables.counts_beside(present.plan.counts, changed.plan.counts),
        "lines": [
            ("Under the changed policy", review_tables.lines(changed.lines, led=False)),
            ("Under the policy in force", review_tables.lines(present.lines, led=False)),
        ],
    }


def _plain(value: object) -> str:
    return figures.number(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else str(value)
