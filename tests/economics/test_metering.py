"""What was used: recorded once per event, priced when it arrives, corrected by further rows, counted exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import admission, errors, metering, recount, stops
from economics.models import Price, Usage, UsageDay
from tests import factories
from tests.factories import NEW_YEAR, NOON, after, refused

if TYPE_CHECKING:
    from economics.events import Event
    from economics.metering import Recorded
    from economics.models import Envelope

pytestmark = pytest.mark.django_db


def _record(*events: Event, now: datetime = NOON, namespace: str | None = None) -> list[Recorded]:
    return metering.record_many(events, agent_id="reporter", now=now, namespace=namespace)


def _statuses(*events: Event, **terms: Any) -> list[str]:
    return [one.status for one in _record(*events, **terms)]


def _correct(usage: Usage, amount: int | str | None = None, *, key: str = "", at: datetime = NOON) -> Usage:
    return metering.correct(
        usage.pk,
        key=key or f"key {Usage.objects.count()}",
        note="counted twice",
        author="ada",
        now=at,
        amount=None if amount is None else Decimal(amount),
    )


def _days() -> list[tuple[Any, ...]]:
    columns = ("day", "resource_type", "tier", "provider", "agent_id", "amount", "cost", "unpriced_amount", "events")
    return list(UsageDay.objects.order_by(*columns[:5]).values_list(*columns))


# Recording


def test_an_event_is_a_row_with_all_it_says() -> None:
    factories.model()
    own = factories.envelope("h1")
    terms = {"artifact_type": "paper", "artifact_id": "7", "slot_id": "s1", "provider": "acme", "source": "crawler"}
    parts = {"input_tokens": 100, "output_tokens": 50, "cache_read_tokens": 20, "cache_write_tokens": 10}
    event = factories.event(own, 150, at=after(-60), reported_cost=Decimal("0.3"), event_id="e1", **terms, **parts)
    (result,) = _record(event, namespace="reporter")
    usage = Usage.objects.get()
    assert (result.status, result.usage_id, result.cost) == ("recorded", usage.pk, usage.cost)
    assert (usage.entity_type, usage.entity_id, usage.model, usage.tier) == ("hypothesis", "h1", "deep-1", "frontier")
    assert {name: getattr(usage, name) for name in parts} == parts
    assert {name: getattr(usage, name) for name in terms} == {**terms, "source": "reporter/crawler"}
    assert (usage.amount, usage.amount_used, usage.cost, usage.reported_cost) == (
        *(Decimal(150), Decimal(150), Decimal("0.25"), Decimal("0.3")),
    )
    assert (usage.created_at, usage.timestamp, usage.recorded_at) == (after(-60), after(-60), NOON)


def test_an_event_counts_once_in_a_batch_and_ever_after() -> None:
    own = factories.envelope()
    one, two = factories.event(own, 100), factories.event(own, 50)
    assert _statuses(one, two, one) == ["recorded", "recorded", "duplicate"]
    assert _statuses(two, one) == ["duplicate", "duplicate"]
    assert factories.figures(own).settled == 150


def test_a_duplicate_names_the_row_that_stands() -> None:
    own = factories.envelope()
    event = factories.event(own, 100)
    (first,) = _record(event)
    (again,) = _record(event)
    assert (again.usage_id, again.status) == (first.usage_id, "duplicate")
    assert metering.record(event, agent_id="reporter", now=NOON).pk == first.usage_id


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": 101, "input_tokens": 61},
        {"input_tokens": 50, "output_tokens": 50},
        {"cache_read_tokens": 9},
        {"cache_write_tokens": 9},
        {"entity_id": "h2"},
        {"entity_type": "analysis"},
        {"model": "quick-1"},
        {"provider": "acme"},
        {"at": after(1)},
    ],
)
def test_the_same_event_with_other_figures_is_a_conflict_and_changes_nothing(change: dict[str, Any]) -> None:
    own = factories.envelope("h1")
    terms: dict[str, Any] = {"at": NOON, "input_tokens": 60, "output_tokens": 40, "event_id": "e1"}
    (first,) = _record(factories.event(own, **{"tokens": 100, **terms}))
    other = factories.event(own, **{"tokens": 100, **terms, **change})
    (result,) = _record(other)
    assert (result.status, result.code, result.usage_id) == ("conflict", "event_conflict", first.usage_id)
    with refused(errors.EventConflictError):
        metering.record(other, agent_id="reporter", now=NOON)
    assert factories.figures(own).settled == 100


def test_an_event_without_a_time_is_of_its_arrival_and_may_arrive_again() -> None:
    own = factories.envelope()
    event = factories.event(own, 100)
    assert _statuses(event, now=NOON) == ["recorded"]
    assert _statuses(event, now=after(90_000)) == ["duplicate"]
    assert Usage.objects.get().created_at == NOON


def test_an_event_without_an_id_counts_each_time() -> None:
    own = factories.envelope()
    event = factories.event(own, 100, event_id=None)
    assert _statuses(event, event) == ["recorded", "recorded"]


def test_sources_have_ids_of_their_own() -> None:
    own = factories.envelope()
    event = factories.event(own, 100, event_id="e1")
    assert [_statuses(event, namespace=name) for name in (None, "one", "two", "one")] == [
        *(["recorded"], ["recorded"], ["recorded"], ["duplicate"]),
    ]


def test_amounts_of_more_decimals_than_are_kept_are_the_same_event_again() -> None:
    own = factories.envelope()
    event = factories.event(own, Decimal("0.1234567"), resource_type="cpu_seconds")
    assert [_statuses(event), _statuses(event)] == [["recorded"], ["duplicate"]]


def test_a_batch_is_not_atomic_for_what_is_refused() -> None:
    factories.model()
    own = factories.envelope()
    good, bad = factories.event(own, 100), factories.event(own, 50, model="unheard-of", tier="frontear")
    assert [(one.status, one.code) for one in _record(bad, good)] == [("refused", "unknown_tier"), ("recorded", "")]
    with refused(errors.UnknownTierError):
        metering.record(bad, agent_id="reporter", now=NOON)
    assert factories.figures(own).settled == 100


def test_a_batch_is_bounded() -> None:
    event = factories.event(factories.envelope(), 1)
    with refused(errors.BatchTooLargeError):
        _record(*[event] * 10_001)
    assert not Usage.objects.exists()


def test_an_empty_batch_is_nothing() -> None:
    assert _record() == []


def test_usage_is_recorded_whatever_the_envelope_says() -> None:
    own, frozen = factories.envelope(tokens=10), factories.envelope()
    stops.freeze([frozen.pk], author=factories.REVIEWER, now=NOON)
    _record(factories.event(own, 100), factories.event(frozen, 100), factories.event(own, 5, entity_id="nobody"))
    assert factories.figures(own) == (10, 100, 0, 0)
    assert factories.figures(frozen).settled == 100
    assert Usage.objects.count() == 3


# Prices


def test_the_list_in_force_at_the_time_of_use_counts() -> None:
    factories.model(rate=None)
    for since, rate in ((NOON, "0.01"), (after(60), "0.02"), (after(120), "0.03")):
        factories.price("deep-1", rate=rate, since=since)
    own = factories.envelope()
    moments = [-1, 0, 59, 60, 119, 120, 9_000]
    found = _record(*(factories.event(own, 100, at=after(second)) for second in moments), now=after(9_000))
    assert [one.cost for one in found] == [Decimal(n) for n in (1, 1, 1, 2, 2, 3, 3)]
    rows = Usage.objects.order_by("created_at")
    assert [row.is_first_list for row in rows] == [one.is_first_list for one in found] == [True, *[False] * 6]
    assert [row.rate for row in rows][-1] == Decimal("0.03")
    assert rows[0].price_id == Price.objects.earliest("effective_from").pk


def test_a_withdrawn_list_is_as_if_it_had_never_been() -> None:
    factories.model(rate="0.01", output_rate="0.01")
    wrong = factories.price("deep-1", rate="9", since=NOON)
    own = factories.envelope()
    (before,) = _record(factories.event(own, 100, at=NOON))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE economics_prices SET withdrawn_at = now() WHERE id = %s", [wrong.pk])
    (since,) = _record(factories.event(own, 100, at=NOON))
    assert [before.cost, since.cost] == [Decimal(900), Decimal(1)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE economics_prices SET withdrawn_at = now() WHERE withdrawn_at IS NULL")
    (gone,) = _record(factories.event(own, 100, at=NOON))
    assert gone.cost is None


def test_free_is_a_price_and_no_price_is_none() -> None:
    factories.model("free-1", rate="0", output_rate="0")
    own = factories.envelope()
    free, unknown = _record(factories.event(own, 100, model="free-1"), factories.event(own, 100, model="unheard-of"))
    assert [free.cost, unknown.cost] == [Decimal(0), None]
    states = dict(Usage.objects.values_list("model", "price_state"))
    assert states == {"free-1": "priced", "unheard-of": "unpriced"}
    assert factories.figures(own).settled == 200


def test_the_dearest_use_of_all_has_a_cost() -> None:
    factories.model(rate="999.999999999999999", output_rate="999.999999999999999")
    most = 10**15
    own = factories.envelope(tokens=most)
    (dear,) = _record(factories.event(own, most))
    assert dear.cost == Decimal(999_999_999_999_999_999)
    held = factories.reserve(own, most, at=NOON + timedelta(days=1))
    assert admission.settle(held.pk, admission.Spent(amount=Decimal(most)), now=NOON).cost == dear.cost
    usage = Usage.objects.get(event_id__startswith="event")
    assert [_correct(usage, 1).cost, _correct(usage).cost] == [
        Decimal("-999.999999999999"),
        Decimal("-999999999999998999.000000000001"),
    ]


def test_every_class_is_priced_by_its_own_name() -> None:
    factories.price(resource_type="cpu_seconds", rate="0.0001")
    factories.price(resource_type="storage_gb_hours", rate="0.00002")
    factories.price("pubmed", resource_type="api_calls", rate="0.001")
    own = factories.envelope()
    found = _record(
        factories.event(own, Decimal("12.5"), resource_type="cpu_seconds"),
        factories.event(own, Decimal("0.5"), resource_type="storage_gb_hours"),
        factories.event(own, 3, resource_type="api_calls", provider="pubmed"),
        factories.event(own, 3, resource_type="api_calls", provider="uniprot"),
    )
    assert [one.cost for one in found] == [Decimal("0.00125"), Decimal("0.00001"), Decimal("0.003"), None]
    assert factories.figures(None).settled == Decimal("0.00426")


def test_the_catalogues_tier_stands_above_the_named_one() -> None:
    factories.model()
    factories.model("quick-1", tier="small", provider="acme")
    own = factories.envelope()
    for tier in ("frontier", "small"):
        factories.line(own, 500, tier=tier)
    _record(
        factories.event(own, 1, tier="small"),
        factories.event(own, 10, model="acme/quick-1"),
        factories.event(own, 100, model="unheard-of", tier="small"),
        factories.event(own, 1_000, model="unheard-of"),
    )
    assert factories.figures(own, tier="frontier").settled == 1
    assert factories.figures(own, tier="small").settled == 110
    assert factories.figures(own).settled == 1_111


# Days


def test_days_say_what_was_used_by_whom_and_for_how_much() -> None:
    factories.model()
    own = factories.envelope()
    _record(factories.event(own, 100), factories.event(own, 300), factories.event(own, 7, model="unheard-of"))
    metering.record_many([factories.event(own, 100)], agent_id="other", now=NOON + timedelta(days=1))
    usd = Decimal("0.13")
    assert _days() == [
        (date(2026, 3, 2), "llm_tokens", "", "", "reporter", 7, 0, 7, 1),
        (date(2026, 3, 2), "llm_tokens", "frontier", "", "reporter", 400, 4 * usd, 0, 2),
        (date(2026, 3, 3), "llm_tokens", "frontier", "", "other", 100, usd, 0, 1),
    ]


# Corrections


def test_all_of_a_row_is_taken_back_in_its_own_window() -> None:
    factories.model()
    own = factories.envelope()
    factories.line(own, 500)
    usage = factories.record(own, 150, input_tokens=100, output_tokens=50, slot_id="s1")
    later = NOON + timedelta(days=3)
    contra = _correct(usage, at=later)
    assert (contra.amount, contra.input_tokens, contra.output_tokens, contra.cost) == (
        *(Decimal(-150), -100, -50, Decimal("-0.25")),
    )
    assert (contra.corrects_id, contra.created_at, contra.recorded_at, contra.note, contra.slot_id) == (
        *(usage.pk, NOON, later, "ada: counted twice", "s1"),
    )
    assert (contra.price_id, contra.rate, contra.output_rate) == (usage.price_id, usage.rate, usage.output_rate)
    assert factories.figures(own) == (1_000, 0, 0, 1_000)
    assert factories.figures(own, tier="frontier") == (500, 0, 0, 500)
    assert factories.figures(own, at=later) == (1_000, 0, 0, 1_000)
    assert factories.figures(None).settled == 0
    assert metering.reported_for_slot("s1") == 0


def test_a_part_is_taken_back_in_proportion_and_the_rest_after_it() -> None:
    factories.model()
    own = factories.envelope()
    usage = factories.record(own, 150, input_tokens=100, output_tokens=50, cache_read_tokens=30)
    part, rest = _correct(usage, 30), _correct(usage)
    assert (part.amount, part.input_tokens, part.output_tokens, part.cache_read_tokens, part.cost) == (
        *(Decimal(-30), -20, -10, -6, Decimal("-0.05")),
    )
    assert (rest.amount, rest.input_tokens, rest.output_tokens, rest.cache_read_tokens, rest.cost) == (
        *(Decimal(-120), -80, -40, -24, Decimal("-0.2")),
    )
    with refused(errors.CorrectionTooLargeError) as refusal:
        _correct(usage, 1)
    assert refusal.value.figures == {"left": 0, "asked": 1}


def test_a_correction_counts_once_per_key() -> None:
    own = factories.envelope()
    usage = factories.record(own, 100)
    first = _correct(usage, 30, key="a")
    assert _correct(usage, 30, key="a").pk == first.pk
    assert _correct(usage, key="a").pk == first.pk
    assert factories.figures(own).settled == 70
    with refused(errors.EventConflictError) as refusal:
        _correct(usage, 31, key="a")
    assert refusal.value.figures == {"usage_id": first.pk}
    _correct(usage, 30, key="b")
    assert factories.figures(own).settled == 40


@pytest.mark.parametrize("amount", ["0", "-1", "101", "NaN", "Infinity", "0.5"])
def test_a_correction_that_cannot_be_is_refused(amount: str) -> None:
    usage = factories.record(factories.envelope(), 100)
    with refused(errors.CorrectionTooLargeError):
        _correct(usage, amount)


def test_a_correction_is_not_corrected_and_only_its_own_agent_corrects_usage() -> None:
    usage = factories.record(factories.envelope(), 100)
    contra = _correct(usage, 10)
    with refused(errors.NotCorrectableError):
        _correct(contra)
    with refused(errors.UnknownUsageError):
        metering.correct(usage.pk, key="k", note="n", author="a", now=NOON, agent_id="thief")
    with refused(errors.UnknownUsageError):
        metering.correct(99_999, key="k", note="n", author="a", now=NOON)


def test_what_a_reservation_settled_can_be_corrected() -> None:
    factories.model()
    own = factories.envelope()
    usage = admission.settle(factories.reserve(own, 100).pk, admission.Spent(amount=Decimal(90)), now=after(1))
    _correct(usage, 40)
    assert factories.figures(own) == (1_000, 50, 0, 950)


@settings(max_examples=60, deadline=None)
@given(
    amount=st.integers(1, 40),
    rate=st.decimals("0.0000000000001", "0.000000001", places=13),
    cuts=st.lists(st.integers(1, 40), max_size=12),
)
def test_corrections_in_any_parts_come_to_the_whole_and_no_further(amount: int, rate: Decimal, cuts: list[int]) -> None:
    """Rounding must not take back more than was charged, however small the price."""
    name = f"tiny{amount}{rate}{cuts}"
    factories.model(name, rate=str(rate), output_rate=str(rate))
    usage = factories.record(factories.envelope(), amount, model=name)
    left = amount
    for cut in cuts:
        if cut <= left:
            assert (_correct(usage, cut).cost or 0) <= 0
            left -= cut
    if left:
        _correct(usage)
    rows = Usage.objects.filter(corrects_id=usage.pk).values_list("amount", "cost")
    assert sum(taken for taken, _cost in rows) == -amount
    assert sum(cost or 0 for _taken, cost in rows) == -(usage.cost or 0)


# Slots


def test_the_remainder_of_a_slot_is_booked_once() -> None:
    own = factories.envelope("h1")
    entity = {"entity_type": "hypothesis", "entity_id": "h1"}
    terms: dict[str, Any] = {"slot_id": "s1", "agent_id": "w", "model": "m", "now": NOON, **entity}
    factories.record(own, 30, slot_id="s1")
    assert metering.reported_for_slot("s1") == 30
    first = metering.record_slot_remainder(remainder=70, **terms)
    assert first is not None
    again = metering.record_slot_remainder(remainder=70, **terms)
    assert again is not None
    assert again.pk == first.pk
    assert metering.record_slot_remainder(remainder=0, **{**terms, "slot_id": "s2"}) is None
    assert metering.record_slot_remainder(remainder=-5, **{**terms, "slot_id": "s3"}) is None
    assert factories.figures(own).settled == 100


# The same totals, however a stream is cut

_KINDS = [
    {"model": "deep-1"},
    {"model": "quick-1"},
    {"model": "unheard-of"},
    {"resource_type": "cpu_seconds"},
    {"resource_type": "api_calls", "provider": "pubmed"},
]


def _stream(data: st.DataObject, of: list[Envelope]) -> list[Event]:
    """Return events of two envelopes and of an entity without one, over three days around a month's end."""
    count = data.draw(st.integers(1, 25), label="events")
    events = []
    for number in range(count):
        kind = data.draw(st.sampled_from(_KINDS))
        own = data.draw(st.sampled_from(of))
        hours = data.draw(st.integers(0, 71))
        at = datetime(2026, 2, 27, tzinfo=UTC) + timedelta(hours=hours)
        events.append(factories.event(own, data.draw(st.integers(0, 50)), at=at, event_id=f"e{number}", **kind))
    return events


