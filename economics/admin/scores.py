"""Scores in the admin: explained in sentences, the observations behind them, and what reviewers judge."""

from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import site
from config.site import CONFIRMED, figure
from economics import observations, score_words, scores
from economics.admin import figures, of_entity
from economics.admin.envelope_list import TypeFilter
from economics.models import Assessment, Observation, Score

_SCORE: Final = figure("score")


class PresentFilter(admin.SimpleListFilter):
    """Present scores, unless those of the past are asked for."""

    title = "time"
    parameter_name = "time"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer the past and all; the present is the rule."""
        return [("past", "superseded"), ("all", "all")]

    def choices(self, changelist: ChangeList) -> Any:
        """Name the rule."""
        present, *others = super().choices(changelist)
        return [{**present, "display": "present"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Score]) -> QuerySet[Score]:  # noqa: ARG002
        """Keep the present ones unless told otherwise."""
        if self.value() == "all":
            return queryset
        return queryset.filter(superseded_at__isnull=self.value() != "past")


@admin.register(Score)
class ScoreAdmin(of_entity.OfEntity[Score]):
    """Scores, each with all that it was made of. They are made anew by the policy of worth in force."""

    hidden = ("inputs",)
    list_display = (
        *("entity", _SCORE, figure("evidence_strength", "evidence"), figure("novelty")),
        *(figure("strategic_alignment", "alignment"), figure("community_interest", "interest")),
        *(figure("policy_id", "policy"), "at", "superseded_at"),
    )
    list_filter = (PresentFilter, TypeFilter)
    sortable_by: ClassVar[tuple[Any, ...]] = (_SCORE,)
    fieldsets = ((None, {"fields": ("entity", "because", "score", "policy", "at", "superseded_at", "leads")}),)
    extra = ("entity", "because", "leads")

    @admin.display(description="because")
    def because(self, score: Score) -> SafeString:
        """Return the sentences that explain it."""
        sentences = ((sentence,) for sentence in score_words.explain(score))
        return format_html('<ul class="rows">{}</ul>', format_html_join("", "<li>{}</li>", sentences))

    @admin.display(description="see")
    def leads(self, score: Score) -> SafeString:
        """Lead to what it was made of, to what it was before and to the envelope."""
        of_entity = site.rows_of_entity(score.entity_type, score.entity_id)
        every = site.rows_of_entity(score.entity_type, score.entity_id, time="all")
        envelope = f"?{urlencode({'q': score.entity_id, 'type': score.entity_type})}"
        links = (
            ("observation", of_entity, "observations"),
            ("assessment", of_entity, "assessments"),
            ("score", every, "all its scores"),
            ("envelope", envelope, "envelope"),
        )
        rows = ((reverse(f"admin:economics_{model}_changelist"), more, text) for model, more, text in links)
        return format_html_join(" · ", '<a href="{}{}">{}</a>', rows)


class LiveFilter(admin.SimpleListFilter):
    """Whether it counts."""

    title = "counts"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer both."""
        return [("yes", "live"), ("no", "withdrawn")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Observation]) -> QuerySet[Observation]:  # noqa: ARG002
        """Keep one of them."""
        chosen = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(withdrawn_at__isnull=chosen)


@admin.register(Observation)
class ObservationAdmin(of_entity.OfEntity[Observation]):
    """What was seen of entities, from which evidence and interest are computed. Evidence counts once per reference."""

    list_display = (*("at", "entity", "kind", "reference", "principal", "source", "event_id", "withdrawn"),)
    list_filter = ("kind", LiveFilter, TypeFilter)
    actions = ("withdraw",)

    @admin.display(description="withdrawn")
    def withdrawn(self, seen: Observation) -> str | None:
        """Return when and by whom, if it was."""
        return f"{seen.withdrawn_at:%Y-%m-%d} by {seen.withdrawn_by}" if seen.withdrawn_at else None

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may withdraw observations."""
        return request.user.has_perm("economics.change_observation")

    @admin.action(description="Withdraw…", permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Observation]) -> HttpResponse | None:
        """Ask, then let them count for nothing, for good."""
        if CONFIRMED not in request.POST:
            return self.ask(
                request,
                queryset,
                deed="withdraw",
                title="Withdraw observations",
                button="Withdraw for good",
                form=forms.Form(),
                warning="They count for nothing from the next recomputation on. The same event sent again stays "
                "withdrawn; scores that were made of them keep saying so.",
            )
        who, rows = request.user.get_username(), list(queryset)
        alive = [seen for seen in rows if seen.withdrawn_at is None]
        count = observations.withdraw([seen.pk for seen in alive], who=who, now=timezone.now())
        for seen in alive:
            self.log_change(request, seen, "Withdrawn.")
        self.message_user(request, f"Observations withdrawn: {count}; withdrawn before: {len(rows) - len(alive)}.")
        return None


class AssessmentForm(forms.ModelForm[Assessment]):
    """How somebody judges a component of an entity's score."""

    entity_type = forms.CharField(max_length=64, widget=forms.TextInput(attrs={"class": "vTextField"}))
    entity_id = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"class": "vTextField"}))
    value = forms.DecimalField(
        required=False,
        min_value=0,
        max_value=1,
        max_digits=7,
        decimal_places=6,
        help_text="0 to 1. Empty: hand it back to what is observed.",
    )
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record.")

    class Meta:
        """What a person says; the rest follows."""

        model = Assessment
        fields = ("entity_type", "entity_id", "component", "value", "reason")


@admin.register(Assessment)
class AssessmentAdmin(of_entity.OfEntity[Assessment]):
    """What people and graders judge of components of scores. The latest counts, before anything observed."""

    form = AssessmentForm
    list_display = ("id", "at", "entity", "component", figure("value"), "assessed_by", "reason")
    list_filter = ("component", TypeFilter)

    def has_add_permission(self, request: HttpRequest, obj: Assessment | None = None) -> bool:  # noqa: ARG002
        """Tell whether the person may judge."""
        return request.user.has_perm("economics.add_assessment")

    def get_fields(self, request: HttpRequest, obj: Assessment | None = None) -> Any:
        """Ask for a new one what a person says of it."""
        return AssessmentForm.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Assessment | None = None) -> Any:
        """Return all that is shown of one on record."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Assessment, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Put it on record by the rule."""
        by = figures.author(request, obj.reason)
        saved = scores.assess(obj.entity_type, obj.entity_id, obj.component, obj.value, author=by, now=timezone.now())
        obj.pk, obj._state.adding = saved.pk, False  # noqa: SLF001 - what Model.save does
