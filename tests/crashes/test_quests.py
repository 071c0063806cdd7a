"""What is done for quests and agents survives a crash at any step: nothing is half done, and done again it is whole.

Where a deed has many steps, those next to a COMMIT are struck and an even sample of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from django.db import transaction

from auction import audit, cycle
from tests import factories
from tests.crashes import blows, pictures, scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.usefixtures("committed_db")

SAMPLE: Final = 4  # of a deed's steps, for each kind of blow, beside those next to a COMMIT
WHOLE: Final = frozenset[str]()  # parts of the picture that change by themselves: none

# Each deed, and the parts of its picture that it changes in transactions of their own.
DEEDS: Final[dict[str, tuple[Callable[[], scenes.Scene], frozenset[str]]]] = {
    "bid": (scenes.bid, frozenset({"tasks"})),  # scored first
    "give": (scenes.give, WHOLE),
    "claim its own win": (scenes.claim_own, WHOLE),
    "claim a quest's win": (scenes.claim_from_quest, WHOLE),
    "start": (scenes.start, WHOLE),
    "start without room": (scenes.start_without_room, WHOLE),
    "settle": (scenes.settle, WHOLE),
    "upsert": (scenes.upsert, WHOLE),
}
# Each deed of several transactions, which it does one after the other.
SERIES: Final[dict[str, Callable[[], scenes.Scene]]] = {
    "pay stipends": scenes.pay_stipends,
    "claim in fallback": scenes.claim_in_fallback,
}
KINDS: Final = {"process killed": (blows.kill_process, False), "session ended": (blows.end_session, True)}


def _whole(picture: pictures.Picture, apart: Iterable[str]) -> pictures.Picture:
    return {name: rows for name, rows in picture.items() if name not in apart}


@transaction.atomic  # one commit instead of dozens
def _stage(stage: Callable[[], scenes.Scene]) -> scenes.Scene:
    return stage()


def _undisturbed(stage: Callable[[], scenes.Scene]) -> tuple[pictures.Picture, pictures.Picture, blows.Walk]:
    """Return what a deed finds and what it leaves when nothing happens to it, and its steps."""
    scene = _stage(stage)
    before = pictures.of(scene)
    walk = blows.walked(scene.deed)
    done = pictures.of(scene)
    if scene.once:
        scene.deed()
        assert pictures.of(scene) == done
    assert before != done
    assert audit.differences() == []
    return before, done, walk


@pytest.fixture(autouse=True)
def _catalogue(committed_db: str) -> None:
    factories.model("deep-1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_struck_down_at_any_step_is_done_once(name: str, kind: str) -> None:
    (stage, apart), (blow, half) = DEEDS[name], KINDS[kind]
    before, done, walk = _undisturbed(stage)
    for step in walk.sample(SAMPLE, half=half):
        scene = _stage(stage)
        assert blows.struck(scene.deed, blow=blow, step=step) or blow is blows.end_session, step
        assert audit.differences() == [], step
        found = pictures.of(scene)
        assert _whole(found, apart) in (_whole(before, apart), _whole(done, apart)), step
        if scene.once or found == before:
            scene.deed()  # by another worker, or the same one a second later
        assert pictures.of(scene) == done, step
        assert audit.differences() == [], step


def _is_done_the_next_time(stage: Callable[[], scenes.Scene], kind: str) -> None:
    """Check that whatever was the last to be done, the books hold, and doing all again comes to the same end."""
    blow, half = KINDS[kind]
    _before, done, walk = _undisturbed(stage)
    for step in walk.sample(SAMPLE, half=half):
        scene = _stage(stage)
        assert blows.struck(scene.deed, blow=blow, step=step) or blow is blows.end_session, step
        assert audit.differences() == [], step
        scene.deed()
        assert pictures.of(scene) == done, step
        assert audit.differences() == [], step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SERIES)
def test_what_a_series_of_deeds_has_not_done_is_done_the_next_time(name: str, kind: str) -> None:
    _is_done_the_next_time(SERIES[name], kind)


def test_a_tick_whose_worker_is_killed_is_made_up_in_its_cycle() -> None:
    _is_done_the_next_time(scenes.tick, "process killed")


def test_a_tick_whose_session_ends_is_made_up_by_the_next_cycle() -> None:
    """It goes on with a new session, so that its round may find nothing to sell, and is not held again.

    Every other step of the sample: a worker whose session ends in a tick has a test of its own.
    """
    scene = _stage(scenes.tick)
    walk = blows.walked(scene.deed)
    cycle.run_due(now=scene.at + scenes.CYCLE)
    done = pictures.timeless(pictures.of(scene))
    for step in walk.sample(SAMPLE, half=True)[::2]:
        scene = _stage(scenes.tick)
        blows.struck(scene.deed, blow=blows.end_session, step=step)
        assert audit.differences() == [], step
        for now in (scene.at, scene.at + scenes.CYCLE):
            cycle.run_due(now=now)
        assert pictures.timeless(pictures.of(scene)) == done, step
        assert audit.differences() == [], step
