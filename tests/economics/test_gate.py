"""The gate: which entities may compete, asked for one or for many at once, and why and until when one may not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from economics import envelopes, gate, stops
from economics.models import DefaultEnvelope
from tests import factories
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from economics.models import Envelope

pytestmark = pytest.mark.django_db
DAY = 86_400


def _of(envelope: Envelope) -> tuple[str, str]:
    return envelope.entity_type, envelope.entity_id


def _one(envelope: Envelope, *, tokens: int = 1, model: str = "", day: int = 0) -> str:
    """Return what the function for one entity says."""
    at = after(day * DAY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT economics_gate(%s, %s, %s, %s, %s)", [*_of(envelope), at, tokens, model])
        code: str = cursor.fetchone()[0]
    return code


def _rooms(*entities: tuple[str, str, str]) -> dict[tuple[str, str, str], tuple[str, Decimal | None]]:
    """Return code and room of these entities and tiers."""
    types, ids, tiers = zip(*entities, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT entity_type, entity_id, tier, code, room FROM economics_gates(%s, %s, %s, %s)",
            [list(types), list(ids), NOON, list(tiers)],
        )
        return {(kind, name, tier): (code, room) for kind, name, tier, code, room in cursor.fetchall()}


def test_nobody_asked_is_nobody_closed() -> None:
    assert gate.closed([], at=NOON) == {}


def test_an_envelope_with_room_is_open() -> None:
    own = factories.envelope()
    assert gate.closed([_of(own)], at=NOON) == {}
    assert _one(own) == ""
    assert gate.reason(*_of(own), at=NOON) is None


def test_an_entity_without_an_envelope_is_closed_unless_its_type_is_given_one() -> None:
    entity = ("analysis", "a1")
    assert gate.closed([entity], at=NOON) == {entity: "no_envelope"}
    why = gate.reason(*entity, at=NOON)
    assert why == gate.Reason("no_envelope", "It has no envelope, and none is given to its type by default.")

    default = DefaultEnvelope.objects.create(entity_type="analysis", token_budget=500)
    assert gate.closed([entity], at=NOON) == {}
    assert gate.reason(*entity, at=NOON, tokens=500) is None
    assert gate.reason(*entity, at=NOON, tokens=501) == gate.Reason(
        "envelope_exhausted", "The envelope that its type is given by default has no room.", room=Decimal(500)
    )
    default.token_budget = 0
    default.save()
    assert gate.closed([entity], at=NOON) == {entity: "envelope_exhausted"}


def test_a_frozen_envelope_says_who_froze_it_and_why() -> None:
    own = factories.envelope()
    stops.freeze([own.pk], author=REVIEWER, now=NOON)
    assert gate.closed([_of(own)], at=NOON) == {_of(own): "envelope_frozen"}
    assert _one(own) == "envelope_frozen"
    assert gate.reason(*_of(own), at=NOON) == gate.Reason("envelope_frozen", REVIEWER.why)
    stops.unfreeze([own.pk], author=REVIEWER, now=after(1))
    assert gate.closed([_of(own)], at=after(1)) == {}


def test_an_envelope_is_exhausted_until_its_window_ends() -> None:
    own = factories.envelope(tokens=1000)
    factories.record(own, 999)
    assert (_one(own), _one(own, tokens=2)) == ("", "envelope_exhausted")
    factories.record(own, 1)
    assert gate.closed([_of(own)], at=NOON) == {_of(own): "envelope_exhausted"}
    assert (_one(own), _one(own, day=1)) == ("envelope_exhausted", "")
    why = gate.reason(*_of(own), at=NOON)
    midnight = NOON.replace(hour=0) + (after(DAY) - NOON)
    assert why == gate.Reason(
        "envelope_exhausted", "llm_tokens per day has no room.", midnight, "llm_tokens per day", Decimal(0)
    )
    assert gate.closed([_of(own)], at=midnight) == {}


def test_what_is_reserved_is_no_room() -> None:
    factories.model()
    own = factories.envelope(tokens=1000)
    factories.reserve(own, 1000)
    assert gate.closed([_of(own)], at=NOON) == {_of(own): "envelope_exhausted"}


def test_the_line_that_is_whole_again_last_is_named() -> None:
    own = factories.envelope(tokens=100)
    factories.line(own, 100, tier="", window="month")
    factories.record(own, 100)
    why = gate.reason(*_of(own), at=NOON)
    assert why is not None
    assert (why.line, why.until) == ("llm_tokens per month", NOON.replace(month=4, day=1, hour=0))
    # Tomorrow the day is whole again, and the month is not.
    assert _one(own, day=1) == "envelope_exhausted"


def test_grants_and_the_market_make_room() -> None:
    own, other = factories.envelope(tokens=100), factories.envelope(tokens=100)
    for one in (own, other):
        factories.record(one, 100)
    (total,) = own.lines.filter(resource_type="llm_tokens")
    envelopes.grant(total.pk, amount=Decimal(10), author=REVIEWER, now=NOON)
    factories.market(other, "0.5")
    assert (_one(own, tokens=10), _one(own, tokens=11)) == ("", "envelope_exhausted")
    assert (_one(other, tokens=50), _one(other, tokens=51)) == ("", "envelope_exhausted")
    assert gate.closed([_of(own), _of(other)], at=NOON) == {}


def test_a_tier_counts_for_those_that_use_it() -> None:
    factories.model("deep-1", tier="frontier")
    own = factories.envelope(tokens=1000)
    factories.line(own, 100, tier="frontier")
    factories.record(own, 100)
    assert (_one(own), _one(own, model="deep-1"), _one(own, model="unheard-of")) == ("", "envelope_exhausted", "")
    rooms = _rooms((*_of(own), ""), (*_of(own), "frontier"))
    assert rooms == {(*_of(own), ""): ("", Decimal(900)), (*_of(own), "frontier"): ("envelope_exhausted", Decimal(0))}
    why = gate.reason(*_of(own), at=NOON, model="deep-1")
    assert why is not None
    assert why.line == "llm_tokens frontier per day"


def test_other_classes_close_nothing() -> None:
    own = factories.envelope(tokens=1000, cpu_budget=Decimal(0), api_call_budget=0)
    assert gate.closed([_of(own)], at=NOON) == {}


def test_many_are_asked_at_once_and_each_is_answered_once() -> None:
    own, frozen, spent = (factories.envelope(tokens=100) for _ in range(3))
    stops.freeze([frozen.pk], author=REVIEWER, now=NOON)
    factories.record(spent, 100)
    nobody = ("analysis", "nobody")
    asked = [_of(own), _of(frozen), _of(spent), nobody] * 50
    assert gate.closed(asked, at=NOON) == {
        _of(frozen): "envelope_frozen",
        _of(spent): "envelope_exhausted",
        nobody: "no_envelope",
    }
    assert len(_rooms(*((*one, "") for one in asked))) == len(set(asked))
    # One by one it is the same.
    for one in (own, frozen, spent):
        assert _one(one) == gate.closed([_of(one)], at=NOON).get(_of(one), "")
