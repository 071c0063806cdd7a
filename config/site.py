"""The admin site and the bases its pages stand on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.paginator import InvalidPage
from django.db import DataError, models
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import dressed, fieldsets, history_page, lists, prefilled, sidebar
from config.errors import RefusedError

ModelT = TypeVar("ModelT", bound=models.Model)
FormT = TypeVar("FormT", bound=forms.Form)

MOST_SELECTED = 200
CONFIRMED = "confirmed"


class HouseAdminSite(dressed.AdminSite):
    """The reviewers' and operators' door."""

    index_title = "The house"
    empty_value_display = "—"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out the colours, which unfold would write into the page as a style that our policy forbids."""
        return {**super().each_context(request), "colors": None}

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Search the menu; further pages than there are do not exist."""
        try:
            return super().search(request, extra_context)  # type: ignore[misc, no-any-return] # unfold's
        except InvalidPage as error:
            raise Http404 from error


class HouseAdmin(history_page.HistoryPage[ModelT]):
    """A page of the house: newest rows first, and deeds that ask before they are done.

    A deed is a list action; it stands on the page of a single row as well. It makes one call into a rule.
    """

    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    list_per_page = 50
    list_fullwidth = True

    @property
    def list_filter_submit(self) -> bool:
        """Tell whether a filter of the list is filled in rather than clicked: then they are applied together."""
        kinds = (entry[1] if isinstance(entry, tuple) else entry for entry in self.list_filter or ())
        return any(hasattr(kind, "form_class") for kind in kinds)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Head the list with what it lists; of what no column can hold there is nothing to narrow it to."""
        if "%00" in request.META.get("QUERY_STRING", ""):
            self.message_user(request, lists.word(lists.NonsenseError()), messages.WARNING)
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")  # as Django does with other nonsense
        title = sidebar.list_title(self.opts)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list asked for, or tell the person why there is none; the whole list is shown then."""
        try:
            if any(name.endswith("__range") for name in request.GET):
                raise lists.NonsenseError  # it takes two values, and an address gives one text
            return super().get_changelist_instance(request)
        except (IncorrectLookupParameters, LookupError, ValueError, OverflowError, DataError) as error:
            self.message_user(request, lists.word(error), messages.WARNING)
            raise IncorrectLookupParameters from error

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the deeds of the list on the page of a row as well."""
        deeds = [choice for choice in self.get_action_choices(request) if choice[0] not in {"", "delete_selected"}]
        context = {"deeds": deeds, "action_checkbox_name": ACTION_CHECKBOX_NAME, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ModelT | None:
        """Return the row the address names; none has a name that no text column can hold."""
        return None if "\0" in str(object_id) else super().get_object(request, object_id, from_field or None)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the address fills in beforehand, read as the columns have it; what none holds is left out."""
        return prefilled.readable(self.opts, super().get_changeform_initial_data(request))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Compute each read-only column once, and say beside the form what there is to say of the row."""
        if context["original"] is not None:
            context |= self.beside(request, context["original"], context["deeds"])
        context["adminform"] = fieldsets.plain(context["adminform"])
        return super().render_change_form(request, context, *args, **kwargs)

    def beside(self, request: HttpRequest, row: ModelT, deeds: list[tuple[str, str]]) -> dict[str, Any]:  # noqa: ARG002
        """Return what the page of a row shows beside its form: a `banner`, those of the `deeds` that fit; else all."""
        return {}

    def asked(self, request: HttpRequest, form: Callable[..., FormT], **initial: object) -> FormT:
        """Return the form of a deed: filled in by the person who confirmed it, else fresh and not valid yet."""
        return form(request.POST) if CONFIRMED in request.POST else form(initial=initial)

    def ask(  # noqa: PLR0913 - what a page of confirmation says
        self,
        request: HttpRequest,
        rows: models.QuerySet[ModelT],
        *,
        deed: str,
        title: str,
        button: str,
        form: forms.Form,
        warning: str = "",
        summary: str = "",
    ) -> HttpResponse | None:
        """Show the page on which a person confirms `deed` (the action's name) for exactly these rows."""
        chosen = list(rows[: MOST_SELECTED + 1])
        if len(chosen) > MOST_SELECTED:
            self.message_user(request, f"Select at most {MOST_SELECTED} rows at once.", messages.ERROR)
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": title,
            "deed": deed,
            "button": button,
            "warning": warning,
            "summary": summary,
            "rows": chosen,
            "form": form,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(request, "admin/confirm_deed.html", context)

    def only(self, request: HttpRequest, rows: models.QuerySet[ModelT]) -> ModelT | None:
        """Return the one row selected, or say that this deed takes one."""
        chosen = list(rows[:2])
        if len(chosen) == 1:
            return chosen[0]
        self.message_user(request, "Select exactly one row for this.", messages.ERROR)
        return None

    @contextmanager
    def done(self, request: HttpRequest, saying: Callable[[], str]) -> Iterator[None]:
        """Tell the person what the deed inside did, or why a rule refused it."""
        try:
            yield
        except RefusedError as refusal:
            self.say_refused(request, refusal)
        else:
            self.message_user(request, saying(), messages.SUCCESS)

    def say_refused(self, request: HttpRequest, refusal: RefusedError) -> None:
        """Tell the person why a rule refused what was asked, with its code and figures."""
        figures = ", ".join(f"{name} {value}" for name, value in refusal.figures.items())
        detail = f"{refusal.detail} [{refusal.code}{': ' if figures else ''}{figures}]"
        self.message_user(request, detail, messages.ERROR)


class ReadOnlyAdmin(HouseAdmin[ModelT]):
    """A page for rows that a law of the database protects: to be read, never edited; every column but `hidden`."""

    hidden: ClassVar[Sequence[str]] = ()
    extra: ClassVar[Sequence[str]] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to narrow the list by what is not shown: that would tell it bit by bit."""
        return lookup.split(LOOKUP_SEP, 1)[0] not in self.hidden and super().lookup_allowed(lookup, value, request)

    def get_fields(self, request: HttpRequest, obj: ModelT | None = None) -> Any:  # noqa: ARG002 - Django's
        """Return every stored column, then the `extra` ones that the page computes."""
        columns = [field.name for field in self.opts.concrete_fields if field.name not in self.hidden]
        return [*columns, *self.extra]

    def get_readonly_fields(self, request: HttpRequest, obj: ModelT | None = None) -> Any:
        """Return all that is shown."""
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: such rows come from deeds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: such rows are changed by deeds only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: such rows never vanish."""
        return False


class LargeTableAdmin(ReadOnlyAdmin[ModelT]):
    """A read-only page for a table of millions: no exact count, no facets, sorted by its key unless told otherwise."""

    paginator = lists.EstimatingPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's
        """Use the list that goes on by key."""
        return lists.KeyedList


def figure(field: str, label: str = "") -> Callable[[models.Model], str]:
    """Return a list column for a number: thousands set apart, idle zeros left out."""

    @admin.display(description=label or field.removesuffix("_tokens").replace("_", " "), ordering=field)
    def column(row: models.Model) -> str:
        number = getattr(row, field)
        if number is None:
            return HouseAdminSite.empty_value_display
        return f"{number.normalize():,f}" if isinstance(number, Decimal) else f"{number:,}"

    column.__name__ = f"figure_{field}"  # the style sheet sets columns of this name to the right
    return column


def led_to_chain(entity_type: str, entity_id: str, text: str = "") -> str | SafeString:
    """Return the name of an entity (or `text`), leading to the page that tells all of it, which a higher app serves.

    Other programs name entities as they like: a name that fits no address leads nowhere.
    """
    name = text or f"{entity_type}:{entity_id}"
    # An address would take what follows a slash for the id, and a browser goes up a step for each pair of dots.
    if "/" in entity_type or {".", ".."} & {entity_type, *entity_id.split("/")}:
        return name
    try:
        address = reverse("admin:governance_chain", args=[entity_type, entity_id])
    except NoReverseMatch:
        return name
    return format_html('<a href="{}">{}</a>', address, name)


def rows_of_entity(entity_type: str, entity_id: str, **more: str) -> str:
    """Return the query by which a list shows the rows of just this entity, however it is named."""
    return f"?{urlencode({'entity_type__exact': entity_type, 'entity_id__exact': entity_id, **more})}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], words: frozenset[int] = frozenset()) -> SafeString:
    """Return a table whose first column heads its rows; all others hold numbers but those in `words`."""
    kinds = ["words" if place in words else "number" for place in range(len(heads))]
    head = format_html_join("", '<th scope="col" class="{}">{}</th>', zip(["", *kinds[1:]], heads, strict=True))
    body = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (row[0], format_html_join("", '<td class="{}">{}</td>', zip(kinds[1:], row[1:], strict=True)))
            for row in rows
        ),
    )
    return format_html(
        '<div class="results"><table class="review"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        body,
    )
