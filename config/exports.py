"""Lists of the admin as CSV: what the filters leave, sent as it is read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config import sheets

ModelT = TypeVar("ModelT", bound=Model)


class Exported(admin.ModelAdmin[ModelT]):
    """A list that whoever may read it may take along. The rows come by falling id, whatever order is shown.

    `exported` names the columns, `exported_with` what is read along with each row; `most_exported` is how many rows
    one file takes at most, None for any number.
    """

    exported: ClassVar[Sequence[str]] = ()
    exported_with: ClassVar[Sequence[str]] = ()
    most_exported: ClassVar[int | None] = None

    @property
    def export_name(self) -> str:
        """Return the name of the address of the file."""
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_export"

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the file."""
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name=self.export_name.removeprefix("admin:")), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send the rows that the list's filters leave, for a spreadsheet; refuse more than one file takes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        try:
            chosen = self.exported_from(self.get_changelist_instance(request))
        except IncorrectLookupParameters:
            return HttpResponseRedirect(back)
        chosen = chosen.select_related(*(self.exported_with or (None,)))
        if self.most_exported is not None and chosen.order_by("-pk")[self.most_exported :].exists():
            word = f"One file takes at most {self.most_exported:,} rows: narrow the list first, to fewer days perhaps."
            self.message_user(request, word, messages.ERROR)
            return HttpResponseRedirect(f"{back}?{request.GET.urlencode()}")
        name = f"{str(self.opts.verbose_name_plural).replace(' ', '-')}-{timezone.now():%Y-%m-%d}.csv"
        return sheets.download(name, self.exported, self._rows(chosen))

    def exported_from(self, shown: ChangeList) -> QuerySet[ModelT]:
        """Return what the filters of the list leave."""
        rows: QuerySet[ModelT] = shown.queryset
        return rows

    def exported_rows(self, rows: list[ModelT]) -> Iterable[Sequence[Any]]:
        """Return the cells of some rows; what takes a query is asked for all of them at once."""
        return ([getattr(row, column) for column in self.exported] for row in rows)

    def _rows(self, chosen: QuerySet[ModelT]) -> Iterator[Sequence[Any]]:
        for page in sheets.pages(chosen):
            yield from self.exported_rows(page)
