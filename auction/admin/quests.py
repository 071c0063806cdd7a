"""Quests in the admin: their wallets and backlogs, the strategy they bid by, and who runs what they win."""

from typing import Any, ClassVar, Final, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from auction import quests
from auction.admin import standing
from auction.admin.backlog import badge
from auction.admin.reasons import ReasonForm
from auction.models import Member, Quest
from config import site
from config.errors import RefusedError
from config.models import Agent
from config.site import HouseAdmin, ReadOnlyAdmin
from economics import ledger, revisions

_SHOWN_MEMBERS: Final = 20
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


class QuestList(ChangeList):
    """A page of quests that knows how their backlogs stand, in one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        """Add to the rows of this page how their backlogs stand."""
        super().get_results(request)
        rows = list(self.result_list)
        found = standing.of_quests(rows)
        for row in rows:
            row.backlog = found[row.pk]
        self.result_list = rows


class QuestForm(ReasonForm, forms.ModelForm[Quest]):
    """A quest's settings and why they change."""

    class Meta:
        """What a person may set."""

        model = Quest
        fields = (
            *("id", "title", "pool", "programme", "members_only", "is_active"),
            *("strategy", "bid_factor", "horizon_seconds"),
        )
        widgets = {
            "id": forms.TextInput(attrs={"class": "vTextField", "maxlength": ledger.LONGEST_OWNER}),
            "title": forms.TextInput(attrs={"class": "vLargeTextField"}),
        }
        labels = {"horizon_seconds": "Horizon (seconds)"}
        help_texts = {
            "id": "Its lasting name. A task without an entity is charged to the envelope of type quest with this id.",
            "pool": "Where it bids. It moves only while it has no open bids.",
        }

    def clean_id(self) -> str:
        """Refuse a name that no wallet can have."""
        named: str = self.cleaned_data["id"]
        if len(named) > ledger.LONGEST_OWNER:
            raise forms.ValidationError(f"An id has at most {ledger.LONGEST_OWNER} characters.", code="too_long")  # noqa: EM102, TRY003 - Django's way
        return named


