"""Graded slots of a wallet, written at once, where a test is about what follows from them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from auction.models import Clear, Task
from tests import factories
from tests.factories import NOON

if TYPE_CHECKING:
    from datetime import datetime

    from auction.models import Pool
    from economics.models import Account


def graded(  # noqa: PLR0913 - a graded slot has this many terms
    owner: Account, promised: int | str, impact: int | str, *, into: Pool, number: int = 1, at: datetime = NOON
) -> list[Clear]:
    """Return so many finished slots that were given to a wallet, each with a task of its own, graded at a moment."""
    tasks = factories.tasks(owner, number)
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(
        expected_value_usd=Decimal(promised), state=Task.State.TAKEN
    )
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(state=Task.State.DONE)
    return Clear.objects.bulk_create(
        Clear(
            slot=factories.slot(into),
            pool=into,
            account=owner,
            winning_task=task,
            is_given=True,
            clearing_price_tokens=0,
            charge_tokens=0,
            max_price_tokens=0,
            state=Clear.State.FINISHED,
            cleared_at=at,
            start_by=at,
            slot_started_at=at,
            lease_until=at,
            slot_finished_at=at,
            actual_cost_tokens=1,
            actual_impact=Decimal(impact),
            graded_at=at,
        )
        for task in tasks
    )
