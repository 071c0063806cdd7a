"""The page that looks ahead: what this week's review would move under the policy in force and under another."""

from collections.abc import Mapping
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


class WhatIfForm(forms.Form):
    """Every term of the policy, prefilled with the one in force."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, present: WorthPolicy) -> None:
        """Show numbers without idle zeros."""
        terms = worth_policy.terms(present).items()
        plain = {name: Decimal(f"{v.normalize():f}") if isinstance(v, Decimal) else v for name, v in terms}
        super().__init__(data, initial=plain)
        self.present = present
        # Not a form of the model: that would name the laws, which `clean` puts in words.
        self.fields = forms.fields_for_model(WorthPolicy, worth_policy.TERMS)
        for name, field in self.fields.items():
            field.label = worth_form.label(name)

    def clean(self) -> dict[str, Any]:
        """Say in words which law the terms break together, where each by itself is one."""
        if not self.errors:
            try:
                worth_policy.check(worth_policy.varied(self.present, self.cleaned_data))
            except RefusedError as refusal:
                self.add_error(None, refusal.detail)
        return self.cleaned_data

    def groups(self) -> list[tuple[str, list[forms.BoundField], bool]]:
        """Return the fields by subject, what a review goes by first, and whether the group is unfolded.

        The first one is, and each in which something is changed or wrong.
        """
        groups = sorted(worth_form.GROUPS, key=lambda group: (group[0].startswith("Scores"), "eview" not in group[0]))
        told = {*self.changed_data, *self.errors} if self.is_bound else set()
        return [
            (title, [self[name] for name in names], place == 0 or not told.isdisjoint(names))
            for place, (title, names) in enumerate(groups)
        ]


def page(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows: the form and, once asked, side by side, what would move; nothing is written."""
    asked, now = _ASKED in request.GET, timezone.now()
    form = WhatIfForm(request.GET if asked else None, present=worth_policy.get())
    context: dict[str, Any] = {"title": "What would a review move?", "form": form, "asked": _ASKED, "media": form.media}
    if not asked or not form.is_valid():  # a draft of a whole fleet is worth a question
        return context
    changes = {name: form.cleaned_data[name] for name in form.changed_data}
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
