"""The policy of worth in the admin: its versions, what each changed, and the way to the next."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.errors import RefusedError
from config.site import ReadOnlyAdmin
from economics import worth_policy
from economics.admin import figures, worth_form
from economics.models import WorthPolicy


class VersionList(ChangeList):
    """A page of versions, each with the one before it, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add the versions before to the rows of this page."""
        super().get_results(request)
        rows = list(self.result_list)
        before = WorthPolicy.objects.in_bulk([row.version - 1 for row in rows])
        for row in rows:
            row.before = before.get(row.version - 1)
        self.result_list = rows


@admin.register(WorthPolicy)
class WorthPolicyAdmin(ReadOnlyAdmin[WorthPolicy]):
    """Versions of the policy of worth; the highest is in force. A change is a new version and keeps the old ones."""

    change_list_template = "admin/worth_policies.html"
    extra = ("changes", "terms")
    list_display = ("version_in_words", "made_at", "made_by", "changes", "reason")
    list_display_links = ("version_in_words",)
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows the versions before."""
        return VersionList

    def get_fieldsets(self, request: HttpRequest, obj: WorthPolicy | None = None) -> Any:  # noqa: ARG002
        """Show what it changed, then all its terms."""
        head = ("version_in_words", "made_at", "made_by", "reason", "changes", "cause_kind", "cause_id")
        return [(None, {"fields": head}), ("Terms", {"fields": ("terms",), "classes": ("told",)})]

    def get_readonly_fields(self, request: HttpRequest, obj: WorthPolicy | None = None) -> Any:
        """Return all that is shown."""
        return [*super().get_readonly_fields(request, obj), "version_in_words"]

    @admin.display(description="version")
    def version_in_words(self, policy: WorthPolicy) -> str:
        """Return the number of the version."""
        return str(policy)

    @admin.display(description="what it changed")
    def changes(self, policy: Any) -> str:
        """Return each term that differs from the version before, old and new."""
        if not hasattr(policy, "before"):
            policy.before = WorthPolicy.objects.filter(version=policy.version - 1).first()
        return told(policy.before, policy) if policy.before else "the first version"

    @admin.display(description="terms")
    def terms(self, policy: WorthPolicy) -> SafeString:
        """Return a table of all terms, by subject, each with what it means."""
        said, rows = worth_policy.terms(policy), []
        helps = {field.name: field.help_text for field in self.opts.concrete_fields}
        for title, names in worth_form.GROUPS:
            rows.append(format_html('<tr><th scope="colgroup" colspan="3">{}</th></tr>', title))
            rows += [
                format_html(
                    '<tr><td>{}</td><td class="number">{}</td><td class="words">{}</td></tr>',
                    worth_form.label(name),
                    _value(said[name]),
                    helps[name],
                )
                for name in names
            ]
        return format_html('<table class="review"><tbody>{}</tbody></table>', format_html_join("", "{}", zip(rows)))

    def has_add_permission(self, request: HttpRequest, obj: WorthPolicy | None = None) -> bool:  # noqa: ARG002
        """Tell whether the person may put another version in force."""
        return request.user.has_perm("economics.add_worthpolicy")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show all terms as they are in force and put in force what is changed there, with its reason."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = worth_form.WorthPolicyForm(
            request.POST if request.method == "POST" else None, present=worth_policy.get()
        )
        if form.is_valid() and self._changed(request, form):
            return HttpResponseRedirect(reverse("admin:economics_worthpolicy_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": "Change the policy of worth",
            "form": form,
            "action": form_url,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/worth_policy.html", context)

    def _changed(self, request: HttpRequest, form: worth_form.WorthPolicyForm) -> bool:
        """Put the terms in force; a refusal becomes an error of the form."""
        chosen = form.cleaned_data
        try:
            policy = worth_policy.change(
                author=figures.author(request, chosen["reason"]),
                now=timezone.now(),
                expected_version=chosen["saw"],
                **form.changes(),
            )
        except RefusedError as refusal:
            form.add_error(None, refusal.detail)
            return False
        if policy.version == form.present.version:
            form.add_error(None, "Nothing was changed.")
            return False
        self.log_addition(request, policy, chosen["reason"])
        what = told(form.present, policy)
        self.message_user(request, f"Version {policy.version} of the policy is in force: {what}.")
        return True


def told(before: WorthPolicy, after: WorthPolicy) -> str:
    """Return what one version changed against the one before, old and new."""
    old, new = worth_policy.terms(before), worth_policy.terms(after)
    return "; ".join(
        f"{worth_form.label(name)} {_value(old[name])} → {_value(new[name])}" for name in old if old[name] != new[name]
    )


def _value(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else figures.number(value)
