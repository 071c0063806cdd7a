"""`audit` and `replay_round`: what they print, and exit code 1 where something differs."""

from __future__ import annotations

import io
import subprocess
import sys
from decimal import Decimal

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from auction import clearing
from auction.models import AuditRun, Clear
from tests import factories
from tests.factories import NOON, after

pytestmark = pytest.mark.usefixtures("committed_db")
USD = Decimal("0.02")
CLEAN = "clean: 5 accounts, 6 transfers, 6 bids, 4 clears, 2 envelopes, 5 days of usage.\n"


def _run(*words: str) -> tuple[str, str]:
    """Run a command; return what it printed and, where it failed with code 1, why."""
    out = io.StringIO()
    try:
        call_command(*words, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error) if error.returncode == 1 else f"code {error.returncode}"
    return out.getvalue(), ""


def _break(statement: str, *values: int | str) -> None:
    """Run a statement with triggers switched off."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, values)
        cursor.execute("SET session_replication_role = DEFAULT")


# audit


def test_audit_of_clean_books_says_how_much_it_read() -> None:
    factories.world(USD)
    assert _run("audit") == (CLEAN, "")
    assert list(AuditRun.objects.values_list("passed", flat=True)) == [True]


def test_audit_stores_its_pass_or_not() -> None:
    factories.world(USD)
    assert _run("audit", "--no-store") == (CLEAN, "")
    assert AuditRun.objects.count() == 0
    assert _run("audit", "--store") == (CLEAN, "")
    assert AuditRun.objects.count() == 1


@pytest.mark.parametrize("words", [["audit"], ["audit", "--no-store"]])
def test_audit_prints_a_line_for_each_difference(words: list[str]) -> None:
    rich = factories.world(USD).rich
    rich.refresh_from_db()
    _break("UPDATE token_accounts SET balance = balance + 5, held = held + 7 WHERE id = %s", rich.pk)
    out, why = _run(*words)
    assert out.splitlines() == [
        "sum of all balances: stored 5, rebuilt 0",
        f"balance of account {rich.pk} (agent:worker): stored {rich.balance + 5}, rebuilt {rich.balance}",
        f"held on account {rich.pk} (agent:worker): stored {rich.held + 7}, rebuilt {rich.held}",
    ]
    assert (
        why == "audit_failed: 3 differences in 5 accounts, 6 transfers, 6 bids, 4 clears, 2 envelopes, 5 days of usage."
    )


def test_audit_exits_with_1_at_the_shell(committed_db: str) -> None:
    manage = [sys.executable, "manage.py", "audit"]
    rich = factories.world(USD).rich
    clean = subprocess.run(manage, cwd=settings.BASE_DIR, check=False, capture_output=True, text=True)
    assert (clean.returncode, clean.stdout) == (0, CLEAN)
    _break("UPDATE token_accounts SET held = held + 1 WHERE id = %s", rich.pk)
    broken = subprocess.run(manage, cwd=settings.BASE_DIR, check=False, capture_output=True, text=True)
    assert (broken.returncode, broken.stdout[: len("held on account")]) == (1, "held on account")


# replay_round


def test_replay_round_prints_price_and_awards() -> None:
    world = factories.world(USD)
    lines = [
        f"  slot {clear.slot_id} to bid {clear.bid_id} for 100, runner-up none"
        for clear in (world.sold, world.running, world.finished, world.paid)
    ]
    out, why = _run("replay_round", str(world.round.pk))
    assert (out.splitlines(), why) == (
        [f"round {world.round.pk}: price 100, 4 sold", *lines, "1 replayed, each as stored."],
        "",
    )


def test_replay_round_names_the_runner_up() -> None:
    pool = factories.pool()
    factories.slot(pool)
    won, lost = (factories.bid(factories.wallet(5_000), price, pool) for price in (4_000, 3_000))
    cleared = clearing.clear_round(NOON, pool.name)
    out, _why = _run("replay_round", str(cleared.pk))
    slot = Clear.objects.get().slot_id
    assert out.splitlines()[:2] == [
        f"round {cleared.pk}: price 3,000, 1 sold",
        f"  slot {slot} to bid {won.pk} for 3,000, runner-up bid {lost.pk}",
    ]


def test_replay_round_takes_all_rounds_or_one_pools() -> None:
    one, other = factories.pool("one"), factories.pool("other")
    first, second, third = (clearing.clear_round(after(s), pool.name) for s, pool in ((0, one), (60, one), (60, other)))
    everything = "".join(f"round {r.pk}: nothing sold, 0 sold\n" for r in (first, second, third))
    assert _run("replay_round", "--all") == (f"{everything}3 replayed, each as stored.\n", "")
    assert _run("replay_round", "--all", "--pool", "other") == (
        f"round {third.pk}: nothing sold, 0 sold\n1 replayed, each as stored.\n",
        "",
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "invalid: Name one round, or --all, which --pool may narrow."),
        (["1", "--all"], "invalid: Name one round, or --all, which --pool may narrow."),
        (["1", "--pool", "one"], "invalid: Name one round, or --all, which --pool may narrow."),
        (["99"], "unknown_round: There is no round 99."),
        (["--all", "--pool", "nowhere"], "unknown_pool: There is no pool nowhere."),
    ],
)
def test_replay_round_refuses_what_it_cannot_find(words: list[str], why: str) -> None:
    assert _run("replay_round", *words) == ("", why)


CHANGED = [
    ("rounds SET market_price_tokens = 90", ["market_price_tokens: stored 90, replayed 100"]),
    ("rounds SET slots_offered = 5", ["slots_offered: stored 5, replayed 4"]),
    ("rounds SET slots_sold = 3", ["slots_sold: stored 3, replayed 4"]),
    ("rounds SET charged_tokens = 401", ["charged_tokens: stored 401, replayed 400"]),
    ("rounds SET premium_tokens = 999", ["premium_tokens: stored 999, replayed 1000"]),
    ("rounds SET pricing_rule = 'vickrey'", ["pricing_rule: stored vickrey, replayed uniform"]),
    ("rounds SET digest = 'x'", ["digest: the stored parameters and frontier do not give the stored digest"]),
    (
        """rounds SET parameters = parameters || '{"reserve_tokens": 2}'""",
        ["digest: the stored parameters and frontier do not give the stored digest"],
    ),
    ("rounds SET frontier = '{}'", ["frontier: cannot be read (KeyError('bids'))"]),
]


@pytest.mark.parametrize(("change", "lines"), CHANGED)
def test_replay_round_finds_a_changed_round(change: str, lines: list[str]) -> None:
    cleared = factories.world(USD).round
    _break(f"UPDATE compute_auction_{change}")
    out, why = _run("replay_round", str(cleared.pk))
    assert [line for line in out.splitlines() if line.startswith("  differs")] == [f"  differs: {x}" for x in lines]
    assert why == "replay_differs: 1 of 1 rounds."


@pytest.mark.parametrize(
    "change",
    [
        "charge_tokens = 90",
        "clearing_price_tokens = 90",
        "max_price_tokens = 501",
        "account_id = 1",
        "winning_task_id = 'x'",
        "runner_up_task_id = 'x'",
    ],
)
def test_replay_round_finds_a_changed_clear(change: str) -> None:
    world = factories.world(USD)
    _break(f"UPDATE compute_auction_clears SET {change} WHERE id = %s", world.sold.pk)
    out, why = _run("replay_round", str(world.round.pk))
    differs = [line.partition("(")[0] for line in out.splitlines() if line.startswith("  differs")]
    assert differs == ["  differs: clear only stored: ", "  differs: clear only replayed: "]
    assert why == "replay_differs: 1 of 1 rounds."


def test_replay_round_finds_a_lost_clear_and_goes_on_with_the_other_rounds() -> None:
    world = factories.world(USD)
    later = clearing.clear_round(after(60), world.pool.name)
    _break("DELETE FROM compute_auction_clears WHERE id = %s", world.sold.pk)
    out, why = _run("replay_round", "--all")
    assert [line.partition("(")[0] for line in out.splitlines()] == [
        f"round {world.round.pk}: price 100, 4 sold",
        "  differs: clear only replayed: ",
        f"round {later.pk}: price 1, 1 sold",
    ]
    assert why == "replay_differs: 1 of 2 rounds."
