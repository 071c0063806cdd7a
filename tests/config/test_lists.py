"""Lists of large tables: pages down to a depth, on by key from there, and a word on what makes no sense."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auction.models import FallbackShare, Slot
from config import exports, lists, sheets
from economics.models import Envelope, Review, Usage, UsageDay
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import page, said

if TYPE_CHECKING:
    from datetime import datetime

    from django.test import Client

pytestmark = pytest.mark.django_db
_USED = """
INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, created_at, recorded_at)
SELECT 'hypothesis', 'h' || n %% 7, 'cpu_seconds', n, %s::timestamptz - n * interval '5 hours', %s
  FROM generate_series(1, %s) n
"""


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _used(rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_USED, [NOON, NOON, rows])


def _keys(response: Any) -> list[int]:
    return [row.pk for row in response.context["cl"].result_list]


@pytest.mark.parametrize("model", [Usage, UsageDay])
def test_every_row_is_reached_by_key_and_back_again(
    root: Client, model: type[Usage | UsageDay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.site.HouseAdmin.list_per_page", 10)
    _used(47)
    walked, back = [], []
    response = root.get(page(model))
    whole = list(model.objects.order_by(*([] if model is Usage else ["-day"]), "-pk").values_list("pk", flat=True))
    for _ in itertools.count():
        walked.append(_keys(response))
        if not (older := response.context["cl"].older):
            break
        response = root.get(page(model) + older)
    assert list(itertools.chain.from_iterable(walked)) == whole
    while newer := response.context["cl"].newer:
        response = root.get(page(model) + newer)
        back.append(_keys(response))
    assert list(reversed(back)) == walked[:-1]
    assert response.context["cl"].newer == ""


def test_a_step_keeps_the_filters(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.site.HouseAdmin.list_per_page", 2)
    _used(40)
    response = root.get(page(Usage), {"entity_type__exact": "hypothesis", "entity_id__exact": "h3"})
    found = _keys(response)
    response = root.get(page(Usage) + response.context["cl"].older)
    assert {row.entity_id for row in response.context["cl"].result_list} == {"h3"}
    assert max(_keys(response)) < min(found)


def test_a_page_too_far_down_is_refused_with_a_word(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.site.HouseAdmin.list_per_page", 5)
    monkeypatch.setattr(lists, "DEEPEST", 20)
    _used(47)
    deepest = root.get(page(Usage), {"p": 4})
    assert (_keys(deepest)[-1], deepest.context["cl"].paginator.num_pages) == (min(_keys(deepest)), 4)
    refused = root.get(page(Usage), {"p": 5})
    assert refused.status_code == 302
    assert said(refused)[-1].startswith("There is no such page: pages go down to ")


@pytest.mark.parametrize("way", [lists.OLDER, lists.NEWER])
@pytest.mark.parametrize("key", ["0", "nonsense", "9" * 40, "-1"])
def test_there_is_no_step_from_a_row_that_is_not_there(root: Client, way: str, key: str) -> None:
    _used(1)
    refused = root.get(page(Usage), {way: key})
    assert said(refused)[-1] == "There is no row to step on from. The whole list is shown."


@pytest.mark.parametrize(
    ("model", "query", "word"),
    [
        (FallbackShare, {"day__year": "0"}, "The list cannot be narrowed to that"),
        (UsageDay, {"day__year": "0"}, "The list cannot be narrowed to that"),
        (UsageDay, {"day__gte": "2026-02-31"}, "The list cannot be narrowed to that"),
        (UsageDay, {"day_from": "2026-02-31"}, "Day, from “2026-02-31”: Enter a valid date."),
        (Usage, {"created_at_to_1": "25:00"}, "Created at, to “25:00”: Enter a valid time."),
        (Usage, {"created_at_to_0": "2026-03-02"}, "Choose a beginning, and an end at most 31 days later."),
        (Usage, {"created_at_from_0": "2025-03-02"}, "Choose a beginning, and an end at most 31 days later."),
        (Usage, {"created_at_from_1": "12:00"}, "Created at, from “12:00”: A time needs its day."),
        (Envelope, {"token_budget_from": "many"}, "Token budget, from “many”: Enter a whole number."),
        (Envelope, {"market_weight_to": "NaN"}, "Market weight, to “NaN”: Enter a number."),
        (Envelope, {"market_weight_to": "1e999999"}, "Market weight, to “1e999999”: "),
        (Usage, {"id__range": "1"}, "The list cannot be narrowed to that"),
        (Envelope, {"nothing": "x"}, "The list cannot be narrowed to that"),
        (Review, {"period__gte": "x"}, "The list cannot be narrowed to that"),
    ],
)
def test_what_makes_no_sense_is_said(root: Client, model: type[Any], query: dict[str, str], word: str) -> None:
    refused = root.get(page(model), query, follow=True)
    assert refused.status_code == 200
    shown = [str(message) for message in refused.context["messages"]]
    assert (len(shown), shown[0][: len(word)]) == (1, word)
    assert shown[0].endswith("The whole list is shown.")


def test_a_day_alone_is_meant_whole(root: Client) -> None:
    envelope = factories.envelope()
    rows = [factories.record(envelope, at=after(hours * 3600)) for hours in (-13, -12, 0, 11, 12)]
    day = f"{NOON:%Y-%m-%d}"
    response = root.get(page(Usage), {"created_at_from_0": day, "created_at_to_0": day})
    assert sorted(_keys(response)) == [row.pk for row in rows[1:4]]
    noon = {"created_at_from_0": day, "created_at_from_1": "12:00", "created_at_to_0": f"{after(86_400):%Y-%m-%d}"}
    later = root.get(page(Usage), noon)
    assert sorted(_keys(later)) == [row.pk for row in rows[2:]]


def _day(at: datetime) -> dict[str, str]:
    """Return what narrows a list of usage to a day."""
    return {f"created_at_{end}_0": f"{at:%Y-%m-%d}" for end in ("from", "to")}


def test_rows_of_a_time_are_read_within_the_bounds_of_their_ids(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.site.HouseAdmin.list_per_page", 4)
    _used(60)  # the newest first: a greater id is an older row
    late = factories.record(factories.envelope(), at=NOON - timedelta(days=5))
    day = Usage.objects.filter(created_at__date=late.created_at.date()).order_by("-pk")
    expected = [row.pk for row in day]
    assert (expected[0], len(expected)) == (late.pk, 6)
    with CaptureQueriesContext(connection) as captured:
        shown = root.get(page(Usage), _day(late.created_at))
    assert (_keys(shown), shown.context["cl"].counted) == (expected[:4], "6")
    bounds = f'"id" >= {expected[-1]} AND "resource_usage"."id" <= {expected[0]}'
    read = [query["sql"] for query in captured if bounds in query["sql"]]
    assert len(read) == 1
    for term in ("LIMIT 4", 'ORDER BY "resource_usage"."id" DESC'):
        assert term in read[0]


def test_pages_and_steps_within_a_time_miss_nothing(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.site.HouseAdmin.list_per_page", 2)
    _used(60)
    narrowed = _day(NOON - timedelta(days=5))
    found = Usage.objects.filter(created_at__date=(NOON - timedelta(days=5)).date()).order_by("-pk")
    expected = [row.pk for row in found]
    pages = [_keys(root.get(page(Usage), {**narrowed, "p": number})) for number in "123"]
    assert list(itertools.chain(*pages)) == expected
    first = root.get(page(Usage), narrowed)
    second = root.get(page(Usage) + first.context["cl"].older)
    assert _keys(second) == expected[2:4]
    assert _keys(root.get(page(Usage) + second.context["cl"].newer)) == expected[:2]


def test_a_time_in_which_nothing_was_used_is_empty(root: Client) -> None:
    _used(3)
    assert _keys(root.get(page(Usage), _day(NOON + timedelta(days=9)))) == []
    assert _lines(root.get(f"{page(Usage)}export/", _day(NOON + timedelta(days=9))))[1:] == []


def test_no_list_of_a_large_table_looks_for_the_values_of_a_column(root: Client) -> None:
    large = [
        model
        for model, page_of in admin.site._registry.items()  # noqa: SLF001 - what the site shows
        if page_of.paginator is lists.EstimatingPaginator
    ]
    with CaptureQueriesContext(connection) as captured:
        for model in large:
            assert root.get(page(model)).status_code == 200
    assert [query["sql"] for query in captured if "DISTINCT" in query["sql"]] == []


def test_a_list_that_no_column_puts_in_order_has_pages_only(root: Client) -> None:
    factories.slots(factories.pool(), 3)
    assert root.get(page(Slot)).context["cl"].older == ""


# Export


def _lines(response: Any) -> list[str]:
    return b"".join(response.streaming_content).decode().splitlines()


def test_a_file_has_every_row_of_the_list_and_is_read_so_many_at_once(
    root: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    _used(2_100)
    monkeypatch.setattr(sheets, "AT_ONCE", 500)
    response = root.get(f"{page(Usage)}export/", {"entity_type__exact": "hypothesis", "entity_id__exact": "h3"})
    assert response.streaming
    assert len(_lines(response)) == 1 + 300
    with django_assert_max_num_queries(5 + 6):
        lines = _lines(root.get(f"{page(Usage)}export/"))
    assert len(lines) == 1 + 2_100
    ids = [int(line.split(",")[0]) for line in lines[1:]]
    assert ids == sorted(set(ids), reverse=True)


def test_a_file_of_a_time_reads_no_newer_rows(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "AT_ONCE", 2)
    _used(60)
    day = (NOON - timedelta(days=5)).date()
    for model, narrowed in (
        (Usage, _day(NOON - timedelta(days=5))),
        (UsageDay, {"day_from": f"{day}", "day_to": f"{day}"}),
    ):
        rows: Any = model.objects.filter(**({"day": day} if model is UsageDay else {"created_at__date": day}))
        expected = list(rows.order_by("-pk").values_list("pk", "amount"))
        with CaptureQueriesContext(connection) as captured:
            lines = _lines(root.get(f"{page(model)}export/", narrowed))[1:]
        assert len(lines) == len(expected) > 2, model
        table = model._meta.db_table  # noqa: SLF001 - public
        bounds = f'"id" >= {expected[-1][0]} AND "{table}"."id" <= {expected[0][0]}'
        read = [query["sql"] for query in captured if "LIMIT 2" in query["sql"] and f'FROM "{table}"' in query["sql"]]
        assert read
        assert [sql for sql in read if bounds not in sql] == [], model


def test_a_file_is_not_held_in_memory(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    _used(3_000)
    monkeypatch.setattr(sheets, "AT_ONCE", 100)
    at_once: list[int] = []
    real = exports.Exported.exported_rows

    def counted(self: Any, rows: list[Any]) -> Any:
        at_once.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(exports.Exported, "exported_rows", counted)
    response: Any = root.get(f"{page(Usage)}export/")
    parts = iter(response.streaming_content)
    for _ in range(150):
        next(parts)
    assert at_once == [100, 100]
    assert (sum(1 for _ in parts), set(at_once)) == (3_001 - 150, {100})


def test_more_than_a_file_takes_is_refused_with_a_word(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    _used(20)
    monkeypatch.setattr("economics.admin.usage.UsageAdmin.most_exported", 10)
    refused = root.get(f"{page(Usage)}export/", {"entity_type__exact": "hypothesis"})
    assert refused["Location"] == f"{page(Usage)}?entity_type__exact=hypothesis"
    assert said(refused)[-1] == "One file takes at most 10 rows: narrow the list first, to fewer days perhaps."
    few = root.get(f"{page(Usage)}export/", {"entity_type__exact": "hypothesis", "entity_id__exact": "h3"})
    assert len(_lines(few)) == 1 + 3


def test_a_file_computes_nothing(root: Client) -> None:
    factories.envelope("=HYPERLINK(1)")
    (line,) = _lines(root.get(f"{page(Envelope)}export/"))[1:]
    assert ",'=HYPERLINK(1)," in line


def test_who_may_not_read_a_list_may_not_take_it_along(client: Client) -> None:
    reader = reviewers.staff(client, "economics.view_usage")
    assert reader.get(f"{page(Usage)}export/").status_code == 200
    assert reader.get(f"{page(Envelope)}export/").status_code == 403


def test_nonsense_leads_back_to_the_list(root: Client) -> None:
    response = root.get(f"{page(Envelope)}export/", {"token_budget_from": "many"})
    assert (response.status_code, response["Location"]) == (302, page(Envelope))
    assert re.match("Token budget, from", said(response)[-1])
