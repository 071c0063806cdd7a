"""The policy of the Senate in the admin: its versions, what each changed, and the way to the next."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from config.errors import RefusedError
from config.site import ReadOnlyAdmin, figure
from economics import revisions
from governance import policy
from governance.admin import words
from governance.models import SenatePolicy

_CHANGE: Final = "governance.add_senatepolicy"
_MOST: Final[Mapping[str, int]] = {"quorum": 1_000, "voting_hours": 8_760, "most_requested": 10**15}


class SenatePolicyForm(words.ReasonForm):
    """The rules of voting as they are in force until they are changed here, and which version their author saw."""

    saw = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *given: Any, present: SenatePolicy, **named: Any) -> None:
        """Fill in what is in force."""
        super().__init__(*given, **{"initial": {**policy.terms(present), "saw": present.version}, **named})
        self.present = present
        self.fields = {**forms.fields_for_model(SenatePolicy, policy.TERMS), **self.fields}
        for name, most in _MOST.items():
            self.fields[name].validators += [MinValueValidator(1), MaxValueValidator(most)]
            self.fields[name].help_text += f" 1 to {most:,}."
            self.fields[name].widget.attrs.update(min=1, max=most)

    def clean(self) -> dict[str, Any]:
        """Refuse a change of a version that is not in force any more."""
        chosen = super().clean() or self.cleaned_data
        if "saw" in chosen and chosen["saw"] != self.present.version:
            self.add_error(None, "Somebody changed the policy while you looked; begin again from what is in force now.")
        return chosen

    def changes(self) -> dict[str, Any]:
        """Return the terms that differ from those in force."""
        return {name: self.cleaned_data[name] for name in policy.TERMS if name in self.changed_data}


class VersionList(ChangeList):
    """A page of versions, each with the one before it, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add the versions before to the rows of this page."""
        super().get_results(request)
        rows = list(self.result_list)
        before = SenatePolicy.objects.in_bulk([row.version - 1 for row in rows])
        for row in rows:
            row.before = before.get(row.version - 1)
        self.result_list = rows


@admin.register(SenatePolicy)
class SenatePolicyAdmin(ReadOnlyAdmin[SenatePolicy]):
    """Versions of the rules of voting; the highest is in force. Open ballots keep to theirs."""

    change_list_template = "admin/senate_policies.html"
    extra = ("changes",)
    list_display = (
        *("version_in_words", "made_at", "made_by", "quorum", "voting_hours", figure("most_requested")),
        *("changes", "reason"),
    )
    list_display_links = ("version_in_words",)
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows the versions before."""
        return VersionList

    @admin.display(description="version")
    def version_in_words(self, version: SenatePolicy) -> str:
        """Return the number of the version."""
        return str(version)

    @admin.display(description="what it changed")
    def changes(self, version: Any) -> str:
        """Return each term that differs from the version before, old and new."""
        if not hasattr(version, "before"):
            version.before = SenatePolicy.objects.filter(version=version.version - 1).first()
        return _told(version.before, version) if version.before else "the first version"

    def has_add_permission(self, request: HttpRequest, obj: SenatePolicy | None = None) -> bool:  # noqa: ARG002
        """Tell whether the person may put another version in force: the chair."""
        return request.user.has_perm(_CHANGE)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the terms as they are in force and put in force what is changed there, with its reason."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SenatePolicyForm(request.POST if request.method == "POST" else None, present=policy.get())
        if form.is_valid() and self._changed(request, form):
            return HttpResponseRedirect(reverse("admin:governance_senatepolicy_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": "Change the policy of the Senate",
            "warning": f"What you change here is version {form.present.version + 1} and in force at once. Ballots that "
            "are open keep to the rules they were opened under.",
            "form": form,
            "button": "Put in force",
            "action": form_url,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/deed_form.html", context)

    def _changed(self, request: HttpRequest, form: SenatePolicyForm) -> bool:
        """Put the terms in force; a refusal becomes an error of the form."""
        chosen = form.cleaned_data
        author = revisions.Author(request.user.get_username(), chosen["reason"])
        try:
            version = policy.change(author=author, now=timezone.now(), expected_version=chosen["saw"], **form.changes())
        except RefusedError as refusal:
            form.add_error(None, refusal.detail)
            return False
        if version.version == form.present.version:
            form.add_error(None, "Nothing was changed.")
            return False
        self.log_addition(request, version, chosen["reason"])
        told = _told(form.present, version)
        self.message_user(request, f"Version {version.version} of the policy is in force: {told}.")
        return True


def _told(before: SenatePolicy, after: SenatePolicy) -> str:
    """Return what one version changed against the one before, old and new."""
    old, new = policy.terms(before), policy.terms(after)
    return "; ".join(
        f"{name.replace('_', ' ')} {words.number(old[name])} → {words.number(new[name])}"
        for name in old
        if old[name] != new[name]
    )
