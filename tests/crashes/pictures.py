"""All that a deed for quests and agents may change, as people see it: ids and moments differ between scenes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from auction.models import Bid, BidCycle, Clear, Fallback, FallbackShare, Pool, Quest, QuestAllocation, Slot, Task
from config.models import FeedEntry
from economics.models import Account, Envelope, Refusal, Transfer, Usage
from tests import factories

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tests.crashes.scenes import Scene

Picture = dict[str, list[tuple[Any, ...]]]


def of(scene: Scene) -> Picture:
    """Return all that the deed of a scene may change, part by part."""
    mine, wallets = {"pool": scene.pool}, [wallet.pk for wallet in scene.wallets]
    owners = [wallet.owner_id for wallet in scene.wallets]
    own = scene.own or Envelope()
    entity = {"entity_type": own.entity_type, "entity_id": own.entity_id}
    sold = Clear.objects.filter(account__in=wallets)
    return {
        "wallets": list(Account.objects.filter(pk__in=wallets).order_by("pk").values_list("balance", "held")),
        "debits": _seen(scene, Transfer.objects.filter(debit_account__in=wallets), "amount", "reason"),
        "credits": _seen(scene, Transfer.objects.filter(credit_account__in=wallets), "amount", "reason"),
        "days": _seen(
            scene, QuestAllocation.objects.filter(quest__account__in=wallets), "day", "tokens", "share", "paid_tokens"
        ),
        "paces": _seen(scene, Quest.objects.filter(account__in=wallets), "pace"),
        "tasks": _seen(
            scene,
            Task.objects.filter(wallet__in=wallets),
            *("title", "state", "expected_value_usd", "value_if_works_usd", "scored_at", "closed_at"),
            "needs__needs__expected_value_usd",
        ),
        "bids": _seen(
            scene,
            Bid.objects.filter(account__in=wallets),
            *("max_price_tokens", "status", "is_automatic", "placed_at", "ttl_at", "closed_at"),
        ),
        "cycles": _seen(
            scene,
            BidCycle.objects.filter(**mine, at__gte=scene.at),
            *("at", "tasks", "placed", "kept", "withdrawn", "placed_tokens", "reasons"),
        ),
        "slots": _seen(scene, Slot.objects.filter(clear__in=sold), "state", "available_at", "closed_at"),
        "offered again": _seen(scene, Slot.objects.filter(offers_again__clear__in=sold), "available_at"),
        "clears": _seen(
            scene,
            sold,
            *("state", "is_given", "charge_tokens", "runner__id", "claimed_at", "claim_until", "slot_started_at"),
            *("lease_until", "slot_finished_at", "actual_cost_tokens", "reward_due_tokens", "reward_paid_tokens"),
            *("reservation__state", "reservation__amount", "winning_task__state"),
        ),
        "fallback": [
            *_seen(scene, Pool.objects.filter(pk=scene.pool.pk), "mode", "failures"),
            *_seen(scene, Fallback.objects.filter(**mine), "why", "began_at", "ended_at"),
        ],
        "shares": _seen(scene, FallbackShare.objects.filter(account__in=wallets), "day", "share", "given"),
        "envelope": [factories.figures(own)] if own.pk else [],
        "used": _seen(scene, Usage.objects.filter(**entity), "amount", "source", "model", "cost"),
        "refusals": _seen(scene, Refusal.objects.filter(**entity), "code", "asked", "times"),
        "told": _seen(scene, FeedEntry.objects.filter(owner_id__in=owners), "kind", "at", "owner_type"),
    }


def _seen(scene: Scene, rows: QuerySet[Any], *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(_since(scene, value) for value in row) for row in rows.values_list(*columns)), key=repr)


def _since(scene: Scene, value: Any) -> Any:
    """Return a time as seen from a scene's own moment, and whom it is about as the place among its own."""
    if isinstance(value, datetime):
        return value - scene.at
    if isinstance(value, date):
        return value - scene.at.date()
    names = [wallet.owner_id for wallet in scene.wallets]
    return names.index(value) if value in names else value


def timeless(picture: Picture) -> Picture:
    """Return what came about, whenever that was, without each cycle's counts."""
    return {
        name: sorted((tuple(value for value in row if not isinstance(value, timedelta)) for row in rows), key=repr)
        for name, rows in picture.items()
        if name != "cycles"
    }
