"""Signals: who may post what, once per event; and the confidence they come to, by hand and against the formula."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from config.models import User
from economics import budget_policy, errors, market, scoring, signals, worth_policy
from economics.market import Said
from economics.models import Signal
from tests import factories
from tests.economics import exchanges
from tests.factories import NOON, REVIEWER, after, refused

if TYPE_CHECKING:
    from config.errors import RefusedError
    from economics.models import SignalSource

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _sure(at: datetime = NOON, entity_type: str = "hypothesis", **terms: Any) -> dict[str, Said]:
    text = signals.CONFIDENCES_OF_SOURCE if "source" in terms else signals.CONFIDENCES
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH x AS ({text}) SELECT * FROM x WHERE entity_type = %(kind)s ORDER BY 2",
            {**worth_policy.terms(worth_policy.get()), "now": at, "kind": entity_type, **terms},
        )
        return {entity_id: Said(*rest) for _type, entity_id, *rest in cursor.fetchall()}


# Sources


def test_a_source_is_registered_once_and_says_who_did_it() -> None:
    made = exchanges.source("manifold", title="Manifold", agent=factories.agent("ise", kind="exchange"))
    assert (made.agent_kind, made.registered_by, made.registered_at) == ("exchange", "ada", NOON)
    with refused(errors.SourceExistsError):
        exchanges.source("manifold")


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"name": "a market"}, "A source has a name of letters, digits, - and _."),
        ({"kind": "rumour"}, "A source posts prices or confidences, and a confidence is a probability."),
        (
            {"kind": "confidence", "is_probability": False},
            "A source posts prices or confidences, and a confidence is a probability.",
        ),
    ],
)
def test_a_source_that_cannot_be_is_refused(terms: dict[str, Any], sentence: str) -> None:
    with refused(errors.InvalidSourceError) as refusal:
        exchanges.source(**terms)
    assert refusal.value.detail == sentence


@pytest.mark.parametrize("kind", ["worker", "provider", "grader"])
def test_only_an_exchange_is_behind_a_source(kind: str) -> None:
    with refused(errors.InvalidSourceError) as refusal:
        exchanges.source(agent=factories.agent(kind=kind))
    assert refusal.value.detail == "Only an exchange posts signals."


def test_an_inactive_source_posts_nothing_and_counts_for_nothing() -> None:
    by = exchanges.source()
    exchanges.signal(by, "h1", "0.9")
    assert signals.set_active([by.pk], is_active=False) == 1
    assert signals.set_active([by.pk], is_active=False) == 0
    with refused(errors.SourceInactiveError):
        exchanges.signal(by, "h1", "0.8")
    assert _sure() == {}
    assert _sure(source=by.pk) == {"h1": Said(1, Decimal("0.7"), Decimal("0.4"))}
    signals.set_active([by.pk], is_active=True)
    assert _sure() == {"h1": Said(1, Decimal("0.7"), Decimal("0.4"))}


# Posting


def test_many_signals_are_judged_one_by_one() -> None:
    ise = factories.agent("ise", kind="exchange")
    own, other = exchanges.source("own", agent=ise), exchanges.source("other")
    asleep = exchanges.source("asleep", agent=ise)
    signals.set_active(["asleep"], is_active=False)
    ranked = exchanges.source("ranked", agent=ise, is_probability=False)
    first = exchanges.posted(own, "h1", "0.7", NOON)
    rows = [
        first,
        first,
        exchanges.posted(own, "h1", "0.8", NOON, event_id=first.event_id),
        exchanges.posted(other, "h1", "0.7", NOON),
        exchanges.posted(asleep, "h1", "0.7", NOON),
        exchanges.posted(own, "h1", "1.01", NOON),
        exchanges.posted(ranked, "h1", "1234.5", NOON),
        exchanges.posted(own, "h2", "0.2", None),
        exchanges.posted(ranked, "h1", "0.7", NOON, event_id=first.event_id),
    ]
    results = signals.post_many(rows, agent=ise, now=NOON)
    assert [(one.status, one.code) for one in results] == [
        ("recorded", ""),
        ("duplicate", ""),
        ("conflict", "event_conflict"),
        ("refused", "unknown_source"),
        ("refused", "source_inactive"),
        ("refused", "invalid_signal"),
        ("recorded", ""),
        ("recorded", ""),
        ("recorded", ""),  # each source has event ids of its own
    ]
    assert results[1].signal_id == results[2].signal_id == results[0].signal_id
    assert Signal.objects.get(entity_id="h2").at == NOON  # one without a time is of its arrival
    again = signals.post_many(rows, agent=ise, now=after(60))
    assert [one.status for one in again] == [
        *("duplicate", "duplicate", "conflict", "refused", "refused", "refused", "duplicate", "duplicate", "duplicate")
    ]
    assert Signal.objects.count() == 4


def test_the_house_posts_for_any_source() -> None:
    by = exchanges.source(agent=factories.agent(kind="exchange"))
    (one,) = signals.post_many([exchanges.posted(by, "h1", "0.5", NOON)], agent=None, now=NOON)
    assert one.status == "recorded"


def test_no_more_than_ten_thousand_are_posted_at_once() -> None:
    one = exchanges.posted(exchanges.source(), "h1", "0.5", NOON)
    with refused(errors.BatchTooLargeError):
        signals.post_many([one] * 10_001, agent=None, now=NOON)


def test_a_source_has_no_say_where_it_has_a_stake() -> None:
    ada, bob = (User.objects.create(username=name) for name in ("ada", "bob"))
    ise = factories.agent("ise", kind="exchange")
    names = {"hers": ada, "his": bob, "nobodys": None}
    for name, sponsor in {"ise": ada, **names}.items():
        if name != "ise":
            factories.agent(name)
        type(ise).objects.filter(pk=name).update(sponsor=sponsor)
    ise.refresh_from_db()
    by, lonely = exchanges.source(agent=ise), exchanges.source(agent=factories.agent("free", kind="exchange"))

    def said(source: SignalSource, entity_id: str, entity_type: str = "agent") -> str:
        row = exchanges.posted(source, entity_id, "0.9", NOON, entity_type=entity_type)
        (one,) = signals.post_many([row], agent=None, now=NOON)
        return one.code or one.status

    assert [said(by, name) for name in ("ise", "hers", "his", "nobodys", "unheard-of")] == [
        *("source_has_a_stake", "source_has_a_stake", "recorded", "recorded", "recorded")
    ]
    assert said(by, "hers", "hypothesis") == "recorded"
    assert [said(lonely, name) for name in ("free", "nobodys")] == ["source_has_a_stake", "recorded"]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"value": None}, [("required", "/value")]),
        ({"value": "many"}, [("not_a_number", "/value")]),
        ({"value": -1}, [("negative", "/value")]),
        ({"at": "2026-03-02T12:05:01Z"}, [("from_the_future", "/at")]),
        ({"at": "2026-03-02T12:00:00"}, [("zone_missing", "/at")]),
        ({"source": None, "entity_id": ""}, [("blank", "/entity_id"), ("required", "/source")]),
        ({"mood": "bullish"}, [("unknown_field", "/mood")]),
    ],
)
def test_an_item_that_is_no_signal_says_everything_that_is_wrong(
    wrong: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    item = {"entity_type": "hypothesis", "entity_id": "h1", "value": Decimal(1), "source": "s", "event_id": "e"}
    faults = signals.native({**item, **wrong}, now=NOON)
    assert isinstance(faults, list)
    assert sorted((one.code, one.pointer) for one in faults) == found


def test_a_value_is_kept_with_twelve_decimals() -> None:
    item = {"entity_type": "hypothesis", "entity_id": "h1", "source": "s", "event_id": "e"}
    said = signals.native({**item, "value": Decimal("0.45241870901807435")}, now=NOON)
    assert isinstance(said, signals.Posted)
    assert str(said.value) == "0.452418709018"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"source": "nobody"}, errors.UnknownSourceError),
        ({"value": Decimal("1.5")}, errors.InvalidSignalError),
        ({"event_id": "known"}, errors.EventConflictError),
    ],
)
def test_one_signal_is_refused_as_it_is_among_many(change: dict[str, Any], refusal: type[RefusedError]) -> None:
    by = exchanges.source()
    exchanges.signal(by, "h9", "0.1", event_id="known")
    row = {"entity_type": "hypothesis", "entity_id": "h1", "value": Decimal("0.5"), "source": by.pk, "event_id": "e"}
    with refused(refusal):
        signals.post(signals.Posted(**{**row, **change}), agent=None, now=NOON)
    assert Signal.objects.count() == 1


# Confidence, by hand


def test_one_fresh_signal_moves_half_way() -> None:
    """With h = 1, c = (0.5 + 1 · 0.9) / (1 + 1) = 0.7; weight = 2 · 0.7 - 1 = 0.4."""
    exchanges.signal(exchanges.source(), "h1", "0.9")
    assert _sure() == {"h1": Said(1, Decimal("0.7"), Decimal("0.4"))}


def test_a_signal_fades_by_half_in_a_week() -> None:
    """After 7 days h = 1/2: (0.5 + 0.45) / 1.5 = 0.6333; after 14 days h = 1/4: (0.5 + 0.225) / 1.25 = 0.58."""
    exchanges.signal(exchanges.source(), "h1", "0.9")
    assert _sure(NOON + 7 * DAY)["h1"] == Said(1, Decimal("0.633333333333"), Decimal("0.266667"))
    assert _sure(NOON + 14 * DAY)["h1"] == Said(1, Decimal("0.58"), Decimal("0.16"))


def test_a_signal_older_than_ten_half_lives_is_forgotten_and_one_of_the_future_not_known() -> None:
    exchanges.signal(exchanges.source(), "h1", "0.9")
    assert _sure(NOON - timedelta(microseconds=1)) == {}
    assert _sure(NOON + 70 * DAY)["h1"].signal == Decimal("0.00078")  # h = 1/1024: 0.8 / 1025
    assert _sure(NOON + 70 * DAY + timedelta(microseconds=1)) == {}


def test_the_last_signal_of_a_day_counts_for_each_source() -> None:
    """Two sources; one says 0.1, then 0.9 the same day: (0.5 + 0.9 + 0.6) / 3 = 2/3."""
    fickle, steady = exchanges.source(), exchanges.source(kind="confidence")
    for seconds, value in ((-60, "0.9"), (-120, "0.1"), (-60, "0.3")):
        exchanges.signal(fickle, "h1", value, after(seconds))
    exchanges.signal(fickle, "h1", "0.9", after(-60))  # of the same moment: the one that came last
    exchanges.signal(steady, "h1", "0.6", after(0))
    at_noon = _sure(after(0))["h1"]
    assert at_noon.signals == 2
    assert abs(at_noon.confidence - Decimal(2) / 3) < Decimal("0.0001")


def test_a_day_is_one_of_the_policys_zone() -> None:
    by = exchanges.source()
    for hour in (-1, 1):  # 23:00 and 01:00 UTC: one day in New York
        exchanges.signal(by, "h1", "0.9", datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour))
    assert _sure()["h1"].signals == 2
    budget_policy.change(author=REVIEWER, now=NOON, zone="America/New_York")
    assert _sure()["h1"].signals == 1


def test_prices_that_are_no_probabilities_count_by_their_rank() -> None:
    """Of 10, 20, 20, 70 the ranks are 1, 2.5, 2.5 and 4: x = 0.125, 0.5, 0.5, 0.875 and c = (0.5 + x) / 2."""
    by = exchanges.source(is_probability=False)
    for entity_id, price in (("a", "10"), ("b", "20"), ("c", "20"), ("d", "70")):
        exchanges.signal(by, entity_id, price)
    exchanges.signal(by, "x", "5", entity_type="analysis")  # ranks among its own type
    assert {name: one.confidence for name, one in _sure().items()} == {
        "a": Decimal("0.3125"),
        "b": Decimal("0.5"),
        "c": Decimal("0.5"),
        "d": Decimal("0.6875"),
    }
    assert _sure(entity_type="analysis")["x"].confidence == Decimal("0.5")


def test_an_old_price_is_read_against_todays_market() -> None:
    """A week ago `a` cost 10, today 50 beside 20 and 30: the old price ranks 1 of 3, today's 3 of 3.

    x = 1/6 with h = 1/2 and 5/6 with h = 1: c = (0.5 + 1/12 + 5/6) / 2.5 = 17/30.
    """
    by = exchanges.source(is_probability=False)
    exchanges.signal(by, "a", "10", NOON - 7 * DAY)
    for entity_id, price in (("a", "50"), ("b", "20"), ("c", "30")):
        exchanges.signal(by, entity_id, price)
    assert _sure()["a"] == Said(2, Decimal("0.566666666667"), Decimal("0.133333"))


def test_gain_and_bounds_are_the_policys() -> None:
    worth_policy.change(author=REVIEWER, now=NOON, half_life_days=Decimal(1))
    by = exchanges.source()
    for day in range(8):
        exchanges.signal(by, "high", "1", NOON - day * DAY)
        exchanges.signal(by, "low", "0", NOON - day * DAY)
    found = _sure()
    assert (found["high"].signal, found["low"].signal) == (Decimal("0.665796"), Decimal("-0.5"))  # -0.67 is cut
    worth_policy.change(author=REVIEWER, now=NOON, gain=Decimal("0.5"))
    assert (_sure()["high"].signal, _sure()["low"].signal) == (Decimal("0.332898"), Decimal("-0.332898"))


# Confidence, against the formula

PRICES = st.one_of(
    st.sampled_from(["0", "1", "0.5"]).map(Decimal),
    st.decimals(0, 1, places=12, allow_nan=False),
)
MINUTES = st.one_of(st.integers(-100, 80 * 1440), st.sampled_from([0, 1440, 70 * 1440, 70 * 1440 + 1, 7 * 1440]))
SAID = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("pqr"), PRICES, MINUTES), min_size=1, max_size=40)


@settings(max_examples=80, deadline=None)
@given(
    said=SAID,
    half_life=st.sampled_from(["7", "0.5", "7.25", "30"]),
    gain=st.sampled_from(["1", "0.3"]),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
)
def test_the_statement_is_the_formula(
    said: list[tuple[str, str, Decimal, int]], half_life: str, gain: str, zone: str
) -> None:
    with transaction.atomic():
        sources = {"p": exchanges.source("p"), "q": exchanges.source("q", is_probability=False)}
        sources["r"] = exchanges.source("r", is_probability=False)
        signals.set_active(["r"], is_active=False)
        budget_policy.change(author=REVIEWER, now=NOON, zone=zone)
        worth_policy.change(author=REVIEWER, now=NOON, half_life_days=Decimal(half_life), gain=Decimal(gain))
        rows = [
            Signal(
                source=sources[name],
                is_probability=name == "p",
                entity_type="hypothesis",
                entity_id=entity,
                value=value,
                event_id=str(place),
                at=NOON - timedelta(minutes=minutes),
            )
            for place, (entity, name, value, minutes) in enumerate(said)
        ]
        stored = Signal.objects.bulk_create(rows)
        expected = _by_formula(stored, Decimal(half_life), Decimal(gain), zone)
        assert _sure() == expected
        assert {name: market.said("hypothesis", name, now=NOON) for name in expected} == expected
        transaction.set_rollback(True)


def _by_formula(rows: list[Signal], half_life: Decimal, gain: Decimal, zone: str) -> dict[str, Said]:
    last: dict[tuple[str, str, Any], Signal] = {}
    latest: dict[tuple[str, str], Signal] = {}
    for row in sorted(rows, key=lambda one: (one.at, one.pk)):
        age = Decimal((NOON - row.at) // timedelta(seconds=1)) / 86_400
        if row.source_id != "r" and 0 <= age <= 10 * half_life:
            last[row.source_id, row.entity_id, row.at.astimezone(ZoneInfo(zone)).date()] = row
            latest[row.source_id, row.entity_id] = row
    heard: dict[str, list[tuple[Decimal, Decimal]]] = {}
    for (source, entity, _day), row in last.items():
        others = [one.value for (by, whose), one in latest.items() if by == source and whose != entity]
        x = row.value if source == "p" else scoring.mid_rank(row.value, [*others, row.value])
        heard.setdefault(entity, []).append((x, Decimal((NOON - row.at) // timedelta(seconds=1)) / 86_400))
    made = {}
    for entity, mine in sorted(heard.items()):
        c = scoring.confidence(mine, half_life)
        made[entity] = Said(len(mine), scoring.rounded(c, 12), scoring.market_signal(c, gain))
    return made
