"""A history of governed rows, written by the database: one function, called by the triggers of every such table."""

import django.db.models.functions.comparison
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# Who changed a row, why and for what cause stands in settings of the transaction; a program that sets none is named
# by its role. NULL stands for no row, and for a column without a value.
RECORD = """
CREATE FUNCTION config_record_change(in_table text, in_operation text, in_key text, in_was jsonb, in_is jsonb,
                                     in_ignored text[])
RETURNS void LANGUAGE sql AS $$
INSERT INTO config_changes (table_name, key, action, at, who, why, cause_kind, cause_id, changes)
SELECT in_table, in_key,
       CASE in_operation WHEN 'INSERT' THEN 'added' WHEN 'DELETE' THEN 'removed' ELSE 'changed' END,
       coalesce(nullif(current_setting('economy.now', true), '')::timestamptz, clock_timestamp()),
       coalesce(nullif(current_setting('economy.who', true), ''), 'SQL as ' || session_user),
       coalesce(current_setting('economy.why', true), ''), coalesce(current_setting('economy.cause_kind', true), ''),
       coalesce(current_setting('economy.cause_id', true), ''), changed
  FROM (SELECT jsonb_object_agg(name, jsonb_build_array(was.value, is_now.value)) AS changed
          FROM jsonb_each(coalesce(in_was, '{}')) AS was(name, value)
          FULL JOIN jsonb_each(coalesce(in_is, '{}')) AS is_now(name, value) USING (name)
         WHERE name <> ALL(in_ignored) AND nullif(was.value, 'null') IS DISTINCT FROM nullif(is_now.value, 'null')) AS c
 WHERE changed IS NOT NULL
$$;
"""
FORGET = "DROP FUNCTION config_record_change(text, text, text, jsonb, jsonb, text[])"


class Migration(migrations.Migration):

    dependencies = [
        ('config', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Change',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table_name', models.TextField()),
                ('key', models.TextField(help_text='Primary key of the row.')),
                ('action', models.TextField(choices=[('added', 'Added'), ('changed', 'Changed'), ('removed', 'Removed')])),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('who', models.TextField()),
                ('why', models.TextField(db_default='', default='')),
                ('cause_kind', models.TextField(db_default='', default='', help_text='proposal, freeze, …')),
                ('cause_id', models.TextField(db_default='', default='')),
                ('request_id', models.TextField(db_default=django.db.models.functions.comparison.Coalesce(models.Func(models.Value('economy.request'), models.Value(True), function='current_setting', output_field=models.TextField()), models.Value('')))),
                ('changes', models.JSONField()),
            ],
            options={
                'db_table': 'config_changes',
                'indexes': [models.Index(fields=['table_name', 'key', '-id'], name='change_by_row')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('table_name', ''), _negated=True), models.Q(('key', ''), _negated=True), models.Q(('who', ''), _negated=True)), name='change_of_a_row_by_somebody'), models.CheckConstraint(condition=models.Q(('action__in', ['added', 'changed', 'removed'])), name='change_action_known')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='change',
            trigger=pgtrigger.compiler.Trigger(name='change_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law change_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'change_never_changes', TABLE = TG_TABLE_NAME;", hash='ab63deb11b588c7f9ab9f7d234b0483196fdbc5a', operation='UPDATE', pgid='pgtrigger_change_never_changes_f936b', table='config_changes', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='change',
            trigger=pgtrigger.compiler.Trigger(name='change_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law change_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'change_never_vanishes', TABLE = TG_TABLE_NAME;", hash='d39b24dc89d8d6f39fe739d82ceca75791f81862', operation='DELETE', pgid='pgtrigger_change_never_vanishes_8b097', table='config_changes', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='change',
            trigger=pgtrigger.compiler.Trigger(name='change_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law change_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'change_never_truncated', TABLE = TG_TABLE_NAME;", hash='838011e37f327f6f83b2f36cb5b1e79f6dff6e80', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_change_never_truncated_d5c2c', table='config_changes', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='change',
            trigger=pgtrigger.compiler.Trigger(name='change_only_by_the_database', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0)', func="RAISE EXCEPTION 'law change_only_by_the_database: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'change_only_by_the_database', TABLE = TG_TABLE_NAME;", hash='80af987c56bb4233c0da892728d67edb19d43d8e', operation='INSERT', pgid='pgtrigger_change_only_by_the_database_ff324', table='config_changes', when='BEFORE')),
        ),
        migrations.RunSQL(RECORD, FORGET),
    ]
