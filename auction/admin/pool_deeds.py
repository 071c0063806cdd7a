"""What is done to whole pools in the admin: stopped and resumed, put into fallback and brought out of it."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from auction import fallback, pools, settlement
from auction.admin.reasons import GivenReasonForm, ReasonForm
from auction.models import Fallback, Pool
from config.site import HouseAdmin
from economics import revisions


class PoolDeeds(HouseAdmin[Pool]):
    """The deeds of the page of pools. Each asks first, then makes one call into a rule for each pool."""

    actions = ("stop", "resume", "begin_fallback", "end_fallback")

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may stop and resume pools, and choose between selling and giving."""
        return request.user.has_perm("auction.change_pool")

    @admin.action(description="Stop…", permissions=["run"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Ask, then stop the pools."""
        form = self.asked(request, ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="stop",
                title="Stop pools",
                button="Stop",
                form=form,
                warning="They sell nothing more and take no bids; slots sold but not started are withdrawn and their "
                "holds released. What runs goes on to its end.",
            )
        selling = list(queryset.exclude(mode=Pool.Mode.STOPPED))
        by = revisions.Author(request.user.get_username(), form.cleaned_data["reason"] or "stopped in the admin")
        self._each(request, selling, settlement.stop_pool, by, "Pool {} is stopped; sold slots withdrawn: {}.")
        self._say_untouched(request, len(queryset) - len(selling), "stopped already")
        return None

    @admin.action(description="Resume…", permissions=["run"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Ask, then let the pools sell again."""
        form = self.asked(request, ReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="resume",
                title="Resume pools",
                button="Resume",
                form=form,
                warning="They take bids again and sell in their next cycle. Only stopped pools are touched.",
            )
        stopped = list(queryset.filter(mode=Pool.Mode.STOPPED))
        by = revisions.Author(request.user.get_username(), form.cleaned_data["reason"] or "resumed in the admin")
        self._each(request, stopped, pools.resume, by, "Pool {} sells again; slots offered: {}.")
        self._say_untouched(request, len(queryset) - len(stopped), "not stopped")
        return None

    @admin.action(description="Begin fallback…", permissions=["run"])
    def begin_fallback(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Ask why, then let the pools give their slots by the day's split instead of selling them."""
        form = self.asked(request, GivenReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="begin_fallback",
                title="Begin fallback",
                button="Give slots instead of selling them",
                form=form,
                warning="No round is tried any more. Slots are given by the day's split, the best task of each owner "
                "first, and cost nothing; what was sold before stays sold. It lasts until somebody ends it here. One "
                "that began by itself is made one by hand, so that no round ends it.",
            )
        by_hand = Fallback.objects.filter(why=Fallback.Why.HAND, ended_at=None).values("pool")
        chosen = list(queryset.exclude(mode=Pool.Mode.STOPPED).exclude(pk__in=by_hand))
        who, note = request.user.get_username(), form.cleaned_data["reason"]

        def begin(name: str, *, now: datetime) -> Fallback:
            return fallback.begin(name, why=Fallback.Why.HAND, note=f"{who}: {note}", now=now)

        self._each(request, chosen, begin, revisions.Author(who, note), "Pool {} gives its slots from now on.")
        self._say_untouched(request, len(queryset) - len(chosen), "stopped or in fallback by hand already")
        return None

    @admin.action(description="End fallback…", permissions=["run"])
    def end_fallback(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Ask why, then let the pools sell again."""
        form = self.asked(request, GivenReasonForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="end_fallback",
                title="End fallback",
                button="Sell slots again",
                form=form,
                warning="They sell in their next cycle. What was given is run to its end. Should rounds fail again, "
                "fallback begins again by itself.",
            )
        giving = list(queryset.filter(mode=Pool.Mode.FALLBACK))
        who, why = request.user.get_username(), form.cleaned_data["reason"]

        def end(name: str, *, now: datetime) -> object:
            return fallback.end(name, by=who, now=now)

        self._each(request, giving, end, revisions.Author(who, why), "Pool {} sells again.")
        self._say_untouched(request, len(queryset) - len(giving), "not in fallback")
        return None

    def _say_untouched(self, request: HttpRequest, count: int, why: str) -> None:
        if count:
            self.message_user(request, f"Left as they were, because {why}: {count}.", messages.WARNING)

    def _each(
        self, request: HttpRequest, chosen: list[Pool], deed: Callable[..., object], by: revisions.Author, saying: str
    ) -> None:
        for pool in chosen:
            touched: object = 0
            now = timezone.now()
            with self.done(request, lambda: saying.format(pool, touched)):  # noqa: B023 - said within the turn
                with revisions.signed(by, now=now):
                    touched = deed(pool.name, now=now)
                self.log_change(request, pool, saying.format(pool, touched))