def _totals() -> tuple[list[Any], ...]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT line_id, window_start, settled FROM economics_counters WHERE settled <> 0 ORDER BY 1, 2")
        counters = cursor.fetchall()
        cursor.execute(
            """
            SELECT day, entity_id, resource_type, tier, provider, amount, cost, unpriced_amount, events
              FROM economics_usage_days WHERE events > 0 ORDER BY 1, 2, 3, 4, 5
            """
        )
        return counters, cursor.fetchall()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_stream_of_events_comes_to_the_same_in_any_batches_and_order(data: st.DataObject) -> None:
    totals = []
    with transaction.atomic():
        factories.model()
        factories.model("quick-1", tier="small", rate="0.01", output_rate="0.02")
        factories.price("pubmed", resource_type="api_calls", rate="0.5")
        one, two = factories.envelope(), factories.envelope(window_kind="month")
        for window in ("day", "week", "month", "lifetime"):
            factories.line(one, 500, window=window)
        none = type(one)(entity_type="hypothesis", entity_id="nobody")
        events = _stream(data, [one, two, none])
        for _ in range(2):
            with transaction.atomic():
                order = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=10))))
                place = 0
                while place < len(order):
                    size = data.draw(st.integers(1, 12))
                    _record(*order[place : place + size], now=NOON)
                    place += size
                totals.append(_totals())
                assert recount.differences(since=None) == []
                transaction.set_rollback(True)
        transaction.set_rollback(True)
    assert totals[0] == totals[1]
    assert sum(row[8] for row in totals[0][1]) == len(events)


