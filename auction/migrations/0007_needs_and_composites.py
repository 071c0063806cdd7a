"""What Django cannot state: keys of two columns, and that no circle of needs closes."""

from django.db import migrations

COMPOSITE = [
    ("auction_tasks", "task_of_its_quests_wallet", "quest_id, wallet_id", "auction_quests (id, account_id)"),
    ("auction_quest_members", "member_has_this_kind", "agent_id, agent_kind", "config_agent (id, kind)"),
]

# Needs come one statement at a time: of two that close a circle together, neither would see the other's.
NEEDS = """
CREATE FUNCTION auction_check_needs() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    circle text;
BEGIN
    PERFORM pg_advisory_xact_lock(7305, 0);
    IF EXISTS (SELECT FROM inserted i JOIN auction_tasks a ON a.id = i.task_id JOIN auction_tasks b ON b.id = i.needs_id
                WHERE a.wallet_id <> b.wallet_id) THEN
        RAISE EXCEPTION 'law need_within_one_backlog: a task needs tasks of its own owner only'
              USING ERRCODE = 'check_violation', CONSTRAINT = 'need_within_one_backlog', TABLE = TG_TABLE_NAME;
    END IF;
    WITH RECURSIVE reached(start, at) AS (
        SELECT task_id, needs_id FROM inserted
        UNION
        SELECT r.start, n.needs_id FROM reached r JOIN auction_task_needs n ON n.task_id = r.at
    ) SELECT start INTO circle FROM reached WHERE start = at ORDER BY start LIMIT 1;
    IF circle IS NOT NULL THEN
        RAISE EXCEPTION 'law need_closes_no_circle: task % would wait for itself', circle
              USING ERRCODE = 'check_violation', CONSTRAINT = 'need_closes_no_circle', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER need_closes_no_circle AFTER INSERT ON auction_task_needs
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION auction_check_needs();
"""


class Migration(migrations.Migration):
    """Composite foreign keys and the law of needs."""

    dependencies = [("auction", "0006_quests")]

    operations = [
        *(
            migrations.RunSQL(
                f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {target}",
                f"ALTER TABLE {table} DROP CONSTRAINT {name}",
            )
            for table, name, columns, target in COMPOSITE
        ),
        migrations.RunSQL(
            NEEDS, "DROP TRIGGER need_closes_no_circle ON auction_task_needs; DROP FUNCTION auction_check_needs();"
        ),
    ]
