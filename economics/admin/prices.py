"""Prices in the admin: set from a moment on, withdrawn, imported after a review; and what waits for one."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.site import CONFIRMED, ReadOnlyAdmin
from economics import catalog, price_words, revisions, unpriced
from economics.admin import figures, price_form, price_import
from economics.models import Price, Usage


class StandingFilter(admin.SimpleListFilter):
    """Whether a price stands."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer those that stand and those withdrawn."""
        return [("yes", "stands"), ("no", "withdrawn")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Price]) -> QuerySet[Price]:  # noqa: ARG002
        """Keep one of them."""
        chosen = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(withdrawn_at__isnull=chosen)


class ResourceFilter(admin.SimpleListFilter):
    """The classes, which are known."""

    title = "class"
    parameter_name = "resource_type__exact"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the four classes."""
        return [(value, value) for value in Usage.Resource.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Price]) -> QuerySet[Price]:  # noqa: ARG002
        """Keep one of them."""
        return queryset.filter(resource_type=self.value()) if self.value() else queryset


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin[Price]):
    """List prices. One is added, or withdrawn, and never changed."""

    change_list_template = "admin/prices.html"
    list_display = ("priced", "counts_from", "costs", "withdrawn", "source", "set_by")
    list_filter = (ResourceFilter, StandingFilter, "effective_from")
    search_fields = ("name",)
    search_help_text = "Part of a model's or a provider's name."
    ordering: ClassVar[tuple[str, ...]] = ("-effective_from", "-pk")
    actions = ("withdraw",)

    @admin.display(description="of", ordering="name")
    def priced(self, price: Price) -> str:
        """Return the model or provider, or the class where there is one price."""
        unit = {"llm_tokens": "", "api_calls": " (calls)"}.get(price.resource_type, price.resource_type)
        return f"{price.name}{unit}"

    @admin.display(description="price (USD)")
    def costs(self, price: Price) -> str:
        """Return the price in a unit that people compare."""
        if price.resource_type == Usage.Resource.LLM_TOKENS:
            return f"{price_words.per_million(catalog.rates_of(price))} per million"
        return f"{figures.number(price.rate)} each"

    @admin.display(description="counts from", ordering="effective_from")
    def counts_from(self, price: Price) -> str:
        """Return from when on it counts."""
        return price_words.moment(price.effective_from)

    @admin.display(description="withdrawn", ordering="withdrawn_at")
    def withdrawn(self, price: Price) -> str | None:
        """Return when it was withdrawn, if it was."""
        return None if price.withdrawn_at is None else price_words.moment(price.withdrawn_at)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the import and the queue to those who may."""
        may = {"may_import": price_import.may_import(request), "may_see_queue": self._may_see_queue(request)}
        return super().changelist_view(request, {**may, **(extra_context or {})})

    # Setting

    def has_add_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:  # noqa: ARG002
        """Tell whether the person may set prices."""
        return request.user.has_perm("economics.add_price")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for a price and set it; the address may name what is known of it already."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        known = {} if request.method == "POST" else price_form.initial(request)
        form = price_form.PriceForm(request.POST if request.method == "POST" else None, initial=known)
        form.may_add_models = request.user.has_perm("economics.add_languagemodel")
        if form.is_valid():
            chosen, saved, now = form.cleaned_data, None, timezone.now()
            by = figures.author(request, "named by a price that was set")
            with self.done(request, lambda: f"{saved} is set."), revisions.signed(by, now=now):
                saved = catalog.set_price(
                    resource_type=chosen["resource_type"],
                    name=chosen["name"],
                    rates=chosen["rates"],
                    effective_from=chosen["effective_from"],
                    who=request.user.get_username(),
                    now=now,
                    source=chosen["source"],
                    tier=chosen["tier"].pk if chosen["tier"] else "",
                    provider=chosen["provider"],
                )
                self.log_addition(request, saved, f"Set: {self.costs(saved)}.")
            return HttpResponseRedirect(reverse("admin:economics_price_changelist"))
        guess = f" Filled in from {known['source']}: check it." if known.get("source") else ""
        context = {
            "form": form,
            "title": "Set a price",
            "button": "Set",
            "warning": _WARNING + guess,
            "action": form_url,
        }
        return self._page(request, "admin/deed_form.html", {**context, **(extra_context or {})})

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**shared, **context})

    # Withdrawing

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may withdraw prices."""
        return request.user.has_perm("economics.change_price")

    @admin.action(description="Withdraw…", permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Price]) -> HttpResponse | None:
        """Ask, then withdraw the prices for good."""
        if CONFIRMED not in request.POST:
            return self.ask(
                request,
                queryset,
                deed="withdraw",
                title="Withdraw prices",
                button="Withdraw for good",
                form=forms.Form(),
                warning="The price before each counts again from now on, if there is one. What was priced stays.",
            )
        standing = [price for price in queryset if price.withdrawn_at is None]
        count = catalog.withdraw_prices([price.pk for price in standing], now=timezone.now())
        for price in standing:
            self.log_change(request, price, "Withdrawn.")
        self.message_user(request, f"Prices withdrawn: {count}; withdrawn before: {len(queryset) - len(standing)}.")
        return None

    # Import and queue

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that are about no single price."""
        own = self.admin_site.admin_view
        return [
            path("import/", own(self.import_view), name="economics_price_import"),
            path("unpriced/", own(self.unpriced_view), name="economics_price_unpriced"),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a list, show what it would change, and change it when that is confirmed."""
        if not price_import.may_import(request):
            raise PermissionDenied
        answer = price_import.answer(request, self.done)
        if answer is None:
            return HttpResponseRedirect(reverse("admin:economics_price_changelist"))
        return self._page(request, *answer)

    def _may_see_queue(self, request: HttpRequest) -> bool:
        return request.user.has_perm("economics.view_usage")

    def unpriced_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits for a price, with a way to set it."""
        if not self._may_see_queue(request):
            raise PermissionDenied
        rows = [_row(waiting) for waiting in unpriced.queue()]
        context = {"title": "Usage without a price", "rows": rows, "may_set": self.has_add_permission(request)}
        return self._page(request, "admin/unpriced.html", context)


_WARNING = "What is priced already keeps its cost. A price that stands for the same moment is withdrawn and replaced."


def _row(waiting: unpriced.Unpriced) -> dict[str, Any]:
    """Return a kind of usage as the page shows it, with the address of its rows and of the form that prices it."""
    of_models = waiting.resource_type == Usage.Resource.LLM_TOKENS
    asked = {
        "resource_type": waiting.resource_type,
        "name": (waiting.listed_as or waiting.model) if of_models else waiting.provider,
        "effective_from": f"{waiting.first_use:%Y-%m-%d}",
    }
    if of_models and waiting.provider:
        asked["provider"] = waiting.provider
    shown = {"resource_type__exact": waiting.resource_type, "price_state__exact": "unpriced"}
    if waiting.model:
        shown["model__exact"] = waiting.model
    if waiting.provider:
        shown["provider__exact"] = waiting.provider
    return {
        "waiting": waiting,
        "events": f"{waiting.events:,}",
        "amount": figures.number(waiting.amount),
        "price_url": f"{reverse('admin:economics_price_add')}?{urlencode(asked)}",
        "usage_url": f"{reverse('admin:economics_usage_changelist')}?{urlencode(shown)}",
    }
