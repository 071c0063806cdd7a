"""Usage of those who do not wait for counters is counted later; and what keeps a row from being usage of ours."""

import economics.models.arrivals
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# Rounded as a row of usage is. A number that is none would make every sum it enters one that is none, and a time that
# is none a window that never ends: such a row is refused here, so that it goes on waiting. Few are deleted or many:
# each time it is planned anew.
COUNTING = """
CREATE FUNCTION economics_count_arrivals() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    policy record;
    lines bigint[];
    windows timestamptz[];
    sums numeric[];
BEGIN
    IF EXISTS (SELECT FROM arrived WHERE 'NaN' IN (amount, cost, unpriced_amount) OR NOT isfinite(created_at)) THEN
        RAISE EXCEPTION 'law arrival_is_counted: what is no number or of no time waits' USING
            ERRCODE = 'check_violation', CONSTRAINT = 'arrival_is_counted', TABLE = 'economics_arrivals';
    END IF;
    PERFORM economics_keep_lines();
    SELECT zone, week_starts_on INTO policy FROM economics_policy WHERE id = 1;
    SELECT array_agg(line ORDER BY is_fleet, line, starts), array_agg(starts ORDER BY is_fleet, line, starts),
           array_agg(amount ORDER BY is_fleet, line, starts)
      INTO lines, windows, sums
      FROM (SELECT is_fleet, line, starts, sum(amount) AS amount
              FROM (SELECT false AS is_fleet, l.id AS line, round(a.amount, 6) AS amount,
                           economics_window_start(l.window_kind, a.created_at, policy.zone, policy.week_starts_on) AS starts
                      FROM arrived a
                      JOIN resource_budgets b ON b.entity_type = a.entity_type AND b.entity_id = a.entity_id
                      JOIN economics_lines l ON l.envelope_id = b.id AND l.resource_type = a.resource_type
                       AND l.qualifier IN ('', economics_qualifier(a.resource_type, a.tier, a.provider))
                     WHERE a.amount <> 0
                    UNION ALL
                    SELECT true, f.id, round(a.cost, 12),
                           economics_window_start(f.window_kind, a.created_at, policy.zone, policy.week_starts_on)
                      FROM arrived a JOIN economics_lines f ON f.envelope_id IS NULL WHERE a.cost <> 0) AS moved
             GROUP BY is_fleet, line, starts HAVING sum(amount) <> 0) AS summed;
    IF lines IS NOT NULL THEN
        PERFORM economics_move(lines, windows, sums, array_fill(0::numeric, ARRAY[cardinality(lines)]));
    END IF;
    INSERT INTO economics_usage_days AS d (day, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                           amount, cost, unpriced_amount, events)
    SELECT (created_at AT TIME ZONE policy.zone)::date, entity_type, entity_id, resource_type, tier, provider, agent_id,
           sum(round(amount, 6)), sum(round(cost, 12)), sum(round(unpriced_amount, 6)), sum(events)
      FROM arrived GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (day, entity_type, entity_id, resource_type, tier, provider, agent_id) DO UPDATE
       SET amount = d.amount + excluded.amount, cost = d.cost + excluded.cost,
           unpriced_amount = d.unpriced_amount + excluded.unpriced_amount, events = d.events + excluded.events;
    RETURN NULL;
END
$$;
CREATE TRIGGER arrival_is_counted AFTER DELETE ON economics_arrivals
    REFERENCING OLD TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION economics_count_arrivals();
"""

# What waits is counted when its turn comes, in whatever calendar there is then.
SEED_DAYS = """
CREATE OR REPLACE FUNCTION economics_seed_days() RETURNS void LANGUAGE sql AS $$
INSERT INTO economics_usage_days (day, entity_type, entity_id, resource_type, tier, provider, agent_id, amount, cost,
                                  unpriced_amount, events)
SELECT (u.created_at AT TIME ZONE p.zone)::date, entity_type, entity_id, resource_type, tier, provider, agent_id,
       sum(amount), sum(cost), sum(unpriced_amount), sum(events)
  FROM economics_policy p, (
       SELECT created_at, entity_type, entity_id, resource_type, coalesce(tier, '') AS tier,
              coalesce(provider, '') AS provider, coalesce(agent_id, '') AS agent_id, round(amount, 6) AS amount,
              round(coalesce(cost, 0), 12) AS cost,
              CASE WHEN cost IS NULL THEN round(amount, 6) ELSE 0 END AS unpriced_amount, 1 AS events
         FROM resource_usage
        UNION ALL
       SELECT created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
              -round(amount, 6), -round(cost, 12), -round(unpriced_amount, 6), -events FROM economics_arrivals) AS u
 WHERE p.id = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7
HAVING (sum(amount), sum(cost), sum(unpriced_amount), sum(events)) <> (0, 0, 0, 0)
$$;
"""
SEED_DAYS_BEFORE = """
CREATE OR REPLACE FUNCTION economics_seed_days() RETURNS void LANGUAGE sql AS $$
INSERT INTO economics_usage_days (day, entity_type, entity_id, resource_type, tier, provider, agent_id, amount, cost,
                                  unpriced_amount, events)
SELECT (u.created_at AT TIME ZONE p.zone)::date, entity_type, entity_id, resource_type, tier, provider, agent_id,
       sum(amount), sum(coalesce(cost, 0)), sum(CASE WHEN cost IS NULL THEN amount ELSE 0 END), count(*)
  FROM resource_usage u JOIN economics_policy p ON p.id = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7
$$;
"""

