"""What people do to envelopes: grants for a time, lines, freezes, the name under a grant, each with a reason."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config.errors import RefusedError
from config.site import HouseAdmin
from economics import envelopes, standings, stops
from economics.admin import figures, forms
from economics.models import Envelope


class Deeds(HouseAdmin[Envelope]):
    """The deeds of an envelope's page and of a selection of envelopes."""

    actions = ("grant", "set_line", "freeze", "unfreeze", "mark_granted")

    def has_change_right_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may change envelopes."""
        return request.user.has_perm("economics.change_envelope")

    @admin.action(description="Grant for a time…", permissions=["change_right"])
    def grant(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> HttpResponse | None:
        """Ask which line, how much and for how long, then add it."""
        envelope = self.only(request, queryset)
        if envelope is None:
            return None
        form = self.asked(request, forms.GrantForm)
        form.offer(envelope)
        if not form.is_valid():
            return self.ask(request, queryset, deed="grant", title="Grant for a time", button="Grant", form=form)
        chosen, now = form.cleaned_data, timezone.now()
        with self.done(request, lambda: f"Granted {figures.number(chosen['amount'])} on {chosen['line']}."):
            last = _windows_ahead(chosen["line"].pk, chosen["windows"], now)
            envelopes.grant(
                chosen["line"].pk,
                amount=chosen["amount"],
                author=figures.author(request, chosen["reason"]),
                now=now,
                last=last,
                seen=chosen["seen"],
            )
            self.log_change(request, envelope, f"Granted {figures.number(chosen['amount'])} on {chosen['line']}.")
        return None

    @admin.action(description="Set a line…", permissions=["change_right"])
    def set_line(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> HttpResponse | None:
        """Ask for a tier, a provider or a further window and its ceiling, then set it on each envelope."""
        form = self.asked(request, forms.LineForm)
        if not form.is_valid():
            return self.ask(request, queryset, deed="set_line", title="Set a line", button="Set", form=form)
        chosen = dict(form.cleaned_data)
        by = figures.author(request, chosen.pop("reason"))
        self._each(
            request,
            queryset,
            lambda envelope: envelopes.set_line(envelope.pk, author=by, now=timezone.now(), **chosen),
            lambda done: f"Line set on envelopes: {done}.",
        )
        return None

    @admin.action(description="Freeze…", permissions=["change_right"])
    def freeze(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> HttpResponse | None:
        """Ask why, then freeze."""
        return self._stopped(request, queryset, "freeze", stops.freeze, "Nothing is reserved on them any more.")

    @admin.action(description="Unfreeze…", permissions=["change_right"])
    def unfreeze(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> HttpResponse | None:
        """Ask why, then lift the freeze, whoever set it."""
        warning = (
            "Only frozen envelopes are touched. One that is still over a limit is frozen again by the next check: "
            "raise the limit first."
        )
        return self._stopped(request, queryset, "unfreeze", stops.unfreeze, warning)

    def _stopped(
        self, request: HttpRequest, queryset: QuerySet[Envelope], deed: str, rule: Callable[..., int], warning: str
    ) -> HttpResponse | None:
        form = self.asked(request, figures.ReasonForm)
        title = f"{deed.capitalize()} envelopes"
        if not form.is_valid():
            return self.ask(
                request, queryset, deed=deed, title=title, button=deed.capitalize(), form=form, warning=warning
            )
        touched = 0
        with self.done(request, lambda: f"{title}: {touched}."):
            touched = rule(
                [e.pk for e in queryset],
                author=figures.author(request, form.cleaned_data["reason"]),
                now=timezone.now(),
            )
            for envelope in queryset:
                self.log_change(request, envelope, f"{title}: {form.cleaned_data['reason']}")
        return None

    @admin.action(description="Mark as granted…", permissions=["change_right"])
    def mark_granted(self, request: HttpRequest, queryset: QuerySet[Envelope]) -> HttpResponse | None:
        """Ask why, then put the person's name to the grant."""
        form = self.asked(request, figures.ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="mark_granted",
                title="Mark as granted by the Senate",
                button="Mark as granted",
                form=form,
                warning="From now on a positive market weight may lift these envelopes. Your name stands under it.",
            )
        by = figures.author(request, form.cleaned_data["reason"])
        self._each(
            request,
            queryset,
            lambda envelope: envelopes.mark_granted(envelope.pk, author=by, now=timezone.now()),
            lambda done: f"Envelopes marked as granted: {done}.",
        )
        return None

    def _each(
        self,
        request: HttpRequest,
        rows: Iterable[Envelope],
        deed: Callable[[Envelope], object],
        saying: Callable[[int], str],
    ) -> None:
        done, refusals = 0, []
        for envelope in rows:
            try:
                deed(envelope)
            except RefusedError as error:
                refusals.append(f"{envelope}: {error.detail}")
            else:
                done += 1
        if done:
            self.message_user(request, saying(done))
        for refusal in refusals:
            self.message_user(request, refusal, "error")


def _windows_ahead(line: int, windows: int, now: datetime) -> datetime:
    """Return a moment in the last of so many windows from now on; a lifetime has one."""
    at = now
    for _ in range(windows - 1):
        (standing,) = standings.of_lines([line], at=at)
        if standing.window_end is None:
            break
        at = standing.window_end
    return at
