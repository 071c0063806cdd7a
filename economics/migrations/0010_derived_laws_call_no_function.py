"""Rows that follow others by thousands are not slowed by the laws that forbid to move them by hand."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0009_days_of_usage_follow'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='counter',
            name='counter_follows_usage_and_reservations',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='counter',
            name='counter_opens_empty',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='counter',
            name='counter_never_vanishes',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='line',
            name='line_named_follows_its_column',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='usageday',
            name='usage_day_follows_usage',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='usageday',
            name='usage_day_opens_empty',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='usageday',
            name='usage_day_never_vanishes',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_follows_usage_and_reservations', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND ((OLD."settled" IS DISTINCT FROM (NEW."settled") OR OLD."held" IS DISTINCT FROM (NEW."held"))))', func="RAISE EXCEPTION 'law counter_follows_usage_and_reservations: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_follows_usage_and_reservations', TABLE = TG_TABLE_NAME;", hash='5ce2ab8e5a76c88fbca6592fc26ce33a31cc7413', operation='UPDATE OF "settled", "held"', pgid='pgtrigger_counter_follows_usage_and_reservations_02b8d', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_opens_empty', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND (NOT (NEW."held" = 0 AND NEW."settled" = 0)))', func="RAISE EXCEPTION 'law counter_opens_empty: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_opens_empty', TABLE = TG_TABLE_NAME;", hash='654ec542374d261f2e547803b7d3c08993822076', operation='INSERT', pgid='pgtrigger_counter_opens_empty_acc2a', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0)', func="RAISE EXCEPTION 'law counter_never_vanishes: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_never_vanishes', TABLE = TG_TABLE_NAME;", hash='da188fa36b6472eb292da1398c47b8227a667860', operation='DELETE', pgid='pgtrigger_counter_never_vanishes_4f86d', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_named_follows_its_column', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND ((OLD."is_named" AND (OLD."base" IS DISTINCT FROM (NEW."base") OR OLD."is_named" IS DISTINCT FROM (NEW."is_named")))))', func="RAISE EXCEPTION 'law line_named_follows_its_column: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_named_follows_its_column', TABLE = TG_TABLE_NAME;", hash='4bfdaed01f8d7b173a0128368838ec5c5cb82353', operation='UPDATE OF "base", "is_named"', pgid='pgtrigger_line_named_follows_its_column_18a0f', table='economics_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_follows_usage', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND ((OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."cost" IS DISTINCT FROM (NEW."cost") OR OLD."unpriced_amount" IS DISTINCT FROM (NEW."unpriced_amount") OR OLD."events" IS DISTINCT FROM (NEW."events"))))', func="RAISE EXCEPTION 'law usage_day_follows_usage: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_follows_usage', TABLE = TG_TABLE_NAME;", hash='30ac0bde9ebdf72d8072bb7c382b6b8994eb7648', operation='UPDATE OF "amount", "cost", "unpriced_amount", "events"', pgid='pgtrigger_usage_day_follows_usage_1784d', table='economics_usage_days', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_opens_empty', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND (NOT (NEW."amount" = 0 AND NEW."cost" = 0 AND NEW."events" = 0 AND NEW."unpriced_amount" = 0)))', func="RAISE EXCEPTION 'law usage_day_opens_empty: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_opens_empty', TABLE = TG_TABLE_NAME;", hash='01dec420a3075e0413133f00553bc716ab5a0d83', operation='INSERT', pgid='pgtrigger_usage_day_opens_empty_efb07', table='economics_usage_days', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='usage_day_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0)', func="RAISE EXCEPTION 'law usage_day_never_vanishes: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_never_vanishes', TABLE = TG_TABLE_NAME;", hash='013f8687372418d80c84be2ab607494d9ca7f5da', operation='DELETE', pgid='pgtrigger_usage_day_never_vanishes_3e714', table='economics_usage_days', when='BEFORE')),
        ),
    ]
