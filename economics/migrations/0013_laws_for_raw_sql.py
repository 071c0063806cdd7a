"""A line is the column's only by the column, the fleet has one line, and no number or time is unreadable."""

import datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('config', '0001_initial'),
        ('economics', '0012_room_for_updates'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='line',
            name='line_named_follows_its_column',
        ),
        migrations.RemoveConstraint(
            model_name='line',
            name='line_kind_known',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_named_follows_its_column', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND (((OLD."is_named" OR NEW."is_named") AND (OLD."base" IS DISTINCT FROM (NEW."base") OR OLD."is_named" IS DISTINCT FROM (NEW."is_named")))))', func="RAISE EXCEPTION 'law line_named_follows_its_column: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_named_follows_its_column', TABLE = TG_TABLE_NAME;", hash='2f67060b56208788e0183964898c2b1f04a6f6f4', operation='UPDATE OF "base", "is_named"', pgid='pgtrigger_line_named_follows_its_column_18a0f', table='economics_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_named_only_by_a_column', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND (NOT (NOT NEW."is_named")))', func="RAISE EXCEPTION 'law line_named_only_by_a_column: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_named_only_by_a_column', TABLE = TG_TABLE_NAME;", hash='c9694d9962c585fffc6d2e060114db4d1514cf4c', operation='INSERT', pgid='pgtrigger_line_named_only_by_a_column_27f7e', table='economics_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pause',
            trigger=pgtrigger.compiler.Trigger(name='pause_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law pause_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'pause_never_truncated', TABLE = TG_TABLE_NAME;", hash='5e74613f9a04a4a059f9b44e8bf2ca19036be8f4', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_pause_never_truncated_e5d98', table='economics_pauses', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(('priority_score__lt', 1000000), models.Q(('market_signal', None), ('market_signal__lt', 1000000), _connector='OR'), models.Q(('roi_score', None), ('roi_score__lt', 1000000000000000), _connector='OR')), name='envelope_scores_are_numbers'),
        ),
        migrations.AddConstraint(
            model_name='line',
            constraint=models.CheckConstraint(condition=models.Q(('window_kind__in', ['day', 'week', 'month', 'lifetime']), models.Q(models.Q(('envelope', None), ('qualifier', ''), ('resource_type', 'usd'), ('window_kind', 'day')), models.Q(('envelope__isnull', False), ('resource_type__in', ['llm_tokens', 'api_calls'])), models.Q(('envelope__isnull', False), ('qualifier', ''), ('resource_type__in', ['cpu_seconds', 'storage_gb_hours'])), _connector='OR')), name='line_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('resource_type__in', ['llm_tokens', 'cpu_seconds', 'storage_gb_hours', 'api_calls'])), name='reservation_resource_known'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('reserved_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), models.Q(('closed_at', None), models.Q(('closed_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('closed_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), _connector='OR')), name='reservation_times_readable'),
        ),
    ]
