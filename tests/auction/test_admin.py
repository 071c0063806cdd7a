"""The market in the admin: pools made and changed by rules, stopped and resumed; rounds replayed, books audited."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse

from auction import clearing
from auction.models import AuditRun, Bid, Clear, Pool, Round, Slot, Task
from config.models import User
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

USD = Decimal("0.02")
SETTINGS: dict[str, object] = {
    "pricing_rule": "vickrey",
    "capacity": 7,
    "cycle_seconds": 30,
    "start_deadline_seconds": 60,
    "lease_seconds": 90,
    "claim_seconds": 20,
    "breaker_failures": 5,
    "stale_cycles": 4,
    "max_ttl_seconds": 600,
    "reserve_tokens": 5,
    "min_bid_tokens": 2,
    "max_bid_tokens": 1000,
    "usd_per_token": "0.01",
    "reward_rate": "0.75",
    "reward_cap_tokens": 50,
    "runner_share": "0.25",
}
RUN = "admin:auction_auditrun_run"


@pytest.fixture
def root(db: None, client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


# Pools


def test_a_pool_is_added_with_its_revenue_account(root: Client) -> None:
    assert root.post(page(Pool, kind="add"), {"name": "gpu", **SETTINGS}).status_code == 302
    pool = Pool.objects.get(name="gpu")
    assert {name: str(getattr(pool, name)).rstrip("0") for name in SETTINGS} == {
        name: str(value).rstrip("0") for name, value in SETTINGS.items()
    }
    assert (str(pool.revenue_account), pool.mode) == ("house:revenue:gpu", "auction")
    assert LogEntry.objects.get().object_id == str(pool.pk)


def test_a_pool_is_added_with_the_defaults_left_as_they_stand(root: Client) -> None:
    plain = factories.pool("plain")
    defaults = {name: getattr(plain, name) for name in SETTINGS}
    assert root.post(page(Pool, kind="add"), {"name": "gpu", **defaults}).status_code == 302
    plain.refresh_from_db()
    gpu = Pool.objects.get(name="gpu")
    assert [getattr(gpu, name) for name in SETTINGS] == [getattr(plain, name) for name in SETTINGS]


def test_a_name_is_taken_once(root: Client) -> None:
    factories.pool("gpu")
    response = root.post(page(Pool, kind="add"), {"name": "gpu", **SETTINGS})
    assert list(response.context["adminform"].form.errors) == ["name"]


def test_settings_are_changed_and_the_rest_is_not_touched(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round cleared while the form is on its way keeps its mark on the pool, and a stop its mode."""
    pool = factories.pool("gpu")
    save = Pool.full_clean

    def meanwhile(self: Pool, *args: object, **kwargs: object) -> None:
        save(self, *args, **kwargs)  # type: ignore[arg-type] # handed on
        clearing.clear_round(after(5), "gpu")
        Pool.objects.filter(name="gpu").update(mode="fallback")

    monkeypatch.setattr(Pool, "full_clean", meanwhile)
    response = root.post(page(Pool, pool.pk), {"name": "other", "mode": "stopped", **SETTINGS})
    assert response.status_code == 302
    pool.refresh_from_db()
    assert (pool.name, pool.mode, pool.capacity, pool.reward_rate) == ("gpu", "fallback", 7, Decimal("0.75"))
    assert (pool.last_cycle_at, pool.last_round_at) == (NOON, after(5))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_bid_tokens", 1),
        ("usd_per_token", "0"),
        ("usd_per_token", "-1"),
        ("cycle_seconds", 0),
        ("reserve_tokens", -1),
        ("runner_share", "1.01"),
        ("pricing_rule", "dutch"),
        ("capacity", ""),
    ],
)
def test_settings_that_a_law_refuses_are_named(root: Client, field: str, value: object) -> None:
    pool = factories.pool("gpu")
    response = root.post(page(Pool, pool.pk), {**SETTINGS, field: value})
    assert (response.status_code, list(response.context["adminform"].form.errors)) == (200, [field])


def test_pools_are_not_deleted(root: Client) -> None:
    assert root.post(page(Pool, factories.pool().pk, kind="delete"), {"post": "yes"}).status_code == 403


def test_stop_asks_first_and_then_withdraws_what_was_sold(root: Client) -> None:
    clear = factories.sale(100, into=factories.pool("gpu"))
    assert press(root, "stop", clear.pool).status_code == 200
    assert Pool.objects.get(name="gpu").mode == "auction"
    assert said(press(root, "stop", clear.pool, confirmed="yes")) == ["Pool gpu is stopped; sold slots withdrawn: 1."]
    clear.refresh_from_db()
    assert (Pool.objects.get(name="gpu").mode, clear.state) == ("stopped", "withdrawn")
    assert LogEntry.objects.get().change_message == "Pool gpu is stopped; sold slots withdrawn: 1."


def test_resume_asks_first_and_then_offers_slots(root: Client) -> None:
    pool = factories.pool("gpu", mode="stopped", capacity=3)
    assert press(root, "resume", pool).status_code == 200
    assert said(press(root, "resume", pool, confirmed="yes")) == ["Pool gpu sells again; slots offered: 3."]
    assert (Pool.objects.get(name="gpu").mode, Slot.objects.filter(pool=pool).count()) == ("auction", 3)


