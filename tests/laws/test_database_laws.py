"""PostgreSQL itself refuses what would break a law: each law is broken here with raw SQL, and none is forgotten.

A statement may name `{rows of the world}` of `tests.factories.world`; `;` parts those that prepare the crime.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from django.apps import apps
from django.db import Error, connection, transaction

from auction.models import Pool
from config import laws
from config.adoption.words import PREFIX
from economics.models import Account, Transfer
from tests import adoptions, cluster, factories
from tests.laws import (
    crimes_in_fallback,
    crimes_in_history,
    crimes_in_quests,
    crimes_in_reviews,
    crimes_in_stipends,
    crimes_in_the_books,
    crimes_in_the_feed,
    crimes_in_the_senate,
    crimes_in_worth_outcomes,
    crimes_in_worth_scores,
    crimes_in_worth_signals,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model
    from django.db.models.options import Options
    from pytest_django import DjangoDbBlocker

OURS: Final = ("config", "economics", "auction", "governance")

# A new row of each kind that breaks no law.
NEW: Final[dict[str, dict[str, str]]] = {
    "config_agent": {"id": "'somebody'", "kind": "'worker'"},
    "config_agentkey": {
        "agent_id": "'worker'",
        "prefix": "'abc'",
        "digest": r"'\x00'",
        "scopes": "'{{a}}'",
        "created_at": "now()",
        "expires_at": "now() + interval '1 day'",
    },
    "config_idempotentrequest": {
        "principal": "'agent:worker'",
        "key": "'k'",
        "fingerprint": r"'\x00'",
        "status": "200",
    },
    "config_user": {
        "username": "'ada'",
        **dict.fromkeys(("password", "first_name", "last_name", "email"), "''"),
        **dict.fromkeys(("is_superuser", "is_staff", "is_active"), "true"),
        "date_joined": "now()",
    },
    "token_accounts": {"owner_type": "'quest'", "owner_id": "'q'"},
    "token_ledger": {
        "debit_account_id": "{rich}",
        "credit_account_id": "{revenue}",
        "amount": "1",
        "reason": "'test'",
        "key": "'k'",
    },
    "economics_dailyissue": {"day": "'2030-01-01'", "amount": "0", "supply_before": "0"},
    "auction_pools": {"name": "'other'", "revenue_account_id": "{mint}"},
    "auction_slots": {"pool_id": "{pool}", "available_at": "now()"},
    "auction_tasks": {"id": "'t'", "wallet_id": "{rich}"},
    "compute_auction_bids": {
        "pool_id": "{pool}",
        "task_id": "{open_task}",
        "account_id": "{rich}",
        "bidder_id": "'worker'",
        "max_price_tokens": "10",
        "ttl_at": "now() + interval '1 hour'",
    },
    "compute_auction_rounds": {
        "pool_id": "{pool}",
        "cycle_at": "now()",
        "cleared_at": "now()",
        "pricing_rule": "'uniform'",
        **dict.fromkeys(("slots_offered", "slots_sold", "bids_lost", "charged_tokens", "premium_tokens"), "0"),
        **dict.fromkeys(("parameters", "frontier"), "'{{}}'"),
        "digest": "''",
    },
    "auction_payouts": {
        "pool_id": "{pool}",
        "cycle_at": "now()",
        **dict.fromkeys(("swept_tokens", "due_tokens", "paid_tokens"), "0"),
        "created_at": "now()",
    },
    "compute_auction_clears": {
        "slot_id": "{open_slot}",
        "pool_id": "{pool}",
        "round_id": "{round}",
        "bid_id": "{open_bid}",
        "account_id": "{rich}",
        "winning_task_id": "{open_task}",
        "clearing_price_tokens": "1",
        "charge_tokens": "1",
        "max_price_tokens": "50",
        "cleared_at": "now()",
        "start_by": "now()",
    },
}


def _new(table: str, **columns: str) -> str:
    """Return the INSERT of a row that is lawful but for these columns."""
    row = {**NEW[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _set(table: str, row: str, change: str) -> str:
    """Return the UPDATE of a row of the world."""
    key = "day" if table == "economics_dailyissue" else "id"
    return f"UPDATE {table} SET {change} WHERE {key} = {{{row}}}"


_POOL, _CLEAR, _BID = "auction_pools", "compute_auction_clears", "compute_auction_bids"

# Every law and the ways to break it.
CRIMES: Final[list[tuple[str, str]]] = [
    # Who calls
    ("agent_kind_known", _new("config_agent", kind="'king'")),
    ("agent_id_is_a_slug", _new("config_agent", id="'ada lovelace'")),
    ("agent_id_is_a_slug", _new("config_agent", id="''")),
    ("agent_id_is_a_slug", _new("config_agent", id="E'ada\\n'")),
    ("agent_identity_is_fixed", "UPDATE config_agent SET kind = 'worker' WHERE id = 'grader'"),
    ("agent_identity_is_fixed", "UPDATE config_agent SET id = 'queen' WHERE id = 'grader'"),
    ("agent_key_expires_after_issue", _new("config_agentkey", expires_at="now()")),
    ("agent_key_has_scopes", _new("config_agentkey", scopes="'{{}}'")),
    ("agent_key_is_fixed", _new("config_agentkey") + "; UPDATE config_agentkey SET scopes = '{{a,b}}'"),
    (
        "agent_key_is_fixed",
        _new("config_agentkey") + "; UPDATE config_agentkey SET expires_at = expires_at + interval '1 day'",
    ),
    ("agent_key_is_fixed", _new("config_agentkey") + r"; UPDATE config_agentkey SET digest = '\x01'"),
    (
        "agent_key_stays_revoked",
        _new("config_agentkey", revoked_at="now()") + "; UPDATE config_agentkey SET revoked_at = NULL",
    ),
    ("config_agentkey_prefix_key", "; ".join([_new("config_agentkey")] * 2)),
    ("idempotency_key_once", "; ".join([_new("config_idempotentrequest")] * 2)),
    ("config_idempotentrequest_status_check", _new("config_idempotentrequest", status="-1")),
    ("config_user_username_key", "; ".join([_new("config_user")] * 2)),
    # Accounts
    ("account_owner_once", _new("token_accounts", owner_type="'house'", owner_id="'mint'")),
    ("account_owner_known", _new("token_accounts", owner_type="'bank'")),
    ("account_opens_empty", _new("token_accounts", balance="5")),
    ("account_opens_empty", _new("token_accounts", balance="5", held="5")),
    ("account_balance_only_by_ledger", _set("token_accounts", "rich", "balance = balance + 1")),
    ("account_balance_only_by_ledger", _set("token_accounts", "mint", "balance = 0")),
    ("account_never_overdrawn", _set("token_accounts", "rich", "held = balance + 1")),
    ("account_never_overdrawn", _new("token_ledger", amount="1000000")),
    ("account_never_overdrawn", _new("token_ledger", debit_account_id="{treasury}", amount="100000000")),
    ("account_held_not_negative", _set("token_accounts", "rich", "held = -1")),
    ("account_of_house_holds_nothing", _set("token_accounts", "treasury", "held = 1")),
    ("account_agent_named", _new("token_accounts", owner_type="'agent'", owner_id="'provider'")),
    (
        "account_agent_named",
        _new("token_accounts", owner_type="'agent'", owner_id="'x'", agent_id="'provider'", agent_kind="'provider'"),
    ),
    ("account_agent_named", _new("token_accounts", agent_id="'provider'", agent_kind="'provider'")),
    (
        "account_never_of_a_grader",
        _new("token_accounts", owner_type="'agent'", owner_id="'grader'", agent_id="'grader'", agent_kind="'grader'"),
    ),
    (
        "account_agent_has_this_kind",
        _new("token_accounts", owner_type="'agent'", owner_id="'grader'", agent_id="'grader'", agent_kind="'worker'"),
    ),
    (
        "account_owner_is_fixed",
        _set("token_accounts", "rich", "owner_type = 'quest', agent_id = NULL, agent_kind = NULL"),
    ),
    ("account_owner_is_fixed", _set("token_accounts", "rich", "id = 99999")),
    ("account_never_vanishes", "DELETE FROM token_accounts WHERE id = {rich}"),
    ("account_never_truncated", "TRUNCATE token_accounts CASCADE"),
    # Ledger
    ("transfer_amount_positive", _new("token_ledger", amount="0")),
    ("transfer_amount_positive", _new("token_ledger", amount="-5")),
    ("transfer_between_two_accounts", _new("token_ledger", credit_account_id="{rich}")),
    ("transfer_key_given", _new("token_ledger", key="''")),
    ("token_ledger_key_key", _new("token_ledger") + "; " + _new("token_ledger", amount="2")),
    (
        "token_ledger_reverses_id_key",
        _new("token_ledger", reverses_id="{grant}") + "; " + _new("token_ledger", key="'k2'", reverses_id="{grant}"),
    ),
    ("transfer_never_changes", _set("token_ledger", "grant", "amount = amount + 1")),
    ("transfer_never_changes", _set("token_ledger", "grant", "memo = 'a nicer story'")),
    ("transfer_never_vanishes", "DELETE FROM token_ledger WHERE id = {grant}"),
    ("transfer_never_truncated", "TRUNCATE token_ledger CASCADE"),
    # Issue and policy
    ("economics_monetarypolicy_id_check", "UPDATE economics_monetarypolicy SET id = -1"),
    ("monetary_policy_single", "INSERT INTO economics_monetarypolicy (id) VALUES (2)"),
    ("monetary_policy_sane", "UPDATE economics_monetarypolicy SET supply_cap = -1"),
    ("monetary_policy_sane", "UPDATE economics_monetarypolicy SET stipend_share = 1.1"),
    ("monetary_policy_sane", "UPDATE economics_monetarypolicy SET stipend_share = 'NaN'"),
    ("daily_issue_has_its_transfer", _new("economics_dailyissue", amount="5")),
    ("daily_issue_has_its_transfer", _new("economics_dailyissue", transfer_id="{grant}")),
    ("economics_dailyissue_transfer_id_key", _new("economics_dailyissue", amount="5", transfer_id="{issued}")),
    ("daily_issue_never_changes", _set("economics_dailyissue", "issue", "amount = 1")),
    ("daily_issue_never_vanishes", "DELETE FROM economics_dailyissue"),
    ("daily_issue_never_truncated", "TRUNCATE economics_dailyissue"),
    *crimes_in_fallback.CRIMES,
    *crimes_in_history.CRIMES,
    *crimes_in_quests.CRIMES,
    *crimes_in_reviews.CRIMES,
    *crimes_in_stipends.CRIMES,
    *crimes_in_the_books.CRIMES,
    *crimes_in_the_feed.CRIMES,
    *crimes_in_the_senate.CRIMES,
    *crimes_in_worth_outcomes.CRIMES,
    *crimes_in_worth_scores.CRIMES,
    *crimes_in_worth_signals.CRIMES,
    # Pools
    ("auction_pools_name_key", _new(_POOL, name="'market'")),
    ("auction_pools_revenue_account_id_key", _new(_POOL, revenue_account_id="{revenue}")),
    *(
        (f"auction_pools_{column}_check", _set(_POOL, "pool", f"{column} = -1"))
        for column in ("capacity", "cycle_seconds", "lease_seconds", "max_ttl_seconds", "start_deadline_seconds")
    ),
    *(
        ("pool_times_positive", _set(_POOL, "pool", f"{column} = 0"))
        for column in ("cycle_seconds", "lease_seconds", "max_ttl_seconds", "start_deadline_seconds")
    ),
    ("pool_mode_known", _set(_POOL, "pool", "mode = 'holiday'")),
    ("pool_rule_known", _set(_POOL, "pool", "pricing_rule = 'first price'")),
    *(
        ("pool_prices_sane", _set(_POOL, "pool", change))
        for change in (
            "reserve_tokens = -1",
            "min_bid_tokens = 0",
            "max_bid_tokens = min_bid_tokens - 1",
            "usd_per_token = 0",
            "usd_per_token = 'NaN'",
        )
    ),
    ("pool_capacity_sane", _set(_POOL, "pool", "capacity = 10001")),
    *(
        ("pool_rewards_sane", _set(_POOL, "pool", change))
        for change in (
            "reward_rate = -1",
            "reward_rate = 'NaN'",
            "reward_cap_tokens = -1",
            "reward_cap_tokens = 1000000000001",
            "runner_share = -0.1",
            "runner_share = 1.1",
            "runner_share = 'NaN'",
        )
    ),
    # Slots
    ("slot_state_known", _new("auction_slots", state="'lost'")),
    ("slot_reserve_not_negative", _new("auction_slots", reserve_tokens="-1")),
    ("slot_offer_has_an_end_after_its_start", _new("auction_slots", offer_until="now()")),
    ("slot_never_of_a_grader", _new("auction_slots", provider_id="'grader'", provider_kind="'grader'")),
    ("slot_never_of_a_grader", _new("auction_slots", provider_id="'grader'")),
    ("slot_provider_has_this_kind", _new("auction_slots", provider_id="'grader'", provider_kind="'provider'")),
    ("slot_states_only_forwards", "UPDATE auction_slots SET state = 'open' WHERE state = 'sold'"),
    ("slot_states_only_forwards", "UPDATE auction_slots SET state = 'withdrawn' WHERE state = 'sold'"),
    ("auction_slots_offers_again_id_key", "; ".join([_new("auction_slots", offers_again_id="{sold_slot}")] * 2)),
    ("slot_never_truncated", "TRUNCATE auction_slots CASCADE"),
    # Tasks
    ("task_state_known", _new("auction_tasks", state="'lost'")),
    ("task_id_given", _new("auction_tasks", id="''")),
    ("task_value_is_usd", _new("auction_tasks", expected_value_usd="-1")),
    ("task_value_is_usd", _new("auction_tasks", expected_value_usd="'NaN'")),
    ("task_entity_whole", _new("auction_tasks", entity_type="'hypothesis'")),
    ("task_entity_whole", _new("auction_tasks", entity_id="'h1'")),
    ("task_never_of_a_grader", _new("auction_tasks", filed_by_id="'grader'", filed_by_kind="'grader'")),
    ("task_never_of_a_grader", _new("auction_tasks", filed_by_id="'grader'")),
    ("task_filer_has_this_kind", _new("auction_tasks", filed_by_id="'grader'", filed_by_kind="'worker'")),
    ("task_states_only_forwards", "UPDATE auction_tasks SET state = 'open' WHERE state = 'done'"),
    ("task_states_only_forwards", "UPDATE auction_tasks SET state = 'taken' WHERE state = 'done'"),
    ("task_states_only_forwards", "UPDATE auction_tasks SET state = 'cancelled' WHERE state = 'taken'"),
    ("task_owner_is_fixed", _set("auction_tasks", "open_task", "wallet_id = {treasury}")),
    ("task_owner_is_fixed", _set("auction_tasks", "open_task", "id = 'renamed'")),
    ("task_never_truncated", "TRUNCATE auction_tasks CASCADE"),
    # Bids
    ("bid_status_known", _new(_BID, status="'lucky'", closed_at="now()")),
    ("bid_price_positive", _new(_BID, max_price_tokens="0")),
    ("bid_price_positive", _new(_BID, max_price_tokens="-1")),
    ("bid_value_is_usd", _new(_BID, expected_value_usd="-1")),
    ("bid_value_is_usd", _new(_BID, expected_value_usd="'NaN'")),
    ("bid_ttl_after_placing", _new(_BID, ttl_at="now()")),
    ("bid_time_in_force_known", _new(_BID, time_in_force="'ever'")),
    ("bid_closed_when_not_open", _new(_BID, closed_at="now()")),
    ("bid_closed_when_not_open", _new(_BID, status="'lost'")),
    ("bid_one_open_per_task", "; ".join([_new(_BID)] * 2)),
    *(
        ("bid_terms_are_fixed", _set(_BID, "open_bid", change))
        for change in (
            "max_price_tokens = 1",
            "placed_at = placed_at - interval '1 day'",
            "ttl_at = ttl_at + interval '1 day'",
            "time_in_force = 'gtd'",
            "account_id = {treasury}",
            "task_id = {open_task}",
            "pool_id = {default_pool}",
            "bidder_id = 'provider'",
        )
    ),
    ("bid_states_only_forwards", _set(_BID, "lost_bid", "status = 'open', closed_at = NULL")),
    ("bid_states_only_forwards", _set(_BID, "lost_bid", "status = 'won'")),
    ("bid_open_never_vanishes", "DELETE FROM compute_auction_bids WHERE id = {open_bid}"),
    ("bid_never_truncated", "TRUNCATE compute_auction_bids CASCADE"),
    # Rounds
    ("round_once_per_cycle", "; ".join([_new("compute_auction_rounds")] * 2)),
    ("round_sells_no_more_than_offered", _new("compute_auction_rounds", slots_sold="1", market_price_tokens="1")),
    ("round_price_when_sold", _new("compute_auction_rounds", market_price_tokens="1")),
    ("round_price_when_sold", _new("compute_auction_rounds", slots_offered="1", slots_sold="1")),
    ("round_never_changes", _set("compute_auction_rounds", "round", "market_price_tokens = 1")),
    ("round_never_truncated", "TRUNCATE compute_auction_rounds CASCADE"),
    # Clears
    ("clear_state_known", _new(_CLEAR, state="'eaten'")),
    ("clear_charge_within_bid", _new(_CLEAR, charge_tokens="51")),
    ("clear_charge_within_bid", _new(_CLEAR, charge_tokens="-1")),
    ("clear_one_live_per_task", _new(_CLEAR, winning_task_id="{taken_task}")),
    ("compute_auction_clears_slot_id_key", _new(_CLEAR, slot_id="{sold_slot}")),
    ("compute_auction_clears_bid_id_key", _new(_CLEAR, bid_id="{won_bid}")),
    (
        "clear_cost_not_negative",
        _set(_CLEAR, "running", "state = 'finished', slot_finished_at = now(), actual_cost_tokens = -1"),
    ),
    ("clear_finished_has_cost", _set(_CLEAR, "running", "state = 'finished', slot_finished_at = now()")),
    ("clear_finished_has_cost", _set(_CLEAR, "running", "state = 'finished', actual_cost_tokens = 1")),
    ("clear_finished_has_cost", _set(_CLEAR, "running", "actual_cost_tokens = 1")),
    ("clear_impact_only_of_finished", _set(_CLEAR, "running", "actual_impact = 1, graded_at = now()")),
    ("clear_impact_only_of_finished", _set(_CLEAR, "finished", "actual_impact = 1")),
    ("clear_impact_only_of_finished", _set(_CLEAR, "finished", "actual_impact = -1, graded_at = now()")),
    ("clear_impact_only_of_finished", _set(_CLEAR, "finished", "actual_impact = 'NaN', graded_at = now()")),
    ("clear_running_has_lease", _set(_CLEAR, "running", "lease_until = NULL")),
    ("clear_running_has_lease", _set(_CLEAR, "sold", "state = 'running'")),
    (
        "clear_reward_within_due",
        _set(_CLEAR, "finished", "reward_due_tokens = 5, reward_paid_tokens = 6, payout_id = {payout}"),
    ),
    ("clear_reward_within_due", _set(_CLEAR, "finished", "reward_paid_tokens = 6, payout_id = {payout}")),
    (
        "clear_reward_within_due",
        _set(_CLEAR, "finished", "reward_due_tokens = 5, reward_paid_tokens = -1, payout_id = {payout}"),
    ),
    ("clear_reward_within_due", _set(_CLEAR, "finished", "reward_due_tokens = 5, reward_paid_tokens = 5")),
    ("clear_never_run_by_a_grader", _set(_CLEAR, "sold", "runner_id = 'grader', runner_kind = 'grader'")),
    ("clear_never_run_by_a_grader", _set(_CLEAR, "sold", "runner_id = 'grader'")),
    ("clear_runner_has_this_kind", _set(_CLEAR, "sold", "runner_id = 'grader', runner_kind = 'worker'")),
    *(
        ("clear_terms_are_fixed", _set(_CLEAR, "sold", change))
        for change in (
            "charge_tokens = 1",
            "max_price_tokens = 1000",
            "clearing_price_tokens = 1",
            "account_id = {treasury}",
            "winning_task_id = {open_task}",
            "runner_up_task_id = {open_task}",
            "slot_id = {open_slot}",
            "bid_id = {open_bid}",
            "round_id = 0",
            "pool_id = {default_pool}",
            "cleared_at = now()",
        )
    ),
    *(
        ("clear_settled_once", _set(_CLEAR, "paid", change))
        for change in (
            "actual_cost_tokens = 1",
            "actual_impact = 2",
            "reward_due_tokens = 1000",
            "reward_paid_tokens = 1",
            "payout_id = NULL, reward_paid_tokens = NULL",
        )
    ),
    ("clear_states_only_forwards", _set(_CLEAR, "finished", "state = 'running'")),
    ("clear_states_only_forwards", _set(_CLEAR, "sold", "state = 'lapsed'")),
    ("clear_states_only_forwards", _set(_CLEAR, "running", "state = 'withdrawn'")),
    ("clear_never_vanishes", "DELETE FROM compute_auction_clears WHERE id = {sold}"),
    ("clear_never_truncated", "TRUNCATE compute_auction_clears"),
    # Payouts
    ("payout_once_per_cycle", "; ".join([_new("auction_payouts")] * 2)),
    ("payout_no_more_than_due", _new("auction_payouts", paid_tokens="1")),
    ("payout_no_more_than_due", _new("auction_payouts", paid_tokens="-1")),
    ("payout_no_more_than_due", _new("auction_payouts", swept_tokens="-1")),
    ("payout_never_changes", _set("auction_payouts", "payout", "paid_tokens = 0")),
    ("payout_never_vanishes", "DELETE FROM auction_payouts"),
    ("payout_never_truncated", "TRUNCATE auction_payouts CASCADE"),
]

# What is not a refusal, or cannot be broken without breaking another law first.
NO_CRIMES: Final = {
    "transfer_moves_balances",  # moves balances; see the test below
    "daily_issue_not_negative",  # an issue below 0 lacks its transfer, too
    "agent_id_kind_once",  # the id alone is the primary key; the pair is there to be referenced
    *crimes_in_history.NO_CRIMES,
    *crimes_in_quests.NO_CRIMES,
    *crimes_in_reviews.NO_CRIMES,
    *crimes_in_the_books.NO_CRIMES,
    *crimes_in_the_feed.NO_CRIMES,
    *crimes_in_the_senate.NO_CRIMES,
    *crimes_in_worth_scores.NO_CRIMES,
    *crimes_in_worth_signals.NO_CRIMES,
}


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, str]]:
    """Commit a small world in a database of this module's own; give the names of its rows as crimes use them."""
    with (
        django_db_blocker.unblock(),
        cluster.clone(os.environ["DATABASE_URL"]) as url,
        cluster.pointed_at(url),
    ):
        world = factories.world(Decimal(1))
        house = dict(Account.objects.filter(owner_type="house").values_list("owner_id", "pk"))
        keys: dict[str, object] = {
            **{name: row.pk for name, row in {**world._asdict(), **world.books._asdict()}.items() if name != "books"},
            "books_grant": world.books.grant.pk,
            "mint": house["mint"],
            "treasury": house["treasury"],
            "revenue": house["revenue:market"],
            "default_pool": Pool.objects.exclude(pk=world.pool.pk).get().pk,
            "grant": Transfer.objects.get(credit_account=world.rich, reason="grant").pk,
            "issued": world.issue.transfer_id,
            "sold_slot": world.sold.slot_id,
            "taken_task": world.sold.winning_task_id,
            "won_bid": world.sold.bid_id,
        }
        yield {name: f"'{key}'" for name, key in keys.items()}


