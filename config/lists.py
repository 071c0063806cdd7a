"""Lists of the admin: pages down to a depth, from there on by key, and a word on what makes no sense."""

import json
from functools import cached_property
from typing import Any, Final, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import InvalidPage, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from config import keyset

EXACT_UP_TO: Final = 10_000
DEEPEST: Final = 10_000  # rows: a page further down reads all that stands before it
OLDER: Final = "older"
NEWER: Final = "newer"

_DEEP: Final = (
    f"There is no such page: pages go down to {DEEPEST:,} rows. Step on from row to row with Older, or narrow the list."
)
_NONSENSE: Final = "The list cannot be narrowed to that"


class NonsenseError(IncorrectLookupParameters):
    """What was asked of a list makes no sense; its words are for the person who asked."""


def word(error: Exception) -> str:
    """Return what to say to a person whose list could not be narrowed to what was asked."""
    if isinstance(error, NonsenseError):
        return f"{str(error) or f'{_NONSENSE}.'} The whole list is shown."
    if isinstance(error.__cause__ or error.__context__, InvalidPage):
        return _DEEP
    found = error.args[0] if error.args else ""
    why = "; ".join(found.messages) if isinstance(found, ValidationError) else str(found)
    return f"{_NONSENSE}{': ' if why else ''}{why.rstrip('.')}. The whole list is shown."


class EstimatingPaginator(Paginator[Any]):
    """Counts exactly up to `EXACT_UP_TO` rows and beyond that asks the planner, in time that does not grow."""

    template_name = "house/pages.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, estimated from PostgreSQL's statistics where there are many."""
        rows = cast("QuerySet[Model]", self.object_list).order_by()
        counted = rows[: EXACT_UP_TO + 1].count()
        if counted <= EXACT_UP_TO:
            return counted
        plan = json.loads(rows.explain(format="json"))
        estimate: int = plan[0]["Plan"]["Plan Rows"]
        return max(counted, estimate)

    @cached_property
    def num_pages(self) -> int:
        """Return how many pages there are; none begins below the deepest row."""
        return min(super().num_pages, max(1, DEEPEST // self.per_page))


class KeyedList(ChangeList):
    """A list of a large table. `older` and `newer` are the addresses of the rows beside those shown, or empty."""

    older = ""
    newer = ""
    counted = ""
    is_keyed = False

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows, whichever of them are shown."""
        for name in (OLDER, NEWER):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of a page by its number, or those beside the row whose key the address names."""
        is_newer = NEWER in request.GET
        key = request.GET.get(NEWER) or request.GET.get(OLDER)
        ordering = self._ordering()
        self.is_keyed = key is not None
        if self.is_keyed:
            self.page_num = 1
        super().get_results(request)
        self.counted = f"{'about ' if self.result_count > EXACT_UP_TO else ''}{self.result_count:,}"
        self.queryset = self.as_read(self.queryset)
        if key is None:
            rows = list(self._page())
            is_last = self.show_all or self.page_num * self.list_per_page >= self.result_count
            self.older = "" if is_last else self._address(OLDER, rows, ordering)
        else:
            rows = self._beside(key, ordering, is_newer=is_newer)
        self.result_list = rows

    def as_read(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the list as a page of them is read, now that they are counted."""
        return rows

    def _page(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.queryset
        if self.show_all or not self.multi_page:
            return rows
        first = (self.page_num - 1) * self.list_per_page
        return rows[first : first + self.list_per_page]

    def _ordering(self) -> list[str]:
        """Return the columns that the list is in the order of; none where they do not name one row each."""
        found = list(self.queryset.query.order_by)
        for column in found:
            name = column.lstrip("-") if isinstance(column, str) else ""
            if name == "pk":
                continue
            try:
                field = self.opts.get_field(name)
            except FieldDoesNotExist:
                return []
            if getattr(field, "null", True):
                return []
        return [str(column) for column in found]

    def _beside(self, key: str, ordering: list[str], *, is_newer: bool) -> list[Any]:
        """Return the page of rows just before or just after the row of this key."""
        order = keyset.reversed_order(ordering) if is_newer else ordering
        beyond = self.queryset.order_by(*order).filter(keyset.beyond(order, self._place(key, order)))
        rows = list(beyond[: self.list_per_page + 1])
        has_more = len(rows) > self.list_per_page
        rows = rows[: self.list_per_page]
        if is_newer:
            rows.reverse()
        self.multi_page = False
        self.older = self._address(OLDER, rows, ordering) if is_newer or has_more else ""
        self.newer = self._address(NEWER, rows, ordering) if has_more or not is_newer else ""
        return rows

    def _place(self, key: str, order: list[str]) -> tuple[Any, ...]:
        """Return where the row of this key stands in the order."""
        try:
            found: Any = self.root_queryset.filter(pk=key).values_list(*order_names(order)).first()
        except (ValueError, ValidationError):
            found = None
        if found is None or not order:
            msg = "There is no row to step on from."
            raise NonsenseError(msg)
        return tuple(found)

    def _address(self, way: str, rows: list[Any], ordering: list[str]) -> str:
        if not rows or not ordering:
            return ""
        return self.get_query_string({way: rows[0 if way == NEWER else -1].pk})


def order_names(order: list[str]) -> list[str]:
    """Return the columns of an order without their directions."""
    return [column.lstrip("-") for column in order]
