"""A bid passes the gate of its task: what it waits for is done, and the envelope of its entity is open."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("auction.migrations.0004_place_bid").PLACE_BID.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
GATE = """
    IF EXISTS (SELECT FROM auction_task_needs n JOIN auction_tasks needed ON needed.id = n.needs_id
                WHERE n.task_id = in_task AND needed.state <> 'done') THEN
        refusal := 'task_blocked'; RETURN;
    END IF;
    IF task.entity_type = '' THEN
        SELECT owner_type, owner_id INTO task.entity_type, task.entity_id FROM token_accounts
         WHERE id = task.wallet_id;
    END IF;
    gate := economics_gate(task.entity_type, task.entity_id, book.moment, task.expected_cost_tokens, task.model);
    -- What states no cost reserves nothing: it needs no envelope, but an open one where there is one.
    IF gate <> '' AND (gate <> 'no_envelope' OR task.expected_cost_tokens IS NOT NULL) THEN
        refusal := gate; RETURN;
    END IF;
    UPDATE token_accounts SET held = held + in_price
     WHERE id = task.wallet_id AND balance - held >= in_price"""
AFTER = (
    BEFORE.replace(
        "SELECT wallet_id, state INTO task",
        "SELECT wallet_id, state, entity_type, entity_id, expected_cost_tokens, model INTO task",
    )
    .replace("    owner text;\n", "    owner text;\n    gate text;\n")
    .replace(
        """
    UPDATE token_accounts SET held = held + in_price
     WHERE id = task.wallet_id AND balance - held >= in_price""",
        GATE,
    )
)


class Migration(migrations.Migration):
    """The function behind `order_book.place_bid`, with a gate."""

    dependencies = [
        ("auction", "0011_unsold_rounds_are_forgotten"),
        ("economics", "0029_gates"),
    ]

    operations = [migrations.RunSQL(AFTER, BEFORE)]
