"""A daily check that dies at any of its steps has done all of its work or none, and the next one does it once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from economics import envelopes, safety
from economics.models import Alert, Envelope, Revision
from tests import factories
from tests.crashes import blows
from tests.factories import REVIEWER, after

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("committed_db")


def _scene(second: float) -> list[Envelope]:
    """Return one envelope to be frozen, one to be lifted, and one whose alert is to be armed again."""
    over, raised, eased = (factories.envelope(tokens=1_000) for _ in range(3))
    factories.record(raised, 1_500, at=after(second))
    factories.record(eased, 600, at=after(second))
    safety.check(now=after(second))
    for each in (raised, eased):
        envelopes.change(each.pk, author=REVIEWER, now=after(second), token_budget=1_500)
    factories.record(over, 1_001, at=after(second))
    return [over, raised, eased]


def _picture(scene: list[Envelope]) -> list[Any]:
    ids = [envelope.pk for envelope in scene]
    alerts = Alert.objects.filter(line__envelope__in=ids)
    return [
        *Envelope.objects.filter(pk__in=ids).order_by("pk").values_list("state", "state_reason", "frozen_by_check"),
        *sorted((alert.threshold, alert.froze, alert.rearmed_at is None) for alert in alerts),
        *sorted(Revision.objects.filter(envelope__in=ids, who="daily check").values_list("changes__state", flat=True)),
    ]


@pytest.mark.parametrize("blow", [blows.kill_process, blows.end_session], ids=["process killed", "session ended"])
def test_a_check_struck_down_at_any_step_is_done_once(blow: Callable[[], None]) -> None:
    scene = _scene(0)
    before = _picture(scene)
    assert safety.check(now=after(1)) == safety.Checked(raised=3, rearmed=1, frozen=1, lifted=1)
    done = _picture(scene)
    assert before != done

    for step in itertools.count():
        second = 10 * (step + 1)
        scene = _scene(second)
        struck = blows.struck(lambda: safety.check(now=after(second + 1)), blow=blow, step=step)  # noqa: B023 - done at once
        assert _picture(scene) in (before, done), step
        safety.check(now=after(second + 2))
        assert _picture(scene) == done, step
        if not struck:
            break

    assert step >= 16  # the check has eight statements of its own