# NULL of a row that resource_usage takes, as far as these columns go; otherwise the first thing that is wrong with it.
# It says what the constraints of the table say, of numbers as the table rounds them.
FAULT = """
CREATE FUNCTION economics_usage_fault(entity_type text, entity_id text, resource_type text, amount numeric,
                                      cost numeric, created_at timestamptz, corrects_id bigint)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN entity_type IS NULL OR entity_id IS NULL THEN 'no_entity'
    WHEN resource_type IS NULL THEN 'no_resource_type'
    WHEN resource_type NOT IN ('llm_tokens', 'cpu_seconds', 'storage_gb_hours', 'api_calls') THEN 'unknown_resource_type'
    WHEN amount IS NULL THEN 'no_amount'
    WHEN NOT abs(round(amount, 6)) < 1e24 THEN 'amount_out_of_bounds'  -- NaN is above every number
    WHEN corrects_id IS NULL AND round(amount, 6) < 0 THEN 'negative_amount'
    WHEN corrects_id IS NOT NULL AND round(amount, 6) > 0 THEN 'correction_not_negative'
    WHEN created_at IS NULL THEN 'no_time'
    WHEN created_at < timestamptz '1900-01-01 00:00:00+00' OR created_at >= timestamptz '3000-01-01 00:00:00+00'
        THEN 'time_out_of_bounds'
    WHEN cost IS NULL THEN NULL
    WHEN NOT abs(round(cost, 12)) < 1e18 THEN 'cost_out_of_bounds'
    WHEN round(amount, 6) > 0 AND round(cost, 12) < 0 OR round(amount, 6) < 0 AND round(cost, 12) > 0
        THEN 'cost_of_another_sign'
    END
$$;
"""

UNDO = """
DELETE FROM economics_arrivals;
DROP FUNCTION economics_usage_fault;
DROP TRIGGER arrival_is_counted ON economics_arrivals;
DROP FUNCTION economics_count_arrivals;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0034_figures_are_kept'),
    ]

    operations = [
        migrations.CreateModel(
            name='Arrival',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(help_text='The time of use.')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('resource_type', models.TextField()),
                ('tier', models.TextField(db_default='', default='')),
                ('provider', models.TextField(db_default='', default='')),
                ('agent_id', models.TextField(db_default='', default='')),
                ('amount', economics.models.arrivals.Numeric(db_default=0, default=0)),
                ('cost', economics.models.arrivals.Numeric(db_default=0, default=0, help_text='USD')),
                ('unpriced_amount', economics.models.arrivals.Numeric(db_default=0, default=0)),
                ('events', models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                'db_table': 'economics_arrivals',
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='arrival',
            trigger=pgtrigger.compiler.Trigger(name='arrival_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law arrival_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'arrival_never_changes', TABLE = TG_TABLE_NAME;", hash='00978f2c4f548cd5a85502426c5286b2f33e31fe', operation='UPDATE', pgid='pgtrigger_arrival_never_changes_13132', table='economics_arrivals', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='arrival',
            trigger=pgtrigger.compiler.Trigger(name='arrival_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law arrival_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'arrival_never_truncated', TABLE = TG_TABLE_NAME;", hash='f477e0d2f98924d8abba493c11073dd167ee8bcd', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_arrival_never_truncated_f93d4', table='economics_arrivals', when='BEFORE')),
        ),
        migrations.RunSQL(COUNTING + SEED_DAYS + FAULT, UNDO + SEED_DAYS_BEFORE),
    ]
