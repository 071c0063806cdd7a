"""Fleets to review: envelopes with a grant, a score, a market weight, what they used and what came of it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from economics import envelopes, metering, worth_policy
from economics.events import Event
from economics.models import Envelope, Outcome
from tests.factories import REVIEWER

if TYPE_CHECKING:
    from economics.models import WorthPolicy

MONDAY: Final = datetime(2026, 3, 2, tzinfo=UTC)  # a week begins
LONG_AGO: Final = MONDAY - timedelta(days=120)
_numbers = itertools.count(1)


def plain_policy(**changes: Any) -> WorthPolicy:
    """Put a policy in force under which ROI is just edges per token, however few, and no floor binds."""
    plain = {"roi_prior_tokens": 0, "roi_fewest_tokens": 1, "floor_tokens": 0, "fewest_judged": 1}
    return worth_policy.change(author=REVIEWER, now=LONG_AGO, **{**plain, **changes})


def member(  # noqa: PLR0913 - an envelope has this many terms
    entity_id: str,
    base: int = 1_000,
    *,
    priority: str = "0.5",
    weight: str = "0.1",
    entity_type: str = "hypothesis",
    window: str = "week",
    **terms: Any,
) -> Envelope:
    """Return a granted envelope of so many LLM tokens a window, long open, with a score and a market weight."""
    own = envelopes.open_envelope(
        entity_type,
        entity_id,
        author=REVIEWER,
        now=LONG_AGO,
        granted=True,
        token_budget=base,
        window_kind=window,
        **terms,
    )
    Envelope.objects.filter(pk=own.pk).update(priority_score=Decimal(priority), market_weight=Decimal(weight))
    own.refresh_from_db()
    return own


def used(of: Envelope, *tokens: int, before: datetime = MONDAY, tier: str = "") -> None:
    """Record what was used in the weeks before a moment: the last week first, on its first day."""
    events = [
        Event(
            entity_type=of.entity_type,
            entity_id=of.entity_id,
            resource_type="llm_tokens",
            amount=Decimal(amount),
            tier=tier,
            source="fleet",
            event_id=str(next(_numbers)),
            created_at=before - timedelta(days=7 * (ago + 1)) + timedelta(hours=1),
        )
        for ago, amount in enumerate(tokens)
        if amount
    ]
    results = metering.record_many(events, agent_id=["reporter"] * len(events), now=before)
    assert {result.status for result in results} <= {metering.RECORDED}


def gained(of: Envelope, edges: int, *, at: datetime = MONDAY - timedelta(days=3)) -> None:
    """Record edges gained (or lost, below 0) at a moment."""
    if edges:
        Outcome.objects.create(
            entity_type=of.entity_type,
            entity_id=of.entity_id,
            kind="edges_gained" if edges > 0 else "edges_removed",
            amount=abs(edges),
            source="fleet",
            event_id=str(next(_numbers)),
            at=at,
        )


def reserve(amount: int, *, window: str = "week", tier: str = "") -> None:
    """Have so many tokens in reserve, as if reviews of long ago had taken them: past the law that only they may."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE economics_reserves DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO economics_reserves (window_kind, qualifier, amount) VALUES (%s, %s, %s) "
            "ON CONFLICT (window_kind, qualifier) DO UPDATE SET amount = excluded.amount",
            [window, tier, amount],
        )
        cursor.execute("ALTER TABLE economics_reserves ENABLE TRIGGER USER")
