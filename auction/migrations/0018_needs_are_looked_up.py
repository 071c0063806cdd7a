"""The law of needs without a guess of how far they reach: on tables of their true size it took a minute."""

from django.db import migrations

# What each task needs is looked up for itself. Who joins what is reached to the table instead has it guessed how much
# that will be, guesses millions of millions, and reads the table whole into thousands of files. The names are an array
# before they are counted: of that the length is known.
CHECK = """
CREATE OR REPLACE FUNCTION auction_check_needs() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
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
    IF EXISTS (SELECT FROM inserted i WHERE (SELECT wallet_id FROM auction_tasks WHERE id = i.task_id)
                                         <> (SELECT wallet_id FROM auction_tasks WHERE id = i.needs_id)) THEN
        RAISE EXCEPTION 'law need_within_one_backlog: a task needs tasks of its own owner only'
              USING ERRCODE = 'check_violation', CONSTRAINT = 'need_within_one_backlog', TABLE = TG_TABLE_NAME;
    END IF;
    WITH RECURSIVE reached(id) AS (
        SELECT task_id FROM inserted
        UNION
        SELECT n.needs_id
          FROM reached r, LATERAL (SELECT needs_id FROM auction_task_needs WHERE task_id = r.id OFFSET 0) n
    )
    SELECT array_agg(id) INTO names FROM reached;
    WITH task AS (
        SELECT id, no::int AS no FROM unnest(names) WITH ORDINALITY AS t(id, no)
    ), need AS MATERIALIZED (
        SELECT a.no AS task, b.no AS needed
          FROM task a, LATERAL (SELECT needs_id FROM auction_task_needs WHERE task_id = a.id OFFSET 0) n, task b
         WHERE b.id = n.needs_id
    ), told AS (
        SELECT t.no, coalesce(w.number, 0) AS waits,
               (sum(coalesce(f.number, 0)) OVER (ORDER BY t.no))::int AS ends
          FROM task t
          LEFT JOIN (SELECT task, count(*)::int AS number FROM need GROUP BY task) AS w ON w.task = t.no
          LEFT JOIN (SELECT needed, count(*)::int AS number FROM need GROUP BY needed) AS f ON f.needed = t.no
    )
    SELECT array_agg(told.waits ORDER BY no), array_agg(told.ends ORDER BY no),
           coalesce(array_agg(no ORDER BY no) FILTER (WHERE told.waits = 0), '{}'),
           (SELECT array_agg(need.task ORDER BY needed) FROM need)
      INTO waits, ends, free, waiting FROM told;
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
    """The same law, found in another way."""

    dependencies = [("auction", "0017_reliability_may_be_nothing")]

    operations = [migrations.RunSQL(CHECK, migrations.RunSQL.noop)]
