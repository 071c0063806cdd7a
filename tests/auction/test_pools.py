"""Pools: made once, configured, topped up, stopped and resumed; offers of providers and their ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from auction import clearing, errors, pools, runs, settlement
from auction.models import Pool, Slot
from config.errors import RefusedError
from tests import factories
from tests.factories import NOON, after

pytestmark = pytest.mark.django_db


def _states(pool: Pool) -> dict[str, int]:
    """Count the pool's slots by state."""
    states = list(Slot.objects.filter(pool=pool).values_list("state", flat=True))
    return {state: states.count(state) for state in sorted(set(states))}


# The pool itself


def test_default_pool_exists_from_the_start() -> None:
    assert list(Pool.objects.values_list("name", "mode", "pricing_rule")) == [("scidex-agent", "auction", "uniform")]


def test_create_opens_the_revenue_account_and_happens_once() -> None:
    made = pools.create("gpu", capacity=9)
    again = pools.create("gpu", capacity=1)
    assert (again.pk, again.capacity, str(made.revenue_account)) == (made.pk, 9, "house:revenue:gpu")


def test_get_refuses_unknown_names() -> None:
    with pytest.raises(errors.UnknownPoolError) as refusal:
        pools.get("nowhere")
    assert refusal.value.figures == {"pool": "nowhere"}


def test_configure_changes_these_settings_and_nothing_else() -> None:
    pool = factories.pool(capacity=3)
    clearing.clear_round(after(5), pool.name)  # the pool in memory knows nothing of it
    changed = pools.configure(pool.name, reserve_tokens=50, pricing_rule="vickrey")
    assert (changed.reserve_tokens, changed.pricing_rule, changed.capacity) == (50, "vickrey", 3)
    assert (changed.last_cycle_at, changed.last_round_at) == (NOON, after(5))


def test_configure_refuses_an_unknown_pool() -> None:
    with pytest.raises(errors.UnknownPoolError):
        pools.configure("nowhere", capacity=1)


# Cycles