def _named(law: str, sql: str) -> str:
    return f"{law}: {sql if len(sql) < 60 else sql[-60:]}"


@pytest.mark.parametrize(("law", "sql"), CRIMES, ids=[_named(*crime) for crime in CRIMES])
def test_a_statement_that_breaks_a_law_is_refused_in_its_name(law: str, sql: str, rows: dict[str, str]) -> None:
    *before, crime = sql.format(**rows).split("; ")
    if crime.startswith("TRUNCATE "):
        crime = re.sub(r"TRUNCATE (\w+)", lambda found: f"TRUNCATE {adoptions.place(found[1])}", crime)
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in before:
            cursor.execute(statement)
        with pytest.raises(Error) as refusal, transaction.atomic():
            cursor.execute(crime)
        transaction.set_rollback(True)
    assert laws.broken(refusal.value) == law


def test_no_setting_of_a_session_switches_a_law_off(rows: dict[str, str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pgtrigger.ignore', array_agg(tgname)::text, true) FROM pg_trigger")
        with pytest.raises(Error, match="transfer_never_changes"), transaction.atomic():
            cursor.execute("UPDATE token_ledger SET amount = 7 WHERE id = {grant}".format(**rows))


_LAWS = r"""
SELECT conname FROM pg_constraint
 WHERE conrelid = ANY(%(tables)s::regclass[])
   AND (contype IN ('c', 'u', 'x') OR (contype = 'f' AND cardinality(conkey) > 1))
UNION
SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid
 WHERE indrelid = ANY(%(tables)s::regclass[]) AND indisunique AND NOT indisprimary
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
UNION
SELECT regexp_replace(tgname, '^pgtrigger_(.*)_[0-9a-f]{5}$', '\1') FROM pg_trigger
 WHERE tgrelid = ANY(%(tables)s::regclass[]) AND NOT tgisinternal
"""


def _models() -> list[Options[Model]]:
    """Return what each of our models says of itself."""
    return [model._meta for app in OURS for model in apps.get_app_config(app).get_models()]  # noqa: SLF001 - documented


def test_every_law_in_the_catalogue_is_broken_above(rows: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LAWS, {"tables": [adoptions.place(model.db_table) for model in _models()]})
        found = {name.removeprefix(PREFIX) for (name,) in cursor.fetchall()}
    broken = {law for law, _sql in CRIMES} | NO_CRIMES
    assert broken - found == set()
    assert cluster.world() or found - broken == set()  # others have laws of their own beside ours


def test_every_law_of_a_model_is_broken_above() -> None:
    declared = {law.name for model in _models() for law in model.constraints}
    declared |= {trigger.name for model in _models() for trigger in getattr(model, "triggers", ())}
    assert declared <= {law for law, _sql in CRIMES} | NO_CRIMES


def test_a_row_of_the_ledger_moves_both_balances(rows: dict[str, str]) -> None:
    def balances() -> dict[str, int]:
        return {name: Account.objects.get(pk=rows[name].strip("'")).balance for name in ("rich", "revenue")}

    before = balances()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_new("token_ledger", amount="7").format(**rows))
        after = balances()
        transaction.set_rollback(True)
    assert after == {"rich": before["rich"] - 7, "revenue": before["revenue"] + 7}
