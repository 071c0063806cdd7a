"""Envelopes, lines, counters, prices, reservations; usage learns its split, its price and its corrections."""

import datetime

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.math
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('config', '0001_initial'),
        ('economics', '0002_graders_own_no_wallet'),
    ]

    operations = [
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('window_start', models.DateTimeField()),
                ('threshold', models.PositiveSmallIntegerField(choices=[(50, '50 %'), (80, '80 %'), (100, '100 %')])),
                ('settled', models.DecimalField(decimal_places=12, max_digits=36)),
                ('limit', models.DecimalField(decimal_places=12, max_digits=36)),
                ('froze', models.BooleanField(db_default=False, default=False, help_text='The envelope was frozen for it.')),
                ('raised_at', models.DateTimeField()),
                ('rearmed_at', models.DateTimeField(help_text='When the limit had risen so far that it no longer held.', null=True)),
                ('seen_at', models.DateTimeField(null=True)),
                ('seen_by', models.TextField(db_default='', default='')),
            ],
            options={
                'db_table': 'economics_alerts',
            },
        ),
        migrations.CreateModel(
            name='BudgetPolicy',
            fields=[
                ('id', models.PositiveSmallIntegerField(db_default=1, default=1, editable=False, primary_key=True, serialize=False)),
                ('zone', models.TextField(db_default='UTC', default='UTC', help_text='Time zone in which windows begin.')),
                ('week_starts_on', models.PositiveSmallIntegerField(choices=[(1, 'Monday'), (2, 'Tuesday'), (3, 'Wednesday'), (4, 'Thursday'), (5, 'Friday'), (6, 'Saturday'), (7, 'Sunday')], db_default=1, default=1)),
                ('fleet_daily_usd', models.DecimalField(blank=True, decimal_places=6, help_text='Most USD the fleet may spend in a day; empty: no cap.', max_digits=20, null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000000000000)])),
                ('request_token_cap', models.BigIntegerField(blank=True, help_text='Most LLM tokens one reservation may ask for; empty: no cap.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000000000000)])),
                ('request_usd_cap', models.DecimalField(blank=True, decimal_places=6, help_text='Most USD one reservation may cost; empty: no cap.', max_digits=20, null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000000000000)])),
                ('reservation_seconds', models.PositiveIntegerField(db_default=600, default=600, help_text='Life of a reservation that names none.')),
                ('reservation_most_seconds', models.PositiveIntegerField(db_default=86400, default=86400, help_text='Longest life of a reservation.')),
                ('unsplit_output_share', models.DecimalField(db_default='0.15', decimal_places=4, default='0.15', help_text='Share priced as output where LLM tokens come without their split.', max_digits=5, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                ('safety_seconds', models.PositiveIntegerField(db_default=300, default=300, help_text='How often spend is checked against the ceilings.')),
                ('last_safety_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'verbose_name_plural': 'budget policy',
                'db_table': 'economics_policy',
            },
        ),
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('window_start', models.DateTimeField()),
                ('settled', models.DecimalField(db_default=0, decimal_places=12, default=0, max_digits=36)),
                ('held', models.DecimalField(db_default=0, decimal_places=12, default=0, max_digits=36)),
            ],
            options={
                'db_table': 'economics_counters',
            },
        ),
        migrations.CreateModel(
            name='DefaultEnvelope',
            fields=[
                ('entity_type', models.TextField(primary_key=True, serialize=False)),
                ('window_kind', models.TextField(choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('lifetime', 'Lifetime')], db_default='month', default='month')),
                ('token_budget', models.BigIntegerField(db_default=0, default=0)),
                ('cpu_budget', models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=24)),
                ('storage_budget_gb', models.DecimalField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('api_call_budget', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'db_table': 'economics_default_envelopes',
            },
        ),
        migrations.CreateModel(
            name='Envelope',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('window_kind', models.TextField(choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('lifetime', 'Lifetime')], db_default='month', default='month')),
                ('token_budget', models.BigIntegerField(db_default=0, default=0, help_text='LLM tokens in a window.')),
                ('cpu_budget', models.DecimalField(db_default=0, decimal_places=6, default=0, help_text='CPU seconds in a window.', max_digits=24)),
                ('storage_budget_gb', models.DecimalField(blank=True, decimal_places=6, help_text='GB kept; its ceiling is this times the hours of the window.', max_digits=24, null=True)),
                ('api_call_budget', models.BigIntegerField(blank=True, help_text='Calls in a window.', null=True)),
                ('request_token_cap', models.BigIntegerField(blank=True, help_text='Most LLM tokens in one reservation.', null=True)),
                ('priority_score', models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=12)),
                ('market_weight', models.DecimalField(db_default=0, decimal_places=6, default=0, help_text='-0.5 to 1; lifts or lowers every ceiling.', max_digits=12)),
                ('market_signal', models.DecimalField(blank=True, decimal_places=6, max_digits=12, null=True)),
                ('roi_score', models.DecimalField(blank=True, decimal_places=15, max_digits=30, null=True)),
                ('effective_token_budget', models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Cast(django.db.models.functions.math.Floor(django.db.models.expressions.CombinedExpression(models.F('token_budget'), '*', django.db.models.expressions.CombinedExpression(models.Value(1, models.DecimalField()), '+', models.F('market_weight')))), models.BigIntegerField()), output_field=models.BigIntegerField())),
                ('effective_cpu_budget', models.GeneratedField(db_persist=True, expression=django.db.models.functions.math.Floor(django.db.models.expressions.CombinedExpression(models.F('cpu_budget'), '*', django.db.models.expressions.CombinedExpression(models.Value(1, models.DecimalField()), '+', models.F('market_weight')))), output_field=models.DecimalField(decimal_places=6, max_digits=24))),
                ('state', models.TextField(choices=[('active', 'Active'), ('capped', 'Capped'), ('frozen', 'Frozen')], db_default='active', default='active')),
                ('state_reason', models.TextField(blank=True, db_default='', default='')),
                ('frozen_by_check', models.BooleanField(db_default=False, default=False, help_text='Set by the daily check, which lifts it again; else by a person.')),
                ('frozen_until', models.DateTimeField(blank=True, help_text='End of the window the check froze it for.', null=True)),
                ('granted_at', models.DateTimeField(blank=True, help_text='When the Senate granted it.', null=True)),
                ('granted_by', models.TextField(blank=True, db_default='', default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'db_table': 'resource_budgets',
            },
        ),
        migrations.CreateModel(
            name='Grant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount', models.DecimalField(decimal_places=6, max_digits=24)),
                ('first_window', models.DateTimeField()),
                ('last_window', models.DateTimeField()),
                ('reason', models.TextField()),
                ('granted_by', models.TextField()),
                ('cause_kind', models.TextField(blank=True, db_default='', default='')),
                ('cause_id', models.TextField(blank=True, db_default='', default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('ended_at', models.DateTimeField(blank=True, help_text='Ended early.', null=True)),
            ],
            options={
                'db_table': 'economics_grants',
            },
        ),
        migrations.CreateModel(
            name='LanguageModel',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('provider', models.TextField(blank=True, db_default='', default='')),
                ('is_enabled', models.BooleanField(db_default=True, default=True, help_text='Others are refused a reservation.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'db_table': 'economics_models',
            },
        ),
        migrations.CreateModel(
            name='Line',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource_type', models.TextField()),
                ('qualifier', models.TextField(blank=True, db_default='', default='')),
                ('window_kind', models.TextField(choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('lifetime', 'Lifetime')])),
                ('base', models.DecimalField(blank=True, decimal_places=6, max_digits=24, null=True)),
                ('is_named', models.BooleanField(db_default=False, default=False, help_text='Kept equal to a column.')),
            ],
            options={
                'db_table': 'economics_lines',
            },
        ),
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.TextField()),
                ('began_at', models.DateTimeField()),
                ('began_by', models.TextField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('ended_by', models.TextField(blank=True, db_default='', default='')),
            ],
            options={
                'db_table': 'economics_pauses',
            },
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource_type', models.TextField()),
                ('name', models.TextField(blank=True, db_default='', default='')),
                ('effective_from', models.DateTimeField()),
                ('rate', models.DecimalField(decimal_places=15, max_digits=30)),
                ('output_rate', models.DecimalField(blank=True, decimal_places=15, max_digits=30, null=True)),
                ('cache_read_rate', models.DecimalField(blank=True, decimal_places=15, max_digits=30, null=True)),
                ('cache_write_rate', models.DecimalField(blank=True, decimal_places=15, max_digits=30, null=True)),
                ('source', models.TextField(blank=True, db_default='', default='', help_text='The list it was taken from.')),
                ('set_by', models.TextField(blank=True, db_default='', default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'economics_prices',
            },
        ),
        migrations.CreateModel(
            name='Refusal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('resource_type', models.TextField()),
                ('model', models.TextField(db_default='', default='')),
                ('qualifier', models.TextField(db_default='', default='', help_text='Tier or provider.')),
                ('code', models.TextField()),
                ('asked', models.DecimalField(decimal_places=6, max_digits=30)),
                ('asked_usd', models.DecimalField(decimal_places=12, max_digits=30, null=True)),
                ('limit', models.DecimalField(decimal_places=12, max_digits=36, null=True)),
                ('settled', models.DecimalField(decimal_places=12, max_digits=36, null=True)),
                ('held', models.DecimalField(decimal_places=12, max_digits=36, null=True)),
                ('resets_at', models.DateTimeField(null=True)),
                ('minute', models.DateTimeField()),
                ('times', models.PositiveIntegerField(db_default=1, default=1)),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'economics_refusals',
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource_type', models.TextField()),
                ('model', models.TextField(db_default='', default='')),
                ('tier', models.TextField(db_default='', default='')),
                ('provider', models.TextField(db_default='', default='')),
                ('amount', models.DecimalField(decimal_places=6, max_digits=30)),
                ('input_tokens', models.BigIntegerField(null=True)),
                ('output_tokens', models.BigIntegerField(null=True)),
                ('usd', models.DecimalField(decimal_places=12, help_text='Expected cost in USD, held on the fleet.', max_digits=30)),
                ('price_id', models.BigIntegerField()),
                ('artifact_type', models.TextField(db_default='', default='')),
                ('artifact_id', models.TextField(db_default='', default='')),
                ('slot_id', models.TextField(null=True)),
                ('state', models.TextField(choices=[('open', 'Open'), ('settled', 'Settled'), ('released', 'Released'), ('expired', 'Expired')], db_default='open', default='open')),
                ('reserved_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('settled_late', models.BooleanField(db_default=False, default=False, help_text='Settled after it had expired.')),
            ],
            options={
                'db_table': 'economics_reservations',
            },
        ),
        migrations.CreateModel(
            name='Revision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('who', models.TextField(db_default='', default='')),
                ('why', models.TextField(db_default='', default='')),
                ('cause_kind', models.TextField(db_default='', default='', help_text='proposal, review, freeze, …')),
                ('cause_id', models.TextField(db_default='', default='')),
                ('changes', models.JSONField()),
            ],
            options={
                'db_table': 'economics_revisions',
            },
        ),
        migrations.CreateModel(
            name='Tier',
            fields=[
                ('name', models.SlugField(max_length=64, primary_key=True, serialize=False)),
                ('title', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('rank', models.SmallIntegerField(db_default=0, default=0, help_text='Cheaper tiers first.')),
                ('suggested_up_to', models.DecimalField(blank=True, decimal_places=15, help_text='An import suggests this tier for models whose output token costs at most this (USD); none: for all that are dearer.', max_digits=30, null=True, validators=[django.core.validators.MinValueValidator(0)])),
            ],
            options={
                'db_table': 'economics_tiers',
            },
        ),
        migrations.CreateModel(
            name='UsageDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('resource_type', models.TextField(choices=[('llm_tokens', 'Llm Tokens'), ('cpu_seconds', 'Cpu Seconds'), ('storage_gb_hours', 'Storage Gb Hours'), ('api_calls', 'Api Calls')])),
                ('tier', models.TextField(db_default='', default='')),
                ('provider', models.TextField(db_default='', default='')),
                ('agent_id', models.TextField(db_default='', default='')),
                ('amount', models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=36)),
                ('cost', models.DecimalField(db_default=0, decimal_places=12, default=0, help_text='USD', max_digits=36)),
                ('unpriced_amount', models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=36)),
                ('events', models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                'verbose_name': 'day of usage',
                'verbose_name_plural': 'days of usage',
                'db_table': 'economics_usage_days',
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='usage',
            name='usage_never_changes',
        ),
        migrations.RemoveConstraint(
            model_name='usage',
            name='usage_amount_not_negative',
        ),
        migrations.RemoveConstraint(
            model_name='usage',
            name='usage_cost_as_its_state_says',
        ),
        migrations.AddField(
            model_name='usage',
            name='cache_read_tokens',
            field=models.BigIntegerField(help_text='Part of the input tokens.', null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='cache_write_tokens',
            field=models.BigIntegerField(help_text='Part of the input tokens.', null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='corrects_id',
            field=models.BigIntegerField(help_text='The row it takes back, in whole or in part.', null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='input_tokens',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='is_first_list',
            field=models.BooleanField(db_default=False, default=False, help_text='Used before the first list of its model, and priced with that.'),
        ),
        migrations.AddField(
            model_name='usage',
            name='note',
            field=models.TextField(db_default='', default='', help_text='Why it was corrected.'),
        ),
        migrations.AddField(
            model_name='usage',
            name='output_rate',
            field=models.DecimalField(decimal_places=15, help_text='USD per output token.', max_digits=30, null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='output_tokens',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='price_id',
            field=models.BigIntegerField(help_text='The list price it was priced with.', null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='rate',
            field=models.DecimalField(decimal_places=15, help_text='USD per unit or input token.', max_digits=30, null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='reported_cost',
            field=models.DecimalField(decimal_places=12, help_text='USD, as the source saw it; counts for nothing.', max_digits=30, null=True),
        ),
        migrations.AddField(
            model_name='usage',
            name='reservation_id',
            field=models.BigIntegerField(help_text='The reservation it settled.', null=True),
        ),
        migrations.RemoveField(model_name='usage', name='price_state'),
        migrations.AddField(
            model_name='usage',
            name='price_state',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(cost=None, then=models.Value('unpriced')), default=models.Value('priced')), output_field=models.TextField(choices=[('unpriced', 'Unpriced'), ('priced', 'Priced')])),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(condition=models.Q(('cost', None)), fields=['model', 'created_at'], name='usage_unpriced'),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(condition=models.Q(('corrects_id__isnull', False)), fields=['corrects_id'], name='usage_corrections'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usage',
            trigger=pgtrigger.compiler.Trigger(name='usage_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."agent_id" IS DISTINCT FROM (NEW."agent_id") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."artifact_id" IS DISTINCT FROM (NEW."artifact_id") OR OLD."artifact_type" IS DISTINCT FROM (NEW."artifact_type") OR OLD."cache_read_tokens" IS DISTINCT FROM (NEW."cache_read_tokens") OR OLD."cache_write_tokens" IS DISTINCT FROM (NEW."cache_write_tokens") OR OLD."corrects_id" IS DISTINCT FROM (NEW."corrects_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."entity_id" IS DISTINCT FROM (NEW."entity_id") OR OLD."entity_type" IS DISTINCT FROM (NEW."entity_type") OR OLD."event_id" IS DISTINCT FROM (NEW."event_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."input_tokens" IS DISTINCT FROM (NEW."input_tokens") OR OLD."model" IS DISTINCT FROM (NEW."model") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."output_tokens" IS DISTINCT FROM (NEW."output_tokens") OR OLD."provider" IS DISTINCT FROM (NEW."provider") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."reported_cost" IS DISTINCT FROM (NEW."reported_cost") OR OLD."reservation_id" IS DISTINCT FROM (NEW."reservation_id") OR OLD."resource_type" IS DISTINCT FROM (NEW."resource_type") OR OLD."slot_id" IS DISTINCT FROM (NEW."slot_id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."tier" IS DISTINCT FROM (NEW."tier"))', func="RAISE EXCEPTION 'law usage_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_never_changes', TABLE = TG_TABLE_NAME;", hash='bef1dfc0d608f3785305dab1300da583f430330d', operation='UPDATE OF "id", "entity_type", "entity_id", "resource_type", "amount", "reported_cost", "model", "tier", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "provider", "artifact_type", "artifact_id", "agent_id", "slot_id", "reservation_id", "corrects_id", "source", "event_id", "note", "created_at", "recorded_at"', pgid='pgtrigger_usage_never_changes_0915e', table='resource_usage', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usage',
            trigger=pgtrigger.compiler.Trigger(name='usage_priced_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."cost" IS NOT NULL AND (OLD."cost" IS DISTINCT FROM (NEW."cost") OR OLD."price_id" IS DISTINCT FROM (NEW."price_id") OR OLD."rate" IS DISTINCT FROM (NEW."rate") OR OLD."output_rate" IS DISTINCT FROM (NEW."output_rate") OR OLD."is_first_list" IS DISTINCT FROM (NEW."is_first_list")))', func="RAISE EXCEPTION 'law usage_priced_once: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_priced_once', TABLE = TG_TABLE_NAME;", hash='307905167e5ec06c19333281b190d6d6abe8949d', operation='UPDATE OF "cost", "price_id", "rate", "output_rate", "is_first_list"', pgid='pgtrigger_usage_priced_once_2c66a', table='resource_usage', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__gte', 0), ('corrects_id', None)), models.Q(('amount__lte', 0), ('corrects_id__isnull', False)), _connector='OR'), name='usage_negative_only_to_correct'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', -1000000000000000000000000), ('amount__lt', 1000000000000000000000000)), name='usage_amount_bounded'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='usage_times_readable'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('cost', None), models.Q(('amount__gte', 0), ('cost__gte', 0), ('cost__lt', 1000000000000000000)), models.Q(('amount__lte', 0), ('cost__gt', -1000000000000000000), ('cost__lte', 0)), _connector='OR'), name='usage_cost_of_the_sign_of_its_amount'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('cost__isnull', False), models.Q(('is_first_list', False), ('output_rate', None), ('price_id', None), ('rate', None)), _connector='OR'), name='usage_unpriced_without_price'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cache_read_tokens', None), ('cache_write_tokens', None), ('input_tokens', None), ('output_tokens', None)), models.Q(('amount', django.db.models.expressions.CombinedExpression(models.F('input_tokens'), '+', models.F('output_tokens'))), ('input_tokens__isnull', False), ('output_tokens__isnull', False), ('resource_type', 'llm_tokens')), _connector='OR'), name='usage_tokens_add_up'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.UniqueConstraint(condition=models.Q(('reservation_id__isnull', False)), fields=('reservation_id',), name='usage_settles_once'),
        ),
        migrations.AddConstraint(
            model_name='budgetpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='budget_policy_single'),
        ),
        migrations.AddConstraint(
            model_name='budgetpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('reservation_most_seconds__gte', models.F('reservation_seconds')), ('reservation_most_seconds__lte', 31536000), ('reservation_seconds__gte', 1), ('safety_seconds__gte', 1), ('unsplit_output_share__gte', 0), ('unsplit_output_share__lte', 1), ('week_starts_on__gte', 1), ('week_starts_on__lte', 7), models.Q(('fleet_daily_usd', None), models.Q(('fleet_daily_usd__gte', 0), ('fleet_daily_usd__lte', 1000000000000000)), _connector='OR'), models.Q(('request_token_cap', None), models.Q(('request_token_cap__gte', 0), ('request_token_cap__lte', 1000000000000000)), _connector='OR'), models.Q(('request_usd_cap', None), models.Q(('request_usd_cap__gte', 0), ('request_usd_cap__lte', 1000000000000000)), _connector='OR')), name='budget_policy_sane'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='budgetpolicy',
            trigger=pgtrigger.compiler.Trigger(name='budget_policy_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law budget_policy_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_policy_never_vanishes', TABLE = TG_TABLE_NAME;", hash='27d2d263c07bd42a0c3e4ece88e4f5e651cf98bb', operation='DELETE', pgid='pgtrigger_budget_policy_never_vanishes_ff456', table='economics_policy', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='budgetpolicy',
            trigger=pgtrigger.compiler.Trigger(name='budget_policy_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law budget_policy_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_policy_never_truncated', TABLE = TG_TABLE_NAME;", hash='f8a79d6686e42df764ad00e5fb29e0a617832f15', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_budget_policy_never_truncated_5a638', table='economics_policy', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='defaultenvelope',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), ('window_kind__in', ['day', 'week', 'month', 'lifetime']), ('token_budget__gte', 0), ('token_budget__lte', 1000000000000000), ('cpu_budget__gte', 0), ('cpu_budget__lte', 1000000000000000), models.Q(('storage_budget_gb', None), models.Q(('storage_budget_gb__gte', 0), ('storage_budget_gb__lte', 1000000000000000)), _connector='OR'), models.Q(('api_call_budget', None), models.Q(('api_call_budget__gte', 0), ('api_call_budget__lte', 1000000000000000)), _connector='OR')), name='default_envelope_sane'),
        ),
        migrations.AddField(
            model_name='envelope',
            name='parent',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.envelope'),
        ),
        migrations.AddField(
            model_name='line',
            name='envelope',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='economics.envelope'),
        ),
        migrations.AddField(
            model_name='grant',
            name='line',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='economics.line'),
        ),
        migrations.AddField(
            model_name='counter',
            name='line',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='economics.line'),
        ),
        migrations.AddField(
            model_name='alert',
            name='line',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='economics.line'),
        ),
        migrations.AddField(
            model_name='pause',
            name='agent',
            field=models.ForeignKey(blank=True, help_text='None: the fleet.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='config.agent'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('resource_type__in', ['llm_tokens', 'cpu_seconds', 'storage_gb_hours', 'api_calls'])), name='price_resource_known'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('resource_type__in', ['llm_tokens', 'api_calls']), models.Q(('name', ''), _negated=True)), models.Q(('name', ''), ('resource_type__in', ['cpu_seconds', 'storage_gb_hours'])), _connector='OR'), name='price_named_where_it_must'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('output_rate__isnull', False), ('resource_type', 'llm_tokens')), models.Q(models.Q(('resource_type', 'llm_tokens'), _negated=True), ('cache_read_rate', None), ('cache_write_rate', None), ('output_rate', None)), _connector='OR'), name='price_of_output_for_tokens'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('rate__gte', 0), ('rate__lt', 1000), models.Q(('output_rate', None), models.Q(('output_rate__gte', 0), ('output_rate__lt', 1000)), _connector='OR'), models.Q(('cache_read_rate', None), models.Q(('cache_read_rate__gte', 0), ('cache_read_rate__lt', 1000)), _connector='OR'), models.Q(('cache_write_rate', None), models.Q(('cache_write_rate__gte', 0), ('cache_write_rate__lt', 1000)), _connector='OR')), name='price_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.UniqueConstraint(condition=models.Q(('withdrawn_at', None)), fields=('resource_type', 'name', 'effective_from'), name='price_once_at_a_time'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='price',
            trigger=pgtrigger.compiler.Trigger(name='price_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."cache_read_rate" IS DISTINCT FROM (NEW."cache_read_rate") OR OLD."cache_write_rate" IS DISTINCT FROM (NEW."cache_write_rate") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."effective_from" IS DISTINCT FROM (NEW."effective_from") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."output_rate" IS DISTINCT FROM (NEW."output_rate") OR OLD."rate" IS DISTINCT FROM (NEW."rate") OR OLD."resource_type" IS DISTINCT FROM (NEW."resource_type") OR OLD."set_by" IS DISTINCT FROM (NEW."set_by") OR OLD."source" IS DISTINCT FROM (NEW."source"))', func="RAISE EXCEPTION 'law price_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'price_is_fixed', TABLE = TG_TABLE_NAME;", hash='e8fbd1d4be447db58c6edf624d2d8f84641f20b9', operation='UPDATE OF "id", "resource_type", "name", "effective_from", "source", "set_by", "created_at", "rate", "output_rate", "cache_read_rate", "cache_write_rate"', pgid='pgtrigger_price_is_fixed_3c7e0', table='economics_prices', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='price',
            trigger=pgtrigger.compiler.Trigger(name='price_stays_withdrawn', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."withdrawn_at" IS DISTINCT FROM (NEW."withdrawn_at") AND OLD."withdrawn_at" IS NOT NULL)', func="RAISE EXCEPTION 'law price_stays_withdrawn: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'price_stays_withdrawn', TABLE = TG_TABLE_NAME;", hash='ef9433d51c7604f6f1b98f782f679f310b9660a9', operation='UPDATE OF "withdrawn_at"', pgid='pgtrigger_price_stays_withdrawn_c8d8d', table='economics_prices', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='price',
            trigger=pgtrigger.compiler.Trigger(name='price_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law price_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'price_never_vanishes', TABLE = TG_TABLE_NAME;", hash='6fd8417c651bdc4cc00024dd39da3ff9c3339c20', operation='DELETE', pgid='pgtrigger_price_never_vanishes_e1bac', table='economics_prices', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='price',
            trigger=pgtrigger.compiler.Trigger(name='price_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law price_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'price_never_truncated', TABLE = TG_TABLE_NAME;", hash='a34a7dd1e7dd5aae69c08cc2bf6b851f4f8378fb', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_price_never_truncated_11c78', table='economics_prices', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='refusal',
            name='agent',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='config.agent'),
        ),
        migrations.AddField(
            model_name='refusal',
            name='line',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.line'),
        ),
        migrations.AddField(
            model_name='reservation',
            name='agent',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='config.agent'),
        ),
        migrations.AddField(
            model_name='reservation',
            name='envelope',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='economics.envelope'),
        ),
        migrations.AddField(
            model_name='revision',
            name='envelope',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='economics.envelope'),
        ),
        migrations.AddConstraint(
            model_name='tier',
            constraint=models.CheckConstraint(condition=models.Q(('name__regex', '^[A-Za-z0-9_-]+$')), name='tier_name_is_a_slug'),
        ),
        migrations.AddConstraint(
            model_name='tier',
            constraint=models.CheckConstraint(condition=models.Q(('suggested_up_to', None), models.Q(('suggested_up_to__gte', 0), ('suggested_up_to__lt', 1000)), _connector='OR'), name='tier_suggestion_not_negative'),
        ),
        migrations.AddField(
            model_name='languagemodel',
            name='tier',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='models', to='economics.tier'),
        ),
        migrations.AddIndex(
            model_name='usageday',
            index=models.Index(fields=['entity_type', 'entity_id', '-day'], name='usage_day_by_entity'),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.UniqueConstraint(fields=('day', 'entity_type', 'entity_id', 'resource_type', 'tier', 'provider', 'agent_id'), name='usage_day_once'),
        ),
        migrations.AddIndex(
            model_name='envelope',
            index=models.Index(fields=['-priority_score'], name='envelope_by_priority'),
        ),
        migrations.AddIndex(
            model_name='envelope',
            index=models.Index(fields=['-market_weight'], name='envelope_by_market_weight'),
        ),
        migrations.AddIndex(
            model_name='envelope',
            index=models.Index(fields=['-roi_score'], name='envelope_by_roi'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.UniqueConstraint(fields=('entity_type', 'entity_id'), name='envelope_once_per_entity'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), models.Q(('entity_id', ''), _negated=True)), name='envelope_entity_named'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(('window_kind__in', ['day', 'week', 'month', 'lifetime'])), name='envelope_window_known'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(('token_budget__gte', 0), ('token_budget__lte', 1000000000000000), ('cpu_budget__gte', 0), ('cpu_budget__lte', 1000000000000000), models.Q(('storage_budget_gb', None), models.Q(('storage_budget_gb__gte', 0), ('storage_budget_gb__lte', 1000000000000000)), _connector='OR'), models.Q(('api_call_budget', None), models.Q(('api_call_budget__gte', 0), ('api_call_budget__lte', 1000000000000000)), _connector='OR'), models.Q(('request_token_cap', None), models.Q(('request_token_cap__gte', 0), ('request_token_cap__lte', 1000000000000000)), _connector='OR')), name='envelope_ceilings_sane'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(('market_weight__gte', '-0.5'), ('market_weight__lte', 1)), name='envelope_market_weight_bounded'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'capped'), _negated=True), ('market_weight__lte', 0), _connector='OR'), name='envelope_capped_without_market'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['active', 'capped', 'frozen'])), name='envelope_state_known'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'frozen'), _negated=True), models.Q(('state_reason', ''), _negated=True), _connector='OR'), name='envelope_frozen_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='envelope',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('frozen_by_check', True), ('frozen_until__isnull', False), ('state', 'frozen')), models.Q(('frozen_by_check', False), ('frozen_until', None)), _connector='OR'), name='envelope_freeze_of_the_check_ends'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='envelope',
            trigger=pgtrigger.compiler.Trigger(name='envelope_entity_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."entity_id" IS DISTINCT FROM (NEW."entity_id") OR OLD."entity_type" IS DISTINCT FROM (NEW."entity_type") OR OLD."id" IS DISTINCT FROM (NEW."id"))', func="RAISE EXCEPTION 'law envelope_entity_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'envelope_entity_is_fixed', TABLE = TG_TABLE_NAME;", hash='bd0257c765aa2b696a990704f60deda32bba4b73', operation='UPDATE OF "id", "entity_type", "entity_id"', pgid='pgtrigger_envelope_entity_is_fixed_cf623', table='resource_budgets', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='envelope',
            trigger=pgtrigger.compiler.Trigger(name='envelope_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law envelope_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'envelope_never_vanishes', TABLE = TG_TABLE_NAME;", hash='82077010171f9721ad77a9c21f9f7c302bfa9880', operation='DELETE', pgid='pgtrigger_envelope_never_vanishes_b584d', table='resource_budgets', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='envelope',
            trigger=pgtrigger.compiler.Trigger(name='envelope_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law envelope_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'envelope_never_truncated', TABLE = TG_TABLE_NAME;", hash='bb5d6d16f67db81f1add807cf301a9aa835d9bc3', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_envelope_never_truncated_2f7b7', table='resource_budgets', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='line',
            constraint=models.UniqueConstraint(fields=('envelope', 'resource_type', 'qualifier', 'window_kind'), name='line_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='line',
            constraint=models.CheckConstraint(condition=models.Q(('window_kind__in', ['day', 'week', 'month', 'lifetime']), models.Q(models.Q(('envelope', None), ('qualifier', ''), ('resource_type', 'usd')), models.Q(('envelope__isnull', False), ('resource_type__in', ['llm_tokens', 'api_calls'])), models.Q(('envelope__isnull', False), ('qualifier', ''), ('resource_type__in', ['cpu_seconds', 'storage_gb_hours'])), _connector='OR')), name='line_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='line',
            constraint=models.CheckConstraint(condition=models.Q(('base', None), models.Q(('base__gte', 0), ('base__lte', 1000000000000000)), _connector='OR'), name='line_base_sane'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."envelope_id" IS DISTINCT FROM (NEW."envelope_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."qualifier" IS DISTINCT FROM (NEW."qualifier") OR OLD."resource_type" IS DISTINCT FROM (NEW."resource_type") OR OLD."window_kind" IS DISTINCT FROM (NEW."window_kind"))', func="RAISE EXCEPTION 'law line_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_is_fixed', TABLE = TG_TABLE_NAME;", hash='e428628f3b8d241a7cf0f60a1d42c7571c98e657', operation='UPDATE OF "id", "envelope_id", "resource_type", "qualifier", "window_kind"', pgid='pgtrigger_line_is_fixed_f2f7b', table='economics_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_named_follows_its_column', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."is_named" AND (OLD."base" IS DISTINCT FROM (NEW."base") OR OLD."is_named" IS DISTINCT FROM (NEW."is_named")))', func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law line_named_follows_its_column: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_named_follows_its_column', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='4ae6b1754febadc41fe193ae921906e40d213b56', operation='UPDATE OF "base", "is_named"', pgid='pgtrigger_line_named_follows_its_column_18a0f', table='economics_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law line_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_never_vanishes', TABLE = TG_TABLE_NAME;", hash='8a301739ae4af62e89655b66ecfbb8c131b8d8c3', operation='DELETE', pgid='pgtrigger_line_never_vanishes_fd2c9', table='economics_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='line',
            trigger=pgtrigger.compiler.Trigger(name='line_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law line_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'line_never_truncated', TABLE = TG_TABLE_NAME;", hash='7e5cd20a59f03c8b941a8b0123b44bf7dc4d0ac7', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_line_never_truncated_91558', table='economics_lines', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['line', 'last_window'], name='grant_by_line'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lte', 1000000000000000)), name='grant_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('last_window__gte', models.F('first_window'))), name='grant_windows_in_order'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='grant',
            trigger=pgtrigger.compiler.Trigger(name='grant_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."cause_id" IS DISTINCT FROM (NEW."cause_id") OR OLD."cause_kind" IS DISTINCT FROM (NEW."cause_kind") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."first_window" IS DISTINCT FROM (NEW."first_window") OR OLD."granted_by" IS DISTINCT FROM (NEW."granted_by") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."last_window" IS DISTINCT FROM (NEW."last_window") OR OLD."line_id" IS DISTINCT FROM (NEW."line_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason"))', func="RAISE EXCEPTION 'law grant_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'grant_is_fixed', TABLE = TG_TABLE_NAME;", hash='d8823f8ec97617ebe42ec573a3c277c71c2ec26d', operation='UPDATE OF "id", "line_id", "amount", "first_window", "last_window", "reason", "granted_by", "cause_kind", "cause_id", "created_at"', pgid='pgtrigger_grant_is_fixed_c3730', table='economics_grants', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='grant',
            trigger=pgtrigger.compiler.Trigger(name='grant_stays_ended', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."ended_at" IS DISTINCT FROM (NEW."ended_at") AND OLD."ended_at" IS NOT NULL)', func="RAISE EXCEPTION 'law grant_stays_ended: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'grant_stays_ended', TABLE = TG_TABLE_NAME;", hash='9230f5b8f045cbecf1978ef60d74b982fd23cd5c', operation='UPDATE OF "ended_at"', pgid='pgtrigger_grant_stays_ended_a586f', table='economics_grants', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='grant',
            trigger=pgtrigger.compiler.Trigger(name='grant_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law grant_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'grant_never_vanishes', TABLE = TG_TABLE_NAME;", hash='bfbfae6ae8c2bcb8f403f932c90daa0499ed1f07', operation='DELETE', pgid='pgtrigger_grant_never_vanishes_7c823', table='economics_grants', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='grant',
            trigger=pgtrigger.compiler.Trigger(name='grant_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law grant_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'grant_never_truncated', TABLE = TG_TABLE_NAME;", hash='0411073fb6a3902ec459b4f734dd828eaa213e59', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_grant_never_truncated_455b4', table='economics_grants', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='counter',
            constraint=models.UniqueConstraint(fields=('line', 'window_start'), name='counter_once_per_window'),
        ),
        migrations.AddConstraint(
            model_name='counter',
            constraint=models.CheckConstraint(condition=models.Q(('held__gte', 0), ('settled__gte', 0)), name='counter_not_negative'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."line_id" IS DISTINCT FROM (NEW."line_id") OR OLD."window_start" IS DISTINCT FROM (NEW."window_start"))', func="RAISE EXCEPTION 'law counter_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_is_fixed', TABLE = TG_TABLE_NAME;", hash='f210f7213ca6a55a5a77aebd62a27e413948ea56', operation='UPDATE OF "id", "line_id", "window_start"', pgid='pgtrigger_counter_is_fixed_19afd', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_follows_usage_and_reservations', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."settled" IS DISTINCT FROM (NEW."settled") OR OLD."held" IS DISTINCT FROM (NEW."held"))', func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law counter_follows_usage_and_reservations: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_follows_usage_and_reservations', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='f6ccb2cef998bf1d16b0c9019d37572519784f9a', operation='UPDATE OF "settled", "held"', pgid='pgtrigger_counter_follows_usage_and_reservations_02b8d', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_opens_empty', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NOT (NEW."held" = 0 AND NEW."settled" = 0))', func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law counter_opens_empty: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_opens_empty', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='5e1d7ed5cb7bdac947bf511a3a36073419cd69dd', operation='INSERT', pgid='pgtrigger_counter_opens_empty_acc2a', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'law counter_never_vanishes: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_never_vanishes', TABLE = TG_TABLE_NAME; END IF; RETURN coalesce(NEW, OLD);", hash='6c2310b81c622d224ec541c6ebf4a97f3d99bf87', operation='DELETE', pgid='pgtrigger_counter_never_vanishes_4f86d', table='economics_counters', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='counter',
            trigger=pgtrigger.compiler.Trigger(name='counter_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law counter_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'counter_never_truncated', TABLE = TG_TABLE_NAME;", hash='24e9a23bfba0db3af3f990d425ab222d94e81960', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_counter_never_truncated_2585c', table='economics_counters', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['-raised_at'], name='alert_by_time'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('rearmed_at', None)), fields=('line', 'window_start', 'threshold'), name='alert_once_per_window'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(('threshold__in', [50, 80, 100])), name='alert_threshold_known'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='alert',
            trigger=pgtrigger.compiler.Trigger(name='alert_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."froze" IS DISTINCT FROM (NEW."froze") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."limit" IS DISTINCT FROM (NEW."limit") OR OLD."line_id" IS DISTINCT FROM (NEW."line_id") OR OLD."raised_at" IS DISTINCT FROM (NEW."raised_at") OR OLD."settled" IS DISTINCT FROM (NEW."settled") OR OLD."threshold" IS DISTINCT FROM (NEW."threshold") OR OLD."window_start" IS DISTINCT FROM (NEW."window_start"))', func="RAISE EXCEPTION 'law alert_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'alert_is_fixed', TABLE = TG_TABLE_NAME;", hash='7a809ca1a4f72b13280d703c952686ff4e531afb', operation='UPDATE OF "id", "line_id", "window_start", "threshold", "settled", "limit", "froze", "raised_at"', pgid='pgtrigger_alert_is_fixed_e7df3', table='economics_alerts', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='alert',
            trigger=pgtrigger.compiler.Trigger(name='alert_stays_rearmed_and_seen', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN ((OLD."rearmed_at" IS DISTINCT FROM (NEW."rearmed_at") AND OLD."rearmed_at" IS NOT NULL) OR (OLD."seen_at" IS DISTINCT FROM (NEW."seen_at") AND OLD."seen_at" IS NOT NULL))', func="RAISE EXCEPTION 'law alert_stays_rearmed_and_seen: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'alert_stays_rearmed_and_seen', TABLE = TG_TABLE_NAME;", hash='58c05028637603009e406c25d7dca9392fcec7ee', operation='UPDATE OF "rearmed_at", "seen_at"', pgid='pgtrigger_alert_stays_rearmed_and_seen_f434b', table='economics_alerts', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('agent',), name='pause_one_at_a_time', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), _negated=True), models.Q(('began_by', ''), _negated=True)), name='pause_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('ended_by', '')), models.Q(('ended_at__isnull', False), models.Q(('ended_by', ''), _negated=True)), _connector='OR'), name='pause_ended_by_somebody'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pause',
            trigger=pgtrigger.compiler.Trigger(name='pause_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."agent_id" IS DISTINCT FROM (NEW."agent_id") OR OLD."began_at" IS DISTINCT FROM (NEW."began_at") OR OLD."began_by" IS DISTINCT FROM (NEW."began_by") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."reason" IS DISTINCT FROM (NEW."reason"))', func="RAISE EXCEPTION 'law pause_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'pause_is_fixed', TABLE = TG_TABLE_NAME;", hash='80a4734ab29aa14f3e085f7a5f0e4db828a885fb', operation='UPDATE OF "id", "agent_id", "reason", "began_at", "began_by"', pgid='pgtrigger_pause_is_fixed_32f4a', table='economics_pauses', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pause',
            trigger=pgtrigger.compiler.Trigger(name='pause_stays_ended', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."ended_at" IS DISTINCT FROM (NEW."ended_at") AND OLD."ended_at" IS NOT NULL)', func="RAISE EXCEPTION 'law pause_stays_ended: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'pause_stays_ended', TABLE = TG_TABLE_NAME;", hash='f8af6744b7ed1406af44af144a4412d06e6d4a19', operation='UPDATE OF "ended_at"', pgid='pgtrigger_pause_stays_ended_22f7d', table='economics_pauses', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pause',
            trigger=pgtrigger.compiler.Trigger(name='pause_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law pause_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'pause_never_vanishes', TABLE = TG_TABLE_NAME;", hash='76f435da29334947edf5e7e224de68c4ac0a792e', operation='DELETE', pgid='pgtrigger_pause_never_vanishes_fd7ed', table='economics_pauses', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='refusal',
            index=models.Index(fields=['entity_type', 'entity_id', '-id'], name='refusal_by_entity'),
        ),
        migrations.AddIndex(
            model_name='refusal',
            index=models.Index(fields=['agent', '-id'], name='refusal_by_agent'),
        ),
        migrations.AddConstraint(
            model_name='refusal',
            constraint=models.UniqueConstraint(fields=('minute', 'agent', 'entity_type', 'entity_id', 'resource_type', 'model', 'qualifier', 'code', 'line', 'asked'), name='refusal_once_a_minute', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='reservation_due'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['envelope'], name='reservation_open_by_envelope'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['agent', '-id'], name='reservation_by_agent'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lte', 1000000000000000), ('usd__gte', 0), ('usd__lt', 1000000000000000000), ('expires_at__gt', models.F('reserved_at'))), name='reservation_sane'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'settled', 'released', 'expired'])), name='reservation_state_known'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('closed_at__isnull', False)), _connector='OR'), name='reservation_closed_when_ended'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('settled_late', False), ('state', 'settled'), _connector='OR'), name='reservation_late_only_when_settled'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reservation',
            trigger=pgtrigger.compiler.Trigger(name='reservation_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."agent_id" IS DISTINCT FROM (NEW."agent_id") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."artifact_id" IS DISTINCT FROM (NEW."artifact_id") OR OLD."artifact_type" IS DISTINCT FROM (NEW."artifact_type") OR OLD."envelope_id" IS DISTINCT FROM (NEW."envelope_id") OR OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."input_tokens" IS DISTINCT FROM (NEW."input_tokens") OR OLD."model" IS DISTINCT FROM (NEW."model") OR OLD."output_tokens" IS DISTINCT FROM (NEW."output_tokens") OR OLD."price_id" IS DISTINCT FROM (NEW."price_id") OR OLD."provider" IS DISTINCT FROM (NEW."provider") OR OLD."reserved_at" IS DISTINCT FROM (NEW."reserved_at") OR OLD."resource_type" IS DISTINCT FROM (NEW."resource_type") OR OLD."slot_id" IS DISTINCT FROM (NEW."slot_id") OR OLD."tier" IS DISTINCT FROM (NEW."tier") OR OLD."usd" IS DISTINCT FROM (NEW."usd"))', func="RAISE EXCEPTION 'law reservation_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'reservation_is_fixed', TABLE = TG_TABLE_NAME;", hash='038e87ceb9afe8b5ad5366267c329ee75b1b8a32', operation='UPDATE OF "id", "agent_id", "envelope_id", "resource_type", "model", "tier", "provider", "amount", "usd", "input_tokens", "output_tokens", "price_id", "artifact_type", "artifact_id", "slot_id", "reserved_at", "expires_at"', pgid='pgtrigger_reservation_is_fixed_d592e', table='economics_reservations', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reservation',
            trigger=pgtrigger.compiler.Trigger(name='reservation_state_forwards', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."state" IS DISTINCT FROM (NEW."state") AND NOT ((NEW."state" = \'settled\' AND OLD."state" = \'open\') OR (NEW."state" = \'released\' AND OLD."state" = \'open\') OR (NEW."state" = \'expired\' AND OLD."state" = \'open\') OR (NEW."state" = \'settled\' AND OLD."state" = \'expired\')))', func="RAISE EXCEPTION 'law reservation_state_forwards: what it protects has no such step' USING ERRCODE = 'check_violation', CONSTRAINT = 'reservation_state_forwards', TABLE = TG_TABLE_NAME;", hash='2d36411175bd0cd124d6769f9710d8cd569646ec', operation='UPDATE OF "state"', pgid='pgtrigger_reservation_state_forwards_2f90c', table='economics_reservations', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reservation',
            trigger=pgtrigger.compiler.Trigger(name='reservation_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law reservation_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'reservation_never_vanishes', TABLE = TG_TABLE_NAME;", hash='12dc8e35c5388f06ab0a50e4a42b7769d76889c4', operation='DELETE', pgid='pgtrigger_reservation_never_vanishes_136fe', table='economics_reservations', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reservation',
            trigger=pgtrigger.compiler.Trigger(name='reservation_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law reservation_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'reservation_never_truncated', TABLE = TG_TABLE_NAME;", hash='0ce9cf4d35976ff46d4456911c6f7370e70b5356', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_reservation_never_truncated_c84fa', table='economics_reservations', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='revision',
            index=models.Index(fields=['envelope', '-id'], name='revision_by_envelope'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='revision',
            trigger=pgtrigger.compiler.Trigger(name='revision_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law revision_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'revision_never_changes', TABLE = TG_TABLE_NAME;", hash='0e1e801f6fe1afb784167e766fa2065ac5444f89', operation='UPDATE', pgid='pgtrigger_revision_never_changes_3b434', table='economics_revisions', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='revision',
            trigger=pgtrigger.compiler.Trigger(name='revision_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law revision_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'revision_never_vanishes', TABLE = TG_TABLE_NAME;", hash='c9ac5d18ae4ec2393822e0980c1696648a0632bb', operation='DELETE', pgid='pgtrigger_revision_never_vanishes_ddc78', table='economics_revisions', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='revision',
            trigger=pgtrigger.compiler.Trigger(name='revision_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law revision_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'revision_never_truncated', TABLE = TG_TABLE_NAME;", hash='14dd2081b38a720b9973ef4a7ed72ae22a13853f', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_revision_never_truncated_7bc88', table='economics_revisions', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='languagemodel',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='model_name_given'),
        ),
    ]
