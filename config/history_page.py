"""The History page of a row in the admin: what the database wrote of it, beside the admin's own log."""

from typing import Any, TypeVar

from django.apps import apps
from django.contrib.admin.utils import quote, unquote
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse

from config import change_words, dressed, history

ModelT = TypeVar("ModelT", bound=Model)
_PAGE = "changes"
_ON_A_PAGE = 50


class HistoryPage(dressed.ModelAdmin[ModelT]):
    """A page of the admin whose History tells what the database wrote, where it keeps a history of such rows."""

    object_history_template = "admin/house_history.html"

    def changes_of(self, row: ModelT) -> QuerySet[Any] | None:
        """Return the changes of a row, the newest first: rows shaped as `Change`. None: there is no such history."""
        return history.of(self.model, row.pk) if history.is_kept(self.model) else None

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show both, a page at a time."""
        row = self.get_object(request, unquote(object_id))
        changes = None if row is None else self.changes_of(row)
        if changes is None:
            return super().history_view(request, object_id, extra_context)
        paginator = Paginator(changes, _ON_A_PAGE)
        shown = paginator.get_page(request.GET.get(_PAGE))
        context = {
            "changes": shown,
            "told": [told(change) for change in shown],
            "changes_pages": paginator.get_elided_page_range(shown.number),
            "changes_var": _PAGE,
        }
        return super().history_view(request, object_id, {**context, **(extra_context or {})})


def told(change: Any) -> dict[str, Any]:
    """Return a change with its columns in words and the page of its cause."""
    return {
        "row": change,
        "came": getattr(change, "action", "added") == "added" and all(o is None for o, _n in change.changes.values()),
        "steps": change_words.steps(change.changes),
        "cause": f"{change.cause_kind} {change.cause_id}".strip(),
        "cause_page": _page(_named(change.cause_kind), change.cause_id, "change"),
    }


def address(table: str, key: str) -> str:
    """Return the address of the History of a row; empty where no page shows such rows."""
    return _page(model_of(table), key, "history")


def model_of(table: str) -> type[Model] | None:
    """Return the model of a table."""
    return next((model for model in apps.get_models() if model._meta.db_table == table), None)  # noqa: SLF001 - documented


def _named(kind: str) -> type[Model] | None:
    """Return the model of this name, of whatever app: a cause is named after what it is a row of, if of any."""
    return next((model for model in apps.get_models() if model._meta.model_name == kind), None)  # noqa: SLF001 - documented


def _page(model: type[Model] | None, key: str, which: str) -> str:
    if model is None or not key:
        return ""
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{which}", args=[quote(key)])  # noqa: SLF001 - documented
    except NoReverseMatch:
        return ""
