"""A freeze may last a lifetime, an alert may come to freeze later, and present windows are found by an index."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0006_unpriced_queue'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='alert',
            name='alert_is_fixed',
        ),
        migrations.RemoveConstraint(
            model_name='alert',
            name='alert_once_per_window',
        ),
        migrations.RemoveConstraint(
            model_name='envelope',
            name='envelope_freeze_of_the_check_ends',
        ),
        migrations.AlterField(
            model_name='counter',
            name='line',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='economics.line'),
        ),
        migrations.AlterField(
            model_name='envelope',
            name='frozen_until',
            field=models.DateTimeField(blank=True, help_text='End of the window the check froze it for; empty for a lifetime.', null=True),
        ),
        migrations.AddIndex(
            model_name='counter',
            index=models.Index(fields=['window_start'], name='counter_by_window'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='alert',
            trigger=pgtrigger.compiler.Trigger(name='alert_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."limit" IS DISTINCT FROM (NEW."limit") OR OLD."line_id" IS DISTINCT FROM (NEW."line_id") OR OLD."raised_at" IS DISTINCT FROM (NEW."raised_at") OR OLD."settled" IS DISTINCT FROM (NEW."settled") OR OLD."threshold" IS DISTINCT FROM (NEW."threshold") OR OLD."window_start" IS DISTINCT FROM (NEW."window_start"))', func="RAISE EXCEPTION 'law alert_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'alert_is_fixed', TABLE = TG_TABLE_NAME;", hash='8bf7bf0cb08167a365ddedc4822b6a334a083eb5', operation='UPDATE OF "id", "line_id", "window_start", "threshold", "settled", "limit", "raised_at"', pgid='pgtrigger_alert_is_fixed_e7df3', table='economics_alerts', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='alert',
            trigger=pgtrigger.compiler.Trigger(name='alert_froze_for_good', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."froze" IS DISTINCT FROM (NEW."froze") AND NOT (NEW."froze" AND NOT OLD."froze"))', func="RAISE EXCEPTION 'law alert_froze_for_good: what it protects has no such step' USING ERRCODE = 'check_violation', CONSTRAINT = 'alert_froze_for_good', TABLE = TG_TABLE_NAME;", hash='84cd1e99b89c82584de49fc025f650b12b81e1e7', operation='UPDATE OF "froze"', pgid='pgtrigger_alert_froze_for_good_5bd93', table='economics_alerts', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('rearmed_at', None)), fields=('window_start', 'line', 'threshold'), name='alert_once_per_window'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('frozen_by_check', True), ('state', 'frozen')), models.Q(('frozen_by_check', False), ('frozen_until', None)), _connector='OR'), name='envelope_only_the_check_sets_an_end'),
        ),
    ]
