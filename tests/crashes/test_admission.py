"""Holds and usage survive a crash at any step: nothing is half counted, and what was held comes back exactly."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import transaction

from auction import audit
from economics import admission, budget_policy, envelopes, metering, standings, unpriced
from economics.models import DefaultEnvelope, Envelope, Refusal, Reservation, Revision, Usage
from tests import factories
from tests.crashes import blows
from tests.factories import NOON, REVIEWER, after

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent

pytestmark = pytest.mark.usefixtures("committed_db")

CYCLES: Final = 1_000
LEAST: Final = 4  # steps: two statements, where holds make room for others


def _spent(tokens: int) -> admission.Spent:
    return admission.Spent(amount=Decimal(tokens))


def test_what_is_held_by_the_dead_comes_back_exactly() -> None:
    """A thousand processes reserve and are killed before they settle: 1 to 97 tokens of 100, each with the fleet's."""
    factories.model()
    worker, own = factories.agent(), factories.envelope(tokens=100)
    factories.line(own, 97)
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("0.13"))
    fresh = (factories.figures(own), factories.figures(own, tier="frontier"), factories.figures(None))

    for number in range(CYCLES):
        tokens, at = number % 97 + 1, after(number)

        def use(tokens: int = tokens, at: Any = at) -> None:
            got = factories.reserve(own, tokens, by=worker, at=at, lives=1)
            admission.settle(got.pk, _spent(tokens), now=at)

        # One statement, with a step before and after it; then comes the settlement, with a step before it.
        assert blows.struck(use, blow=blows.kill_process, step=1 + number % 2)
        assert factories.figures(own) == (100, 0, tokens, 100 - tokens), number
        assert factories.figures(None).held == Decimal("0.0013") * tokens, number
        assert admission.expire(now=after(number + 1)) == 1
        assert (factories.figures(own), factories.figures(own, tier="frontier"), factories.figures(None)) == fresh, (
            number
        )

    assert Reservation.objects.filter(state="expired").count() == CYCLES
    assert not Usage.objects.exists()
    assert audit.differences() == []


class Scene(NamedTuple):
    """An envelope, and a deed about to be done on it; whether doing it again changes nothing more."""

    own: Envelope
    deed: Callable[[], object]
    once: bool = True


def _envelope() -> tuple[Envelope, Agent]:
    """Open an envelope with a line of a tier and some use, priced and unpriced."""
    own = factories.envelope()
    factories.line(own, 800)
    factories.record(own, 40)
    return own, factories.agent()


def reserve() -> Scene:
    own, by = _envelope()
    return Scene(own, lambda: factories.reserve(own, 100, by=by), once=False)


def reserve_by_default() -> Scene:
    unborn = Envelope(entity_type="analysis", entity_id=factories.agent().pk)
    by = factories.agent()
    return Scene(unborn, lambda: factories.reserve(unborn, 10, by=by), once=False)


def refuse() -> Scene:
    own, by = _envelope()
    ask = factories.ask(own, 5_000)
    return Scene(own, lambda: admission.reserve(ask, agent_id=by.pk, now=NOON), once=False)


def make_room() -> Scene:
    own, by = _envelope()
    for _ in range(3):
        factories.reserve(own, 200, lives=60)
    return Scene(own, lambda: factories.reserve(own, 700, by=by, at=after(60)), once=False)


def settle() -> Scene:
    own, by = _envelope()
    got = factories.reserve(own, 100, by=by)
    return Scene(own, lambda: admission.settle(got.pk, _spent(70), now=after(5)))


def settle_late() -> Scene:
    own, by = _envelope()
    got = factories.reserve(own, 100, by=by, lives=1)
    admission.expire(now=after(1))
    return Scene(own, lambda: admission.settle(got.pk, _spent(70), now=after(5)))


def release() -> Scene:
    own, by = _envelope()
    got = factories.reserve(own, 100, by=by)
    return Scene(own, lambda: admission.release(got.pk, now=after(5)))


def expire() -> Scene:
    own, _by = _envelope()
    for _ in range(3):
        factories.reserve(own, 100, lives=60)
    return Scene(own, lambda: admission.expire(now=after(60)))


def record() -> Scene:
    own, by = _envelope()
    events = [factories.event(own, 10 * n, at=after(n), model=("deep-1", "late-1")[n % 2]) for n in range(1, 6)]
    return Scene(own, lambda: metering.record_many([*events, events[0]], agent_id=by.pk, now=after(60)))


def correct() -> Scene:
    own, _by = _envelope()
    usage = factories.record(own, 100)
    terms: dict[str, Any] = {"key": "k", "note": "n", "author": "a", "now": after(60), "amount": Decimal(30)}
    return Scene(own, lambda: metering.correct(usage.pk, **terms))


def price() -> Scene:
    own, _by = _envelope()
    name = f"late-{own.pk}"
    factories.record(own, 50, model=name)
    factories.model(name)
    return Scene(own, lambda: unpriced.price_unpriced(now=after(60)))


def open_line() -> Scene:
    own, _by = _envelope()
    factories.reserve(own, 100, model="quick-1")
    return Scene(own, lambda: factories.line(own, 50, tier="small"))


def change() -> Scene:
    own, _by = _envelope()
    return Scene(
        own, lambda: envelopes.change(own.pk, author=REVIEWER, now=NOON, window_kind="month", token_budget=2_000)
    )


DEEDS: Final = {
    scene.__name__: scene
    for scene in (
        *(reserve, reserve_by_default, refuse, make_room, settle, settle_late, release, expire, record, correct),
        *(price, open_line, change),
    )
}


def _picture(own: Envelope) -> list[Any]:
    """Return all that a deed may change, by what people see of it and not by ids, which differ between scenes."""
    mine = {"entity_type": own.entity_type, "entity_id": own.entity_id}
    opened = Envelope.objects.filter(**mine).first()
    lines = standings.of_envelopes([opened.pk], at=NOON)[opened.pk] if opened else []
    held = Reservation.objects.filter(envelope=opened).order_by("pk").values_list("amount", "state", "settled_late")
    used = Usage.objects.filter(**mine).order_by("pk").values_list("amount", "cost", "price_state")
    revised = Revision.objects.filter(envelope=opened).order_by("pk").values_list("changes", flat=True)
    return [
        *([line[2:] for line in lines], list(held), list(used), list(revised)),
        list(Refusal.objects.filter(**mine).values_list("code", "times")),
    ]


@transaction.atomic  # one commit instead of dozens
def _stage(name: str) -> Scene:
    return DEEDS[name]()


@pytest.mark.parametrize("blow", [blows.kill_process, blows.end_session], ids=["process killed", "session ended"])
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_struck_down_at_any_step_is_whole_or_never_was(name: str, blow: Callable[[], None]) -> None:
    factories.model()
    factories.model("quick-1", tier="small", rate="0", output_rate="0")
    DefaultEnvelope.objects.create(pk="analysis", window_kind="day", token_budget=100)
    scene = _stage(name)
    before = _picture(scene.own)
    scene.deed()
    done = _picture(scene.own)
    assert done != before
    assert audit.differences() == []

    for step in itertools.count():
        scene = _stage(name)
        struck = blows.struck(scene.deed, blow=blow, step=step)
        assert audit.differences() == [], step
        found = _picture(scene.own)
        assert found in (before, done), step
        if scene.once or found == before:
            scene.deed()  # by another worker, or the same one a second later
        assert _picture(scene.own) == done, step
        if not struck and step >= LEAST:  # one whose session ends after its COMMIT never hears of it
            break