@pytest.mark.parametrize(
    ("seconds", "now", "start"),
    [
        (60, "12:00:00", "12:00:00"),
        (60, "12:00:59", "12:00:00"),
        (60, "12:01:00", "12:01:00"),
        (3600, "12:59:59", "12:00:00"),
        (7, "12:00:00", "11:59:54"),  # cycles are counted from 1970, not from noon
    ],
)
def test_cycles_are_aligned_to_the_epoch(seconds: int, now: str, start: str) -> None:
    def at(clock: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-02T{clock}+00:00")

    assert pools.cycle_start(Pool(cycle_seconds=seconds), at(now)) == at(start)
    assert pools.cycle_start(Pool(cycle_seconds=seconds), at(now)).tzinfo == UTC


def test_a_pool_is_due_once_in_each_cycle() -> None:
    pool = factories.pool()
    due = [pools.is_due(pool, NOON)]
    clearing.clear_round(after(5), pool.name)
    pool.refresh_from_db()
    assert due + [pools.is_due(pool, after(s)) for s in (5, 59, 60, 61)] == [True, False, False, True, True]


def test_a_moment_is_never_before_the_last_round() -> None:
    pool = factories.pool()
    assert pools.moment(pool, NOON) == NOON
    pool.last_round_at = after(10)
    assert pools.moment(pool, after(9)) == after(10) + timedelta(microseconds=1)
    assert pools.moment(pool, after(11)) == after(11)


# The house's own slots


def test_top_up_keeps_the_capacity_in_being() -> None:
    pool = factories.pool(capacity=3)
    assert [pools.top_up(pool.name, now=after(n)) for n in range(2)] == [3, 0]
    assert _states(pool) == {"open": 3}
    assert list(Slot.objects.filter(pool=pool, provider=None).values_list("available_at", flat=True)) == [NOON] * 3


def test_top_up_counts_sold_and_running_slots_and_replaces_finished_ones() -> None:
    pool = factories.pool(capacity=2)
    pools.top_up(pool.name, now=NOON)
    factories.bid(factories.wallet(100), 10, pool)
    clearing.clear_round(NOON, pool.name)
    assert pools.top_up(pool.name, now=after(1)) == 0
    clear = pool.clears.get()
    runs.start(clear.slot_id, runner=factories.runner(clear), now=after(2))
    assert pools.top_up(pool.name, now=after(3)) == 0
    settlement.finish(clear.slot_id, actual_cost_tokens=1, now=after(4))
    assert pools.top_up(pool.name, now=after(5)) == 1
    assert _states(pool) == {"open": 2, "sold": 1}


def test_top_up_withdraws_open_slots_above_the_capacity_the_latest_first() -> None:
    pool = factories.pool(capacity=1)
    first = pools.top_up(pool.name, now=NOON)
    pools.configure(pool.name, capacity=3)
    assert (first, pools.top_up(pool.name, now=after(1))) == (1, 2)
    pools.configure(pool.name, capacity=1)
    assert pools.top_up(pool.name, now=after(2)) == -2
    kept = Slot.objects.get(pool=pool, state="open")
    assert (kept.available_at, _states(pool)) == (NOON, {"open": 1, "withdrawn": 2})


def test_top_up_leaves_providers_slots_alone() -> None:
    pool = factories.pool(capacity=0)
    offered = factories.slot(pool, provider=factories.agent(kind="provider"))
    assert pools.top_up(pool.name, now=after(1)) == 0
    offered.refresh_from_db()
    assert offered.state == "open"


# Stopped and resumed


def test_a_stopped_pool_offers_nothing_until_it_is_resumed() -> None:
    pool = factories.pool(capacity=2)
    pools.top_up(pool.name, now=NOON)
    settlement.stop_pool(pool.name, now=after(1))
    assert pools.top_up(pool.name, now=after(2)) == -2
    assert (pools.get(pool.name).mode, _states(pool)) == ("stopped", {"withdrawn": 2})
    assert pools.resume(pool.name, now=after(3)) == 2
    assert (pools.get(pool.name).mode, _states(pool)) == ("auction", {"open": 2, "withdrawn": 2})


def test_stopping_withdraws_what_was_sold_and_releases_its_hold() -> None:
    clear = factories.sale(100, owner=factories.wallet(500))
    assert settlement.stop_pool(clear.pool.name, now=after(1)) == 1
    clear.refresh_from_db()
    clear.account.refresh_from_db()
    assert (clear.state, clear.account.balance, clear.account.held) == ("withdrawn", 500, 0)
    assert settlement.stop_pool(clear.pool.name, now=after(2)) == 0


def test_resuming_a_pool_that_runs_changes_nothing() -> None:
    pool = factories.pool(capacity=2, mode="fallback")
    assert pools.resume(pool.name, now=NOON) == 0
    assert (pools.get(pool.name).mode, _states(pool)) == ("fallback", {})


def test_resuming_refuses_an_unknown_pool() -> None:
    with pytest.raises(errors.UnknownPoolError):
        pools.resume("nowhere", now=NOON)


# Offers of providers


def _offer(pool: Pool, *, kind: str = "provider", **terms: object) -> list[Slot]:
    chosen: dict[str, object] = {"available_at": NOON, "offer_until": after(600), "now": NOON, **terms}
    return pools.offer(provider=factories.agent(kind=kind), pool=pool.name, **chosen)  # type: ignore[arg-type]


def test_offer_posts_slots_with_their_reserve_and_end() -> None:
    pool = factories.pool()
    posted = _offer(pool, count=2, reserve_tokens=30)
    assert [(s.state, s.reserve_tokens, s.offer_until, s.provider_kind) for s in posted] == [
        ("open", 30, after(600), "provider")
    ] * 2
    assert _states(pool) == {"open": 2}


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"count": 0}, "invalid_offer"),
        ({"count": 101}, "invalid_offer"),
        ({"reserve_tokens": -1}, "invalid_offer"),
        ({"offer_until": NOON}, "invalid_offer"),
        ({"available_at": after(600)}, "invalid_offer"),
        ({"kind": "grader"}, "grader_may_not_trade"),
    ],
)
def test_offer_refuses_what_cannot_stand(terms: dict[str, object], code: str) -> None:
    pool = factories.pool()
    with pytest.raises(RefusedError) as refusal:
        _offer(pool, **terms)  # type: ignore[arg-type] # terms of an offer
    assert (refusal.value.code, _states(pool)) == (code, {})


def test_offer_refuses_stopped_and_unknown_pools() -> None:
    pool = factories.pool(mode="stopped")
    with pytest.raises(errors.PoolStoppedError):
        _offer(pool)
    with pytest.raises(errors.UnknownPoolError):
        _offer(Pool(name="nowhere"))


def test_offers_expire_at_their_end() -> None:
    pool = factories.pool()
    factories.slots(pool, 1)
    _offer(pool, count=2)
    assert [pools.expire_offers(now=after(s)) for s in (599, 600, 601)] == [0, 2, 0]
    assert _states(pool) == {"expired": 2, "open": 1}


def test_an_expired_offer_does_not_touch_what_was_sold() -> None:
    pool = factories.pool()
    _offer(pool)
    factories.bid(factories.wallet(100), 10, pool)
    clearing.clear_round(NOON, pool.name)
    assert pools.expire_offers(now=after(9999)) == 0
    assert _states(pool) == {"sold": 1}


def test_a_slot_that_came_to_nothing_is_offered_again_as_a_new_row() -> None:
    clear = factories.sale(100)
    settlement.sweep(now=after(300))
    again = Slot.objects.get(offers_again=clear.slot)
    assert (again.state, again.pool, again.available_at, again.offer_until) == ("open", clear.pool, after(300), None)


@pytest.mark.parametrize(("until", "again"), [(301, 1), (300, 0)])
def test_a_providers_slot_is_offered_again_only_while_its_offer_stands(until: float, again: int) -> None:
    pool = factories.pool()
    _offer(pool, offer_until=after(until), reserve_tokens=2)
    factories.bid(factories.wallet(100), 10, pool)
    clearing.clear_round(NOON, pool.name)
    settlement.sweep(now=after(300))
    assert (
        list(Slot.objects.filter(pool=pool, state="open").values_list("reserve_tokens", "offer_until"))
        == [(2, after(until))] * again
    )
