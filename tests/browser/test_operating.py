"""An operator's day: a pool is stopped and resumed, each after a question, and only by who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auction.models import Pool
from config import history
from tests.browser import house

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.conftest import Visit
    from tests.browser.seating import Theme

    Shot = Callable[[house.Visitor, str], Path]

POOL = "scidex-agent"


def _mode() -> str:
    return Pool.objects.get(name=POOL).mode


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_pool_is_paused_after_a_question_and_resumed(visit: Visit, theme: Theme, shot: Shot, *, phone: bool) -> None:
    otto = visit("operator", theme=theme, phone=phone)
    otto.go(house.POOLS)
    otto.follows(POOL)
    shot(otto, "pool")
    otto.press("Stop…")
    otto.sees("slots sold but not started are withdrawn")
    shot(otto, "asked")
    otto.follows("Cancel")
    assert _mode() == "auction"

    otto.follows(POOL)
    otto.press("Stop…")
    otto.field("Reason").fill("The runners are being moved.")
    otto.press("Stop")
    otto.sees(f"Pool {POOL} is stopped")
    shot(otto, "stopped")
    assert _mode() == "stopped"
    change = history.of(Pool, Pool.objects.get(name=POOL).pk)[0]
    assert (change.who, change.why) == ("otto", "The runners are being moved.")

    otto.follows(POOL)
    otto.press("Resume…")
    otto.press("Resume")
    otto.sees(f"Pool {POOL} sells again")
    assert _mode() == "auction"


def test_a_reviewer_is_not_offered_an_operators_work(visit: Visit) -> None:
    ada = visit("reviewer")
    ada.go(house.POOLS)
    ada.follows(POOL)
    assert ada.button("Stop…").count() == 0
