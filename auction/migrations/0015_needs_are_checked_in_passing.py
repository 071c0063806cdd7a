"""The law of needs in time that grows with their number, not with how far they reach."""

from django.db import migrations

# What is inserted waits for nothing but tasks that can all be done in some order: those that wait for nothing first,
# then whoever waits only for them. Each task and each need is looked at once, which pairs of a start and what it
# reaches would not do: a thousand tasks in a row are half a million of them.
CHECK = """
CREATE OR REPLACE FUNCTION auction_check_needs() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    names text[];  -- the tasks that were inserted and all they wait for, by number
    waits int[];  -- how many each still waits for
    waiting int[];  -- who waits for them, in the order of the numbers of what is waited for
    ends int[];  -- where in that those end who wait for each
    free int[];  -- who waits for nothing any more
    one int := 1;
    other int;
    stuck text;
BEGIN
    PERFORM pg_advisory_xact_lock(7305, 0);
    IF EXISTS (SELECT FROM inserted i JOIN auction_tasks a ON a.id = i.task_id JOIN auction_tasks b ON b.id = i.needs_id
                WHERE a.wallet_id <> b.wallet_id) THEN
        RAISE EXCEPTION 'law need_within_one_backlog: a task needs tasks of its own owner only'
              USING ERRCODE = 'check_violation', CONSTRAINT = 'need_within_one_backlog', TABLE = TG_TABLE_NAME;
    END IF;
    WITH RECURSIVE reached(id) AS (
        SELECT task_id FROM inserted
        UNION
        SELECT n.needs_id FROM reached r JOIN auction_task_needs n ON n.task_id = r.id
    ), task AS MATERIALIZED (
        SELECT id, (row_number() OVER (ORDER BY id))::int AS no FROM reached
    ), need AS MATERIALIZED (
        SELECT a.no AS task, b.no AS needed
          FROM task a JOIN auction_task_needs n ON n.task_id = a.id JOIN task b ON b.id = n.needs_id
    ), told AS (
        SELECT t.id, t.no, coalesce(w.number, 0) AS waits,
               (sum(coalesce(f.number, 0)) OVER (ORDER BY t.no))::int AS ends
          FROM task t
          LEFT JOIN (SELECT task, count(*)::int AS number FROM need GROUP BY task) AS w ON w.task = t.no
          LEFT JOIN (SELECT needed, count(*)::int AS number FROM need GROUP BY needed) AS f ON f.needed = t.no
    )
    SELECT array_agg(id ORDER BY no), array_agg(told.waits ORDER BY no), array_agg(told.ends ORDER BY no),
           coalesce(array_agg(no ORDER BY no) FILTER (WHERE told.waits = 0), '{}'),
           (SELECT array_agg(need.task ORDER BY needed) FROM need)
      INTO names, waits, ends, free, waiting FROM told;
    WHILE one <= cardinality(free) LOOP
        FOR place IN coalesce(ends[free[one] - 1], 0) + 1 .. ends[free[one]] LOOP
            other := waiting[place];
            waits[other] := waits[other] - 1;
            IF waits[other] = 0 THEN
                free := array_append(free, other);
            END IF;
        END LOOP;
        one := one + 1;
    END LOOP;
    IF cardinality(free) < cardinality(names) THEN
        SELECT names[t.no] INTO stuck FROM unnest(waits) WITH ORDINALITY AS t(number, no) WHERE t.number > 0 LIMIT 1;
        RAISE EXCEPTION 'law need_closes_no_circle: task %, or one it waits for, would wait for itself', stuck
              USING ERRCODE = 'check_violation', CONSTRAINT = 'need_closes_no_circle', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
"""


class Migration(migrations.Migration):
    """Another way to find that no circle closes."""

    dependencies = [("auction", "0014_fallback_by_hand_is_said_so")]

    operations = [migrations.RunSQL(CHECK, migrations.RunSQL.noop)]
