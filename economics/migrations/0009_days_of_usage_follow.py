"""Days of usage move only when usage does, as counters do."""
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0008_usage_by_agent'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."agent_id" IS DISTINCT FROM (NEW."agent_id") OR OLD."day" IS DISTINCT FROM (NEW."day") OR OLD."entity_id" IS DISTINCT FROM (NEW."entity_id") OR OLD."entity_type" IS DISTINCT FROM (NEW."entity_type") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."provider" IS DISTINCT FROM (NEW."provider") OR OLD."resource_type" IS DISTINCT FROM (NEW."resource_type") OR OLD."tier" IS DISTINCT FROM (NEW."tier"))', func="RAISE EXCEPTION 'law usage_day_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_is_fixed', TABLE = TG_TABLE_NAME;", hash='82c770946618b1533652c1f56fc9c68723064d64', operation='UPDATE OF "id", "day", "entity_type", "entity_id", "resource_type", "tier", "provider", "agent_id"', pgid='pgtrigger_usage_day_is_fixed_74bb1', table='economics_usage_days', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_follows_usage', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."cost" IS DISTINCT FROM (NEW."cost") OR OLD."unpriced_amount" IS DISTINCT FROM (NEW."unpriced_amount") OR OLD."events" IS DISTINCT FROM (NEW."events"))', func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law usage_day_follows_usage: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_follows_usage', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='547ee012bfa21f3d99fbe24b1de368ffed7eaec0', operation='UPDATE OF "amount", "cost", "unpriced_amount", "events"', pgid='pgtrigger_usage_day_follows_usage_1784d', table='economics_usage_days', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_opens_empty', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NOT (NEW."amount" = 0 AND NEW."cost" = 0 AND NEW."events" = 0 AND NEW."unpriced_amount" = 0))', func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law usage_day_opens_empty: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_opens_empty', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='a3c2dec0d5948288e3c7607b93c49d48510aa3d9', operation='INSERT', pgid='pgtrigger_usage_day_opens_empty_efb07', table='economics_usage_days', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law usage_day_never_vanishes: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_never_vanishes', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='79d7522b5643a07aeb9f671b6645c4d6eafd916b', operation='DELETE', pgid='pgtrigger_usage_day_never_vanishes_3e714', table='economics_usage_days', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law usage_day_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_never_truncated', TABLE = TG_TABLE_NAME;", hash='7df0a3ceaf409f3e09f97b09101d94b73c771524', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_usage_day_never_truncated_45839', table='economics_usage_days', when='BEFORE')),
        ),
    ]