def test_prices_before_the_first_list_of_a_year_ago_are_flagged() -> None:
    factories.model()
    own = factories.envelope()
    usage = factories.record(own, 100, at=NEW_YEAR - timedelta(days=400))
    assert (usage.is_first_list, usage.cost) == (True, Decimal("0.13"))


def test_usage_written_by_sql_counts_in_the_tier_of_its_model_and_so_does_its_correction() -> None:
    factories.model()
    own = factories.envelope()
    factories.line(own, 600)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO resource_usage (entity_type, entity_id, resource_type, amount, created_at, cost, model)
            SELECT 'hypothesis', %s, 'llm_tokens', 100, %s, 0.5, m FROM unnest(ARRAY['deep-1', 'unheard-of', '']) AS m
            RETURNING id
            """,
            [own.entity_id, NOON],
        )
        (known,), (unheard,), _ = cursor.fetchall()
    assert factories.figures(own).settled == 300
    assert factories.figures(own, tier="frontier").settled == 100
    factories.model("unheard-of")
    for pk in (known, unheard):
        metering.correct(pk, key="k", note="twice", author="ada", now=after(1))
    assert factories.figures(own).settled == 100
    assert factories.figures(own, tier="frontier").settled == 0
    assert recount.differences(since=None) == []


def test_a_connection_that_an_earlier_release_has_used_is_as_good_as_any() -> None:
    own = factories.envelope()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE economics_incoming (place integer, amount text) ON COMMIT DROP")
    factories.record(own, 100)
    assert factories.figures(own).settled == 100
