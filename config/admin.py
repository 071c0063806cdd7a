"""Users, agents, keys and schedules in the admin; the records of the house stand in a module of their own."""

import secrets
from datetime import timedelta
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone

from config import admin_records, admin_schedules, dressed, keys
from config.models import Agent, AgentKey, User
from config.site import CONFIRMED, HouseAdmin, ReadOnlyAdmin

__all__ = ["admin_records", "admin_schedules"]  # importing them registers their pages

admin.site.unregister(Group)
_Ticks = forms.CheckboxSelectMultiple


class UserCreationForm(dressed.AdminUserCreationForm[User]):
    """Django's form for the house's own user model."""

    class Meta(dressed.AdminUserCreationForm.Meta):
        """Our users."""

        model = User


class PasswordForm(dressed.AdminPasswordChangeForm):  # type: ignore[type-arg] # unfold's takes none
    """A new password for somebody, or none: nobody signs in by one then."""

    usable_password_help_text = "Disabled: nobody signs in as this person by password, and the present one is lost."  # noqa: S105 - words


@admin.register(User)
class UserAdmin(auth_admin.UserAdmin[User], HouseAdmin[User]):
    """People who sign in, with the groups and permissions that the deeds ask for."""

    form = dressed.UserChangeForm[User]
    add_form = UserCreationForm
    change_password_form = PasswordForm
    filter_horizontal = ()  # two lists and arrows between them: no keyboard is at ease there

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        """Offer groups and permissions to tick."""
        return super().formfield_for_manytomany(db_field, request, **{"widget": _Ticks, **kwargs})

    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Let superusers alone give rights: whoever else looks after accounts would give himself all of them."""
        fixed = super().get_readonly_fields(request, obj)
        return fixed if _is_above_all(request) else (*fixed, "is_superuser", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse others a superuser's account: whoever sets its password is one."""
        return super().has_change_permission(request, obj) and (_is_above_all(request) or not _is_superuser(obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse the same."""
        return super().has_delete_permission(request, obj) and (_is_above_all(request) or not _is_superuser(obj))


def _is_above_all(request: HttpRequest) -> bool:
    return request.user.is_active and _is_superuser(request.user)


def _is_superuser(person: Any) -> bool:
    return person is not None and bool(person.is_superuser)


@admin.register(Group)
class GroupAdmin(auth_admin.GroupAdmin, HouseAdmin[Group]):
    """Roles: permissions that people have together."""

    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Let superusers alone say what a role may do."""
        fixed = super().get_readonly_fields(request, obj)
        return fixed if _is_above_all(request) else (*fixed, "permissions")

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        """Offer permissions to tick."""
        return super().formfield_for_manytomany(db_field, request, **{"widget": _Ticks, **kwargs})


class IssueKeyForm(forms.Form):
    """What a new key may do and for how long. `name` becomes its prefix, so a form sent twice issues one."""

    name = forms.RegexField(r"^[0-9a-f]{12}$", widget=forms.HiddenInput)
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(label="Lifetime in days", min_value=1, max_value=keys.LONGEST.days)
    label = forms.CharField(
        max_length=keys.LONGEST_LABEL, required=False, help_text="Where the key will live: a machine, a service."
    )

    def __init__(self, data: QueryDict | None, *, agent: Agent) -> None:
        """Offer the scopes of the agent's kind, all of them ticked."""
        super().__init__(data, initial={"name": secrets.token_hex(6), "days": keys.LIFETIME.days})
        allowed = sorted(keys.SCOPES_BY_KIND[agent.kind])
        self.fields["scopes"].choices = [(scope, scope) for scope in allowed]  # type: ignore[attr-defined]
        self.initial["scopes"] = allowed


class AgentKeyInline(dressed.TabularInline[AgentKey, Agent]):
    """An agent's keys on its page."""

    model = AgentKey
    fields = readonly_fields = ("label", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    ordering = ("-pk",)
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: keys are issued by the deed."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Agent)
class AgentAdmin(HouseAdmin[Agent]):
    """Agents: named and typed once; switched off rather than deleted."""

    list_display: tuple[str, ...] = (
        *("id", "kind", "title", "sponsor", "is_active"),
        *("valid_keys", "created_at"),
    )
    list_filter = ("kind", "is_active")
    list_select_related = ("sponsor",)
    ordering: ClassVar[tuple[str, ...]] = ("pk",)
    search_fields = ("id", "title")
    fields = ("id", "kind", "title", "sponsor", "is_active")
    autocomplete_fields = ("sponsor",)
    inlines = (AgentKeyInline,)
    actions: tuple[str, ...] = ("issue_key",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Count the keys that work now."""
        valid = Q(keys__revoked_at=None, keys__expires_at__gt=timezone.now())
        return super().get_queryset(request).annotate(valid_keys=Count("keys", filter=valid))

    @admin.display(description="valid keys", ordering="valid_keys")
    def valid_keys(self, agent: Agent) -> int:
        """Return how many of the agent's keys work now."""
        return agent.valid_keys  # type: ignore[attr-defined, no-any-return] # annotated above

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix id and kind once the agent exists."""
        return ("id", "kind", "created_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Show since when an agent exists."""
        return (*self.fields, "created_at") if obj else self.fields

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:  # noqa: ARG002
        """Refuse: an id that came back as another kind would break the record. Make the agent inactive."""
        return False

    def has_issue_key_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may issue keys."""
        return request.user.has_perm("config.add_agentkey")

    @admin.action(description="Issue a key…", permissions=["issue_key"])
    def issue_key(self, request: HttpRequest, queryset: QuerySet[Agent]) -> HttpResponse | None:
        """Ask for scopes and lifetime, issue the key and show its secret this one time."""
        agent = self.only(request, queryset)
        if agent is None:
            return None
        form = IssueKeyForm(request.POST if CONFIRMED in request.POST else None, agent=agent)
        if not form.is_valid():
            title = f"Issue a key to {agent}"
            return self.ask(request, queryset, deed="issue_key", title=title, button="Issue the key", form=form)
        chosen = form.cleaned_data
        with self.done(request, lambda: f"Issued a key to {agent}."):
            key, secret = keys.issue(
                agent=agent,
                scopes=chosen["scopes"],
                lifetime=timedelta(days=chosen["days"]),
                label=chosen["label"],
                prefix=chosen["name"],
                issued_by=cast("User", request.user),
                now=timezone.now(),
            )
            self.log_change(request, agent, f"Issued key {key}.")
            context = {"title": f"Key {key} of {agent}", "opts": self.opts, "key": key, "secret": secret}
            return TemplateResponse(
                request, "admin/key_issued.html", {**self.admin_site.each_context(request), **context}
            )
        return None


class KeyStateFilter(admin.SimpleListFilter):
    """Whether a key still opens anything."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the three states."""
        return [("valid", "valid"), ("expired", "expired"), ("revoked", "revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AgentKey]) -> QuerySet[AgentKey]:  # noqa: ARG002
        """Keep the keys in the state chosen."""
        now = timezone.now()
        match self.value():
            case "valid":
                return queryset.filter(revoked_at=None, expires_at__gt=now)
            case "expired":
                return queryset.filter(revoked_at=None, expires_at__lte=now)
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
        return queryset


class RevokeKeysForm(forms.Form):
    """Why keys are revoked."""

    reason = forms.CharField(max_length=500, help_text="Goes on record, in the history of each key.")


@admin.register(AgentKey)
class AgentKeyAdmin(ReadOnlyAdmin[AgentKey]):
    """Keys by their public prefix; the digest is nobody's business."""

    hidden = ("digest",)
    list_display = ("prefix", "agent", "label", "scope_list", "expires_at", "revoked_at", "last_used_at")
    list_filter = (KeyStateFilter, "agent__kind")
    list_select_related = ("agent",)
    search_fields = ("agent__id", "prefix", "label")
    actions = ("revoke",)

    @admin.display(description="scopes")
    def scope_list(self, key: AgentKey) -> str:
        """Return the scopes in one line."""
        return ", ".join(key.scopes)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may revoke keys."""
        return request.user.has_perm("config.change_agentkey")

    @admin.action(description="Revoke…", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AgentKey]) -> HttpResponse | None:
        """Ask why, then revoke the keys for good."""
        form = self.asked(request, RevokeKeysForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="revoke",
                title="Revoke keys",
                button="Revoke for good",
                form=form,
                warning="Whoever uses these keys is refused from now on. This cannot be undone.",
            )
        revoked = [key for key in queryset if key.revoked_at is None]
        count = keys.revoke([key.pk for key in revoked], now=timezone.now())
        for key in revoked:
            self.log_change(request, key, f"Revoked: {form.cleaned_data['reason']}")
        self.message_user(request, f"Keys revoked: {count}; revoked before: {len(queryset) - len(revoked)}.")
        return None