class JoinForm(forms.Form):
    """Who joins."""

    agent = forms.ModelChoiceField(
        Agent.objects.filter(kind=Agent.Kind.WORKER, is_active=True), help_text="A worker; others run nothing."
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        """Let the person find the agent by the beginning of its name."""
        super().__init__(*given, **named)
        field = cast("forms.ModelChoiceField[Agent]", self.fields["agent"])
        found_by = Member._meta.get_field("agent")  # noqa: SLF001 - public
        field.widget = AutocompleteSelect(found_by, admin.site, choices=field.choices)


def _column(state: str, label: str) -> Any:
    """Return a list column with the number of a quest's tasks in a state, leading to them."""

    @admin.display(description=label)
    def column(quest: Any) -> str | SafeString:
        number = quest.backlog[state].tasks
        return format_html('<a href="{}">{}</a>', tasks_of(quest, state), f"{number:,}") if number else "0"

    column.__name__ = f"figure_{state}"  # the style sheet sets columns of this name to the right
    return column


def tasks_of(quest: Quest, state: str = "") -> str:
    """Return the address of a quest's tasks, of those in a state if one is given."""
    terms = {"quest__exact": quest.pk, **({"stands": state} if state else {})}
    return f"{reverse('admin:auction_task_changelist')}?{urlencode(terms)}"


@admin.register(Quest)
class QuestAdmin(HouseAdmin[Quest]):
    """Quests. A new one gets its wallet; settings are changed by the rule, and the History tells each change."""

    form = QuestForm
    list_display = (
        *("id", "figure_available", "figure_held"),
        *(_column(state, state) for state in standing.STATES),
        *("figure_value", "how", "title", "pool"),
    )
    list_filter = ("is_active", "strategy", "members_only", "pool")
    list_select_related = ("account", "pool")
    ordering: ClassVar[tuple[str, ...]] = ("pk",)
    search_fields = ("id", "title", "programme__id__exact")
    search_help_text = "Part of an id or a title; or the agent that may change it, whole."
    autocomplete_fields = ("programme",)
    actions = ("join",)
    fieldsets = (
        (None, {"fields": ("id", "title", "pool", "programme", "members_only", "is_active")}),
        ("How it bids", {
            "fields": ("strategy", "bid_factor", "horizon_seconds"),
            "description": "Once a cycle, for each open task that waits for none. Source: bid_factor of the task's "
            "value, and no more than the wallet's share for each task. Paced: the whole value times the pace, which "
            "falls while it spends faster than its horizon allows and rises while it spends slower.",
        }),
        (None, {"fields": ("reason",)}),
        ("How it stands", {
            "fields": ("wallet", "backlog_told", "bids_now", "members_told", "leads", "created_at"),
        }),
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002
        """Use the list that knows how backlogs stand."""
        return QuestList

    def get_fieldsets(self, request: HttpRequest, obj: Quest | None = None) -> Any:  # noqa: ARG002
        """Show a new quest's settings only: it has no past."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Quest | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Fix the id once given."""
        return ("id", "wallet", "backlog_told", "bids_now", "members_told", "leads", "created_at") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Quest | None = None) -> bool:  # noqa: ARG002
        """Refuse: a quest is made inactive, its books stay."""
        return False

    # Columns

    @admin.display(description="bids", ordering="strategy")
    def how(self, quest: Quest) -> str | SafeString:
        """Return how much of a task's value it bids now, and whether that is its pace."""
        if not quest.is_active:
            return badge("inactive")
        if quest.strategy == Quest.Strategy.PACED:
            return f"paced, {percent(quest.pace)}"
        return percent(quest.bid_factor)

    @admin.display(description="available", ordering="account__available")
    def figure_available(self, quest: Quest) -> str:
        """Return the wallet tokens that it may still promise."""
        return f"{quest.account.available:,}"

    @admin.display(description="held", ordering="account__held")
    def figure_held(self, quest: Quest) -> str:
        """Return the wallet tokens that bids and sold slots hold."""
        return f"{quest.account.held:,}"

    @admin.display(description="EV (USD)")
    def figure_value(self, quest: Any) -> str:
        """Return what its open, unblocked tasks are expected to be worth."""
        return f"{quest.backlog[standing.STATES[0]].value_usd:,.2f}"

    # One quest

    @admin.display(description="bids now")
    def bids_now(self, quest: Quest) -> str:
        """Return how much of a task's value it bids, and what bounds it, in a sentence."""
        if not quest.is_active:
            return "Nothing: it is inactive."
        if quest.strategy == Quest.Strategy.PACED:
            lasts = _lasting(quest.horizon_seconds)
            return f"{percent(quest.pace)} of a task's value, its pace in this cycle; the wallet is to last {lasts}."
        return f"{percent(quest.bid_factor)} of a task's value, no more than the wallet's share for each task."

    @admin.display(description="wallet (tokens)")
    def wallet(self, quest: Quest) -> SafeString:
        """Return its balance, what of it is held and what is available, leading to the wallet."""
        account = quest.account
        return format_html(
            '<a href="{}">{} available</a> · {} held by bids and sold slots · {} in all',
            reverse("admin:economics_account_change", args=[account.pk]),
            *(f"{tokens:,}" for tokens in (account.available, account.held, account.balance)),
        )

    @admin.display(description="backlog")
    def backlog_told(self, quest: Quest) -> str | SafeString:
        """Return how many tasks are in which state, and what they are worth, each leading to them."""
        found = standing.of_quests([quest])[quest.pk]
        if not found:
            return "No task yet. Its programme files them over the API, or a person imports them."
        rows = (
            (tasks_of(quest, state), f"{found[state].tasks:,}", state, f"{found[state].value_usd:,.2f}")
            for state in (*standing.STATES, "cancelled")
            if found[state].tasks
        )
        return format_html_join(" · ", '<a href="{}">{} {}</a> ({} USD)', rows)

    @admin.display(description="run by")
    def members_told(self, quest: Quest) -> str | SafeString:
        """Return who runs what it wins."""
        found = list(quest.members.order_by("agent_id").values_list("agent_id", flat=True)[: _SHOWN_MEMBERS + 1])
        rest = "" if quest.members_only else " and every other worker" if found else "every worker"
        if not found:
            return rest or "nobody: it is for members only and has none. Let an agent join."
        names = ", ".join(found[:_SHOWN_MEMBERS]) + (" …" if len(found) > _SHOWN_MEMBERS else "")
        address = f"{reverse('admin:auction_member_changelist')}?{urlencode({'quest__exact': quest.pk})}"
        return format_html('<a href="{}">{}</a>{}', address, names, rest)

    @admin.display(description="see")
    def leads(self, quest: Quest) -> SafeString:
        """Lead to its tasks, bids, sold slots and parts of the split, and to what its own work costs."""
        of: dict[str, Any] = {"account__exact": quest.account_id}
        links = (
            ("task", {"quest__exact": quest.pk}, "backlog"),
            ("bid", {**of, "status__exact": "open"}, "open bids"),
            ("clear", of, "sold and given slots"),
            ("questallocation", {"quest__exact": quest.pk}, "stipends"),
        )
        rows = [
            (f"{reverse(f'admin:auction_{model}_changelist')}?{urlencode(terms)}", text) for model, terms, text in links
        ]
        story = site.led_to_chain("quest", quest.pk, "envelope and its story")
        return format_html("{} · {}", format_html_join(" · ", '<a href="{}">{}</a>', rows), story)

    # Deeds

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Say what a rule refused and show the form as it stands; nothing was written then."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except RefusedError as refusal:
            self.say_refused(request, refusal)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Quest, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Open the quest and its wallet, or change just what was changed, by the rule."""
        chosen = {name: form.cleaned_data[name] for name in form.changed_data if name not in ("id", "pool", "reason")}
        why = form.cleaned_data["reason"] or ("changed in the admin" if change else "opened in the admin")
        pool = form.cleaned_data["pool"].name if "pool" in form.changed_data or not change else None
        now = timezone.now()
        with revisions.signed(revisions.Author(request.user.get_username(), why), now=now):
            saved = quests.upsert(obj.pk, by=None, now=now, pool=pool, **chosen)
        obj.account_id, obj._state.adding = saved.account_id, False  # noqa: SLF001 - what Model.save does

    def has_join_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may say who runs what a quest wins."""
        return request.user.has_perm("auction.change_quest")

    @admin.action(description="Let an agent join…", permissions=["join"])
    def join(self, request: HttpRequest, queryset: QuerySet[Quest]) -> HttpResponse | None:
        """Ask who, then let the agent run what these quests win."""
        form = self.asked(request, JoinForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="join",
                title="Let an agent join",
                button="Let it join",
                form=form,
                summary="It may then run what these quests win, also where that is for members only.",
            )
        agent = form.cleaned_data["agent"]
        for quest in queryset:
            with self.done(request, lambda: f"Agent {agent} runs what quest {quest} wins."):  # noqa: B023 - said within the turn
                quests.join(quest, agent, now=timezone.now())
                self.log_change(request, quest, f"Agent {agent} joined.")
        return None


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin[Member]):
    """Agents that run what a quest wins. They join on the quest's page and leave here."""

    hidden = ("agent_kind",)
    list_display = ("agent", "quest", "created_at")
    list_filter = ("quest__members_only",)
    list_select_related = ("agent", "quest")
    search_fields = ("agent_id__exact", "quest_id__exact")
    search_help_text = "The id of an agent or a quest, whole."
    actions = ("leave",)

    def has_leave_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may say who runs what a quest wins."""
        return request.user.has_perm("auction.change_quest")

    @admin.action(description="Leave…", permissions=["leave"])
    def leave(self, request: HttpRequest, queryset: QuerySet[Member]) -> HttpResponse | None:
        """Ask, then take the agents out of the quests."""
        form = self.asked(request, forms.Form)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="leave",
                title="Let agents leave",
                button="Let them leave",
                form=form,
                warning="They run no more of what these quests win for members only. What they have claimed they may "
                "still run.",
            )
        left = sum(quests.leave(member.quest, member.agent) for member in queryset.select_related("quest", "agent"))
        self.message_user(request, f"Members that left: {left}.")
        return None


def percent(share: Any) -> str:
    """Return a share in per cent, with no more decimals than it has use for."""
    return f"{float(share) * 100:.3g} %"


def _lasting(seconds: int) -> str:
    """Return a time in its largest unit."""
    return next((f"{seconds / unit:.3g} {name}" for unit, name in _UNITS if seconds >= unit), f"{seconds} s")
