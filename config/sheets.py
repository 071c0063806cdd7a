"""Tables for spreadsheets: CSV, sent row by row, in which no text of anybody becomes a formula."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeVar

from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse

ModelT = TypeVar("ModelT", bound=Model)

AT_ONCE: Final = 500
# What a spreadsheet reads as a formula: such a beginning, also behind blanks and in its full width, or a tab or a line
# break in front, which some drop.
_FORMULA: Final = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_MARK: Final = "\ufeff"  # by which spreadsheets know UTF-8


def inert(text: str) -> str:
    """Return a text that a spreadsheet shows as it is: with an apostrophe in front where it would be computed."""
    return f"'{text}" if _FORMULA.match(text) else text


def cell(value: object) -> str:  # noqa: PLR0911 - one for each kind of value
    """Return a value as a cell. Numbers stay numbers, times are ISO 8601, lists are JSON, None is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value.normalize():f}"
        case int() | float():
            return str(value)
        case date() | datetime():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return inert(str(value))


class _Line:
    """A file of one line: what is written is what `write` returns."""

    def write(self, text: str) -> str:
        return text


def lines(heads: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of the file, the heads first."""
    writer = csv.writer(_Line())
    yield _MARK + writer.writerow([inert(head) for head in heads])
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def pages(rows: QuerySet[ModelT]) -> Iterator[list[ModelT]]:
    """Yield rows by falling id, so many at once that neither the server nor the database holds them all.

    A cursor would do it in one statement, but hold a connection and its view of the tables for as long as the reader
    takes.
    """
    rows = rows.order_by("-pk")
    page = list(rows[:AT_ONCE])
    while page:
        yield page
        page = list(rows.filter(pk__lt=page[-1].pk)[:AT_ONCE])


def newest_first(rows: QuerySet[ModelT]) -> Iterator[ModelT]:
    """Yield rows by falling id, one by one; see `pages`."""
    for page in pages(rows):
        yield from page


def download(name: str, heads: Sequence[str], rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    """Return the answer that saves the rows as a file of this name."""
    response = StreamingHttpResponse(lines(heads, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