def test_a_pool_that_sells_is_not_resumed_and_a_stopped_one_not_stopped(root: Client) -> None:
    pool = factories.pool("gpu")
    assert said(press(root, "resume", pool, confirmed="yes")) == ["Left as they were, because not stopped: 1."]
    Pool.objects.filter(pk=pool.pk).update(mode="stopped")
    assert said(press(root, "stop", pool, confirmed="yes"))[-1] == "Left as they were, because stopped already: 1."
    assert LogEntry.objects.count() == 0


def test_stop_and_resume_need_the_right_to_change_pools(db: None, client: Client) -> None:
    pool = factories.pool()
    reader = staff(client, "auction.view_pool")
    assert offered(reader, Pool) == []
    press(reader, "stop", pool, confirmed="yes")
    assert Pool.objects.get(pk=pool.pk).mode == "auction"


def test_a_pool_leads_to_its_book(root: Client) -> None:
    world = factories.world(USD)
    factories.bid(world.rich, 10, factories.pool())
    address = f"{page(Bid)}?pool__id__exact={world.pool.pk}&status__exact=open"
    assert address.replace("&", "&amp;") in root.get(page(Pool, world.pool.pk)).content.decode()
    assert list(root.get(address).context["cl"].result_list) == [world.open_bid]


# What is found in the lists


def test_rows_are_found_by_their_ids(root: Client) -> None:
    world = factories.world(USD)
    searches: list[tuple[type[Slot | Task | Bid | Clear], str, object]] = [
        (Slot, world.open_slot.pk, world.open_slot),
        (Task, world.open_task.pk, world.open_task),
        (Clear, world.sold.slot_id, world.sold),
        (Clear, world.paid.winning_task_id, world.paid),
    ]
    for model, text, row in searches:
        assert list(root.get(page(model), {"q": text}).context["cl"].result_list) == [row]
    bids = root.get(page(Bid), {"q": "worker"}).context["cl"].result_list
    assert len(bids) == Bid.objects.count()
    assert list(root.get(page(Bid), {"q": "nobody"}).context["cl"].result_list) == []


# Replay


def _replayed(client: Client, cleared: Round) -> Any:
    """Press the deed and return the page that it leads to."""
    return client.get(press(client, "replay", cleared).headers["Location"])


def test_replay_shows_price_and_awards(root: Client) -> None:
    world = factories.world(USD)
    response = _replayed(root, world.round)
    assert (response.context["price"], response.context["differences"], response.context["more"]) == ("100", [], 0)
    assert [(award.bid_id, charge) for award, charge in response.context["awards"]] == [
        (clear.bid_id, "100") for clear in (world.sold, world.running, world.finished, world.paid)
    ]
    assert "gives the stored result exactly" in response.content.decode()


def test_replay_shows_differences(root: Client) -> None:
    cleared = factories.world(USD).round
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE compute_auction_rounds SET market_price_tokens = 90 WHERE id = %s", [cleared.pk])
    response = _replayed(root, cleared)
    assert response.context["differences"] == ["market_price_tokens: stored 90, replayed 100"]
    assert "market_price_tokens: stored 90, replayed 100" in response.content.decode()


def test_replay_of_a_round_that_sold_nothing(root: Client) -> None:
    cleared = clearing.clear_round(NOON, factories.pool().name)
    assert "none, nothing was sold" in _replayed(root, cleared).content.decode()


def test_replay_takes_one_round(root: Client) -> None:
    rounds = [clearing.clear_round(NOON, factories.pool().name) for _ in range(2)]
    assert said(press(root, "replay", *rounds)) == ["Select exactly one row for this."]


def test_lists_of_rounds_leave_the_frontier_in_the_table(root: Client) -> None:
    factories.world(USD)
    (shown,) = root.get(page(Round)).context["cl"].result_list
    assert shown.get_deferred_fields() == {"frontier"}


# Audit


def test_the_audit_runs_at_the_press_of_a_button(committed_db: str, client: Client) -> None:
    world = factories.world(USD)
    root = reviewers.root(client)
    assert reverse(RUN) in root.get(page(AuditRun)).content.decode()
    response = root.post(reverse(RUN))
    run = AuditRun.objects.get()
    assert (run.passed, response.headers["Location"]) == (True, page(AuditRun, run.pk))
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE token_accounts SET balance = balance + 5 WHERE id = %s", [world.rich.pk])
        cursor.execute("SET session_replication_role = DEFAULT")
    shown = root.get(root.post(reverse(RUN)).headers["Location"]).content.decode()
    assert "<div>sum of all balances: stored 5, rebuilt 0</div>" in shown
    found = [(row.found, row.passed) for row in root.get(page(AuditRun)).context["cl"].result_list]
    assert found == [(2, False), (0, True)]


def test_the_audit_is_run_by_post_alone_and_by_those_who_may(db: None, client: Client) -> None:
    reader = staff(client, "auction.view_auditrun")
    assert reverse(RUN) not in reader.get(page(AuditRun)).content.decode()
    assert (reader.post(reverse(RUN)).status_code, reader.get(reverse(RUN)).status_code) == (403, 405)
    assert (AuditRun.objects.count(), User.objects.count()) == (0, 1)
