"""Worth: its policy, observations and scores, signals, outcomes, reviews; and the gate before the market."""

import datetime
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.math
import pgtrigger.compiler
import pgtrigger.migrations
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('config', '0001_initial'),
        ('economics', '0013_laws_for_raw_sql'),
    ]

    operations = [
        migrations.CreateModel(
            name='Assessment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('component', models.TextField(choices=[('evidence_strength', 'Evidence Strength'), ('novelty', 'Novelty'), ('strategic_alignment', 'Strategic Alignment'), ('community_interest', 'Community Interest')])),
                ('value', models.DecimalField(blank=True, decimal_places=6, help_text='0 to 1.', max_digits=7, null=True)),
                ('assessed_by', models.TextField()),
                ('reason', models.TextField()),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'economics_assessments',
            },
        ),
        migrations.CreateModel(
            name='Observation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('kind', models.TextField(choices=[('paper', 'Paper'), ('debate', 'Debate'), ('replication', 'Replication'), ('kg_link', 'Kg Link'), ('vote', 'Vote'), ('comment', 'Comment'), ('bounty', 'Bounty')])),
                ('reference', models.TextField(db_default='', default='', help_text='What it is: a PMID, a DOI, the id of a debate.')),
                ('principal', models.TextField(db_default='', default='', help_text='Who voted, commented or put up the bounty.')),
                ('source', models.TextField(help_text='Who keeps the event ids.')),
                ('event_id', models.TextField(help_text="The source's own id: counted once.")),
                ('at', models.DateTimeField(help_text='When it happened.')),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('withdrawn_at', models.DateTimeField(blank=True, help_text='From then on it counts for nothing.', null=True)),
                ('withdrawn_by', models.TextField(db_default='', default='')),
            ],
            options={
                'db_table': 'economics_observations',
            },
        ),
        migrations.CreateModel(
            name='Outcome',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('kind', models.TextField(choices=[('edges_gained', 'Edges Gained'), ('edges_removed', 'Edges Removed'), ('papers', 'Papers'), ('hypotheses_improved', 'Hypotheses Improved'), ('artifact_quality', 'Artifact Quality')])),
                ('amount', models.DecimalField(decimal_places=6, max_digits=20)),
                ('artifact_type', models.TextField(db_default='', default='')),
                ('artifact_id', models.TextField(db_default='', default='', help_text='In which it shows: a document, a paper.')),
                ('source', models.TextField(help_text='Who keeps the event ids.')),
                ('event_id', models.TextField(help_text="The source's own id: counted once.")),
                ('agent_id', models.TextField(db_default='', default='', help_text='Who reported it.')),
                ('note', models.TextField(db_default='', default='', help_text='Why it was corrected.')),
                ('at', models.DateTimeField(help_text='When it was achieved.')),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'economics_outcomes',
            },
        ),
        migrations.CreateModel(
            name='Reserve',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('window_kind', models.TextField(choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('lifetime', 'Lifetime')])),
                ('qualifier', models.TextField(blank=True, db_default='', default='')),
                ('amount', models.DecimalField(db_default=0, decimal_places=0, default=0, max_digits=24)),
            ],
            options={
                'db_table': 'economics_reserves',
            },
        ),
        migrations.CreateModel(
            name='Review',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.TextField(choices=[('daily', 'Daily'), ('weekly', 'Weekly')])),
                ('period', models.DateField(help_text="The day, or the first day of the week, in the policy's zone.")),
                ('state', models.TextField(choices=[('draft', 'Draft'), ('applied', 'Applied'), ('discarded', 'Discarded')], db_default='draft', default='draft')),
                ('drafted_at', models.DateTimeField()),
                ('drafted_by', models.TextField(db_default='', default='')),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('decided_by', models.TextField(blank=True, db_default='', default='')),
                ('decision_reason', models.TextField(blank=True, db_default='', default='')),
                ('figures', models.JSONField(default=dict, help_text='What it found and did, in numbers.')),
            ],
            options={
                'db_table': 'economics_reviews',
            },
        ),
        migrations.CreateModel(
            name='ReviewLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rule', models.TextField(choices=[('keep', 'Keep'), ('reduce', 'Reduce'), ('reclaim', 'Reclaim'), ('gain', 'Gain')])),
                ('because', models.TextField(help_text='Why this rule, or why none: a code.')),
                ('before', models.DecimalField(decimal_places=6, max_digits=24)),
                ('after', models.DecimalField(decimal_places=6, max_digits=24)),
                ('state_before', models.TextField()),
                ('state_after', models.TextField()),
                ('step', models.DecimalField(decimal_places=6, help_text='Most it may move, as a share.', max_digits=7)),
                ('floor', models.DecimalField(decimal_places=0, help_text='Below which a review leaves no line.', max_digits=24)),
                ('edges', models.DecimalField(decimal_places=6, max_digits=30)),
                ('tokens', models.DecimalField(decimal_places=6, max_digits=36)),
                ('roi', models.DecimalField(decimal_places=15, help_text='NULL: unproven.', max_digits=30, null=True)),
                ('low_below', models.DecimalField(decimal_places=15, help_text="The type's low quantile.", max_digits=30, null=True)),
                ('good_from', models.DecimalField(decimal_places=15, help_text="The type's good quantile.", max_digits=30, null=True)),
                ('judged', models.PositiveIntegerField(help_text='Entities of the type with a proven ROI.')),
                ('is_low', models.BooleanField()),
                ('was_low', models.BooleanField(help_text='In the review before.')),
                ('priority_score', models.DecimalField(decimal_places=6, max_digits=12)),
                ('market_weight', models.DecimalField(decimal_places=6, max_digits=12)),
                ('used_last', models.DecimalField(decimal_places=6, max_digits=20, null=True)),
                ('used_before', models.DecimalField(decimal_places=6, max_digits=20, null=True)),
            ],
            options={
                'db_table': 'economics_review_lines',
            },
        ),
        migrations.CreateModel(
            name='ReviewPool',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('window_kind', models.TextField(choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('lifetime', 'Lifetime')])),
                ('qualifier', models.TextField(db_default='', default='')),
                ('lines', models.PositiveIntegerField()),
                ('gainers', models.PositiveIntegerField()),
                ('before', models.DecimalField(decimal_places=6, help_text='Sum of the bases before.', max_digits=30)),
                ('after', models.DecimalField(decimal_places=6, max_digits=30)),
                ('reserve_before', models.DecimalField(decimal_places=0, max_digits=24)),
                ('freed', models.DecimalField(decimal_places=0, help_text='Reduced and reclaimed.', max_digits=24)),
                ('placed', models.DecimalField(decimal_places=0, help_text='Given to those that gain.', max_digits=24)),
                ('reserve_after', models.DecimalField(decimal_places=0, max_digits=24)),
            ],
            options={
                'db_table': 'economics_review_pools',
            },
        ),
        migrations.CreateModel(
            name='Score',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('evidence_strength', models.DecimalField(decimal_places=6, max_digits=7, null=True)),
                ('novelty', models.DecimalField(decimal_places=6, max_digits=7, null=True)),
                ('strategic_alignment', models.DecimalField(decimal_places=6, max_digits=7, null=True)),
                ('community_interest', models.DecimalField(decimal_places=6, max_digits=7, null=True)),
                ('evidence_weight', models.DecimalField(decimal_places=6, max_digits=7)),
                ('novelty_weight', models.DecimalField(decimal_places=6, max_digits=7)),
                ('alignment_weight', models.DecimalField(decimal_places=6, max_digits=7)),
                ('interest_weight', models.DecimalField(decimal_places=6, max_digits=7)),
                ('score', models.DecimalField(decimal_places=6, max_digits=7)),
                ('inputs', models.JSONField()),
                ('at', models.DateTimeField()),
                ('superseded_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'economics_scores',
            },
        ),
        migrations.CreateModel(
            name='Signal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_probability', models.BooleanField(help_text='As of the source.')),
                ('entity_type', models.TextField()),
                ('entity_id', models.TextField()),
                ('value', models.DecimalField(decimal_places=12, max_digits=30)),
                ('event_id', models.TextField(help_text="The source's own id: counted once.")),
                ('at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'economics_signals',
            },
        ),
        migrations.CreateModel(
            name='SignalSource',
            fields=[
                ('name', models.SlugField(max_length=64, primary_key=True, serialize=False)),
                ('title', models.TextField(blank=True, db_default='', default='')),
                ('kind', models.TextField(choices=[('confidence', 'Confidence'), ('price', 'Price')])),
                ('is_probability', models.BooleanField(db_default=True, default=True, help_text='Values are probabilities, 0 to 1, and used as they are.')),
                ('agent_kind', models.CharField(blank=True, editable=False, max_length=16, null=True)),
                ('is_active', models.BooleanField(db_default=True, default=True, help_text='Inactive: its signals count for nothing.')),
                ('registered_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('registered_by', models.TextField(db_default='', default='', editable=False)),
            ],
            options={
                'db_table': 'economics_signal_sources',
            },
        ),
        migrations.CreateModel(
            name='WorthPolicy',
            fields=[
                ('version', models.PositiveIntegerField(primary_key=True, serialize=False)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('made_by', models.TextField(db_default='', default='')),
                ('reason', models.TextField(db_default='', default='')),
                ('cause_kind', models.TextField(db_default='', default='')),
                ('cause_id', models.TextField(db_default='', default='')),
                ('evidence_weight', models.DecimalField(db_default=Decimal('0.35'), decimal_places=6, default=Decimal('0.35'), help_text='Weight of the strength of evidence; the four weights sum to 1.', max_digits=12)),
                ('novelty_weight', models.DecimalField(db_default=Decimal('0.25'), decimal_places=6, default=Decimal('0.25'), help_text='Weight of novelty.', max_digits=12)),
                ('alignment_weight', models.DecimalField(db_default=Decimal('0.2'), decimal_places=6, default=Decimal('0.2'), help_text='Weight of strategic alignment.', max_digits=12)),
                ('interest_weight', models.DecimalField(db_default=Decimal('0.2'), decimal_places=6, default=Decimal('0.2'), help_text='Weight of community interest.', max_digits=12)),
                ('paper_points', models.DecimalField(db_default=Decimal('1'), decimal_places=6, default=Decimal('1'), help_text='What a paper counts for evidence.', max_digits=12)),
                ('debate_points', models.DecimalField(db_default=Decimal('1'), decimal_places=6, default=Decimal('1'), help_text='What a debate counts for evidence.', max_digits=12)),
                ('replication_points', models.DecimalField(db_default=Decimal('3'), decimal_places=6, default=Decimal('3'), help_text='What a replication counts for evidence.', max_digits=12)),
                ('kg_link_points', models.DecimalField(db_default=Decimal('0.5'), decimal_places=6, default=Decimal('0.5'), help_text='What a link in the knowledge graph counts for evidence.', max_digits=12)),
                ('evidence_scale', models.DecimalField(db_default=Decimal('5'), decimal_places=6, default=Decimal('5'), help_text='Points at which evidence reaches 63 %: 1 - exp(-points / scale).', max_digits=12)),
                ('vote_points', models.DecimalField(db_default=Decimal('1'), decimal_places=6, default=Decimal('1'), help_text="What a principal's vote counts for interest.", max_digits=12)),
                ('comment_points', models.DecimalField(db_default=Decimal('1'), decimal_places=6, default=Decimal('1'), help_text="What a principal's comment counts for interest.", max_digits=12)),
                ('bounty_points', models.DecimalField(db_default=Decimal('3'), decimal_places=6, default=Decimal('3'), help_text="What a principal's bounty counts for interest.", max_digits=12)),
                ('interest_scale', models.DecimalField(db_default=Decimal('10'), decimal_places=6, default=Decimal('10'), help_text='Points at which interest reaches 63 %.', max_digits=12)),
                ('gain', models.DecimalField(db_default=Decimal('1'), decimal_places=6, default=Decimal('1'), help_text='How far a confident market moves a budget: weight = gain * (2c - 1).', max_digits=12)),
                ('half_life_days', models.DecimalField(db_default=Decimal('7'), decimal_places=6, default=Decimal('7'), help_text='Days in which a signal loses half its say.', max_digits=12)),
                ('most_daily_step', models.DecimalField(db_default=Decimal('0.1'), decimal_places=6, default=Decimal('0.1'), help_text='Most a market weight moves in a day.', max_digits=12)),
                ('score_threshold', models.DecimalField(db_default=Decimal('0.5'), decimal_places=6, default=Decimal('0.5'), help_text='Priority score from which a market may lift a budget.', max_digits=12)),
                ('roi_days', models.PositiveSmallIntegerField(db_default=28, default=28, help_text='Whole days that ROI looks back.')),
                ('roi_prior_tokens', models.BigIntegerField(db_default=1000000, default=1000000, help_text="LLM tokens for which the type's own yield is believed.")),
                ('roi_fewest_tokens', models.BigIntegerField(db_default=100000, default=100000, help_text='LLM tokens below which an entity is unproven.')),
                ('paper_edges', models.DecimalField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), help_text='What a paper counts in edges.', max_digits=12)),
                ('hypothesis_edges', models.DecimalField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), help_text='What an improved hypothesis counts in edges.', max_digits=12)),
                ('artifact_edges', models.DecimalField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), help_text='What a point of artifact quality counts in edges.', max_digits=12)),
                ('review_step', models.DecimalField(db_default=Decimal('0.2'), decimal_places=6, default=Decimal('0.2'), help_text='Most a review moves one line, as a share of its base.', max_digits=12)),
                ('floor_tokens', models.BigIntegerField(db_default=1000, default=1000, help_text='LLM tokens in a window below which a review leaves no line.')),
                ('fewest_judged', models.PositiveIntegerField(db_default=8, default=8, help_text='Entities of a type with a proven ROI, below which none is reduced.')),
                ('low_quantile', models.DecimalField(db_default=Decimal('0.25'), decimal_places=6, default=Decimal('0.25'), help_text='An ROI strictly below this quantile of its type is low.', max_digits=12)),
                ('good_quantile', models.DecimalField(db_default=Decimal('0.5'), decimal_places=6, default=Decimal('0.5'), help_text='An ROI at or above this quantile of its type may gain.', max_digits=12)),
                ('idle_share', models.DecimalField(db_default=Decimal('0.25'), decimal_places=6, default=Decimal('0.25'), help_text='A line that used less than this share in each of its last two windows is idle.', max_digits=12)),
                ('auto_apply', models.BooleanField(db_default=False, default=False, help_text='Reviews inside the bounds below apply by themselves.')),
                ('auto_most_step', models.DecimalField(db_default=Decimal('0.1'), decimal_places=6, default=Decimal('0.1'), help_text='Most a line moves in a review that applies by itself.', max_digits=12)),
                ('auto_most_share', models.DecimalField(db_default=Decimal('0.05'), decimal_places=6, default=Decimal('0.05'), help_text='Most of all budgets that moves in a review that applies by itself.', max_digits=12)),
            ],
            options={
                'verbose_name': 'policy of worth',
                'verbose_name_plural': 'policy of worth',
                'db_table': 'economics_worth_policies',
            },
        ),
        migrations.RemoveConstraint(
            model_name='budgetpolicy',
            name='budget_policy_sane',
        ),
        migrations.AddField(
            model_name='budgetpolicy',
            name='last_scored_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='budgetpolicy',
            name='score_seconds',
            field=models.PositiveIntegerField(db_default=3600, default=3600, help_text='How often scores are made anew.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='envelope',
            trigger=pgtrigger.compiler.Trigger(name='envelope_market_lifts_only_what_was_granted', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."market_weight" > 0)', func="\n    IF NEW.granted_at IS NOT NULL AND NEW.granted_by <> '' AND NEW.state <> 'capped' AND NEW.priority_score >= (\n        SELECT score_threshold FROM economics_worth_policies ORDER BY version DESC LIMIT 1) THEN\n        RETURN NEW;\n    END IF;\n    IF TG_OP = 'UPDATE' AND NEW.market_weight <= OLD.market_weight THEN\n        NEW.market_weight := 0;\n        RETURN NEW;\n    END IF;\n    RAISE EXCEPTION 'the market lifts only what the Senate granted, scored high enough and not capped' USING ERRCODE = 'check_violation', CONSTRAINT = 'envelope_market_lifts_only_what_was_granted', TABLE = TG_TABLE_NAME;\n", hash='610d09802cb68487a2018c35a673acec59026e91', operation='INSERT OR UPDATE OF "market_weight", "priority_score", "granted_at", "granted_by", "state"', pgid='pgtrigger_envelope_market_lifts_only_what_was_granted_a9fe5', table='resource_budgets', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('agent_kind', None), models.Q(('agent_kind', 'exchange'), _negated=True), _connector='OR'), name='account_never_of_an_exchange'),
        ),
        migrations.AddConstraint(
            model_name='budgetpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('reservation_most_seconds__gte', models.F('reservation_seconds')), ('reservation_most_seconds__lte', 31536000), ('reservation_seconds__gte', 1), ('safety_seconds__gte', 1), ('score_seconds__gte', 1), ('unsplit_output_share__gte', 0), ('unsplit_output_share__lte', 1), ('week_starts_on__gte', 1), ('week_starts_on__lte', 7), models.Q(('fleet_daily_usd', None), models.Q(('fleet_daily_usd__gte', 0), ('fleet_daily_usd__lte', 1000000000000000)), _connector='OR'), models.Q(('request_token_cap', None), models.Q(('request_token_cap__gte', 0), ('request_token_cap__lte', 1000000000000000)), _connector='OR'), models.Q(('request_usd_cap', None), models.Q(('request_usd_cap__gte', 0), ('request_usd_cap__lte', 1000000000000000)), _connector='OR')), name='budget_policy_sane'),
        ),
        migrations.AddIndex(
            model_name='assessment',
            index=models.Index(fields=['entity_type', 'entity_id', 'component', '-id'], name='assessment_by_entity'),
        ),
        migrations.AddConstraint(
            model_name='assessment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), models.Q(('entity_id', ''), _negated=True)), name='assessment_entity_named'),
        ),
        migrations.AddConstraint(
            model_name='assessment',
            constraint=models.CheckConstraint(condition=models.Q(('component__in', ('evidence_strength', 'novelty', 'strategic_alignment', 'community_interest'))), name='assessment_component_known'),
        ),
        migrations.AddConstraint(
            model_name='assessment',
            constraint=models.CheckConstraint(condition=models.Q(('value', None), models.Q(('value__gte', 0), ('value__lte', 1)), _connector='OR'), name='assessment_value_a_share'),
        ),
        migrations.AddConstraint(
            model_name='assessment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('assessed_by', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='assessment_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='assessment',
            constraint=models.CheckConstraint(condition=models.Q(('at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='assessment_time_readable'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='assessment',
            trigger=pgtrigger.compiler.Trigger(name='assessment_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law assessment_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'assessment_never_changes', TABLE = TG_TABLE_NAME;", hash='b66ebc9c3dd4824bf1a390ddb9e09c0155a65fc3', operation='UPDATE', pgid='pgtrigger_assessment_never_changes_dc3dc', table='economics_assessments', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='assessment',
            trigger=pgtrigger.compiler.Trigger(name='assessment_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law assessment_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'assessment_never_vanishes', TABLE = TG_TABLE_NAME;", hash='1328630717937c5321617d80e546930a661f0b27', operation='DELETE', pgid='pgtrigger_assessment_never_vanishes_f1853', table='economics_assessments', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='assessment',
            trigger=pgtrigger.compiler.Trigger(name='assessment_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law assessment_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'assessment_never_truncated', TABLE = TG_TABLE_NAME;", hash='6d0ddfefd151b3fd4de5dac2c6c7a80953ed72ac', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_assessment_never_truncated_9b10e', table='economics_assessments', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='observation',
            index=models.Index(fields=['entity_type', 'entity_id', 'kind'], name='observation_by_entity'),
        ),
        migrations.AddConstraint(
            model_name='observation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), models.Q(('entity_id', ''), _negated=True)), name='observation_entity_named'),
        ),
        migrations.AddConstraint(
            model_name='observation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['paper', 'debate', 'replication', 'kg_link']), models.Q(('reference', ''), _negated=True)), models.Q(('kind__in', ['vote', 'comment', 'bounty']), models.Q(('principal', ''), _negated=True)), _connector='OR'), name='observation_names_what_or_whose'),
        ),
        migrations.AddConstraint(
            model_name='observation',
            constraint=models.CheckConstraint(condition=models.Q(('at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), models.Q(('withdrawn_at', None), models.Q(('withdrawn_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('withdrawn_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), _connector='OR')), name='observation_times_readable'),
        ),
        migrations.AddConstraint(
            model_name='observation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('withdrawn_at', None), ('withdrawn_by', '')), models.Q(('withdrawn_at__isnull', False), models.Q(('withdrawn_by', ''), _negated=True)), _connector='OR'), name='observation_withdrawn_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='observation',
            constraint=models.UniqueConstraint(fields=('source', 'event_id'), name='observation_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='observation',
            trigger=pgtrigger.compiler.Trigger(name='observation_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."at" IS DISTINCT FROM (NEW."at") OR OLD."entity_id" IS DISTINCT FROM (NEW."entity_id") OR OLD."entity_type" IS DISTINCT FROM (NEW."entity_type") OR OLD."event_id" IS DISTINCT FROM (NEW."event_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."principal" IS DISTINCT FROM (NEW."principal") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."source" IS DISTINCT FROM (NEW."source"))', func="RAISE EXCEPTION 'law observation_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'observation_never_changes', TABLE = TG_TABLE_NAME;", hash='cb343cdc1f5ab4f4a347778771f03854b962ce74', operation='UPDATE OF "id", "entity_type", "entity_id", "kind", "reference", "principal", "source", "event_id", "at", "recorded_at"', pgid='pgtrigger_observation_never_changes_2d36e', table='economics_observations', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='observation',
            trigger=pgtrigger.compiler.Trigger(name='observation_stays_withdrawn', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."withdrawn_at" IS NOT NULL AND (OLD."withdrawn_at" IS DISTINCT FROM (NEW."withdrawn_at") OR OLD."withdrawn_by" IS DISTINCT FROM (NEW."withdrawn_by")))', func="RAISE EXCEPTION 'law observation_stays_withdrawn: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'observation_stays_withdrawn', TABLE = TG_TABLE_NAME;", hash='50693b441959b0186014c2330e2e1fe69afe9da7', operation='UPDATE OF "withdrawn_at", "withdrawn_by"', pgid='pgtrigger_observation_stays_withdrawn_042f0', table='economics_observations', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='observation',
            trigger=pgtrigger.compiler.Trigger(name='observation_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law observation_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'observation_never_vanishes', TABLE = TG_TABLE_NAME;", hash='01556a86983cf7ce20b043eee0673413cbe98a60', operation='DELETE', pgid='pgtrigger_observation_never_vanishes_4c375', table='economics_observations', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='observation',
            trigger=pgtrigger.compiler.Trigger(name='observation_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law observation_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'observation_never_truncated', TABLE = TG_TABLE_NAME;", hash='ef90832b797e16b14e90b7a8dd14d7eda4c42533', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_observation_never_truncated_29220', table='economics_observations', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='outcome',
            name='corrects',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='economics.outcome'),
        ),
        migrations.AddConstraint(
            model_name='reserve',
            constraint=models.UniqueConstraint(fields=('window_kind', 'qualifier'), name='reserve_once'),
        ),
        migrations.AddConstraint(
            model_name='reserve',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', 0), ('window_kind__in', ['day', 'week', 'month'])), name='reserve_sane'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reserve',
            trigger=pgtrigger.compiler.Trigger(name='reserve_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."qualifier" IS DISTINCT FROM (NEW."qualifier") OR OLD."window_kind" IS DISTINCT FROM (NEW."window_kind"))', func="RAISE EXCEPTION 'law reserve_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'reserve_is_fixed', TABLE = TG_TABLE_NAME;", hash='d6c2a080624522aa0d52cefb31621b50ce5538cf', operation='UPDATE OF "id", "window_kind", "qualifier"', pgid='pgtrigger_reserve_is_fixed_d76ba', table='economics_reserves', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reserve',
            trigger=pgtrigger.compiler.Trigger(name='reserve_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law reserve_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'reserve_never_vanishes', TABLE = TG_TABLE_NAME;", hash='9972927d8a6bced2afcd6815aff40259ec829622', operation='DELETE', pgid='pgtrigger_reserve_never_vanishes_dd888', table='economics_reserves', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reserve',
            trigger=pgtrigger.compiler.Trigger(name='reserve_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law reserve_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'reserve_never_truncated', TABLE = TG_TABLE_NAME;", hash='84b519530ea76046388e910c29f7896d0d4efaa4', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_reserve_never_truncated_0db6e', table='economics_reserves', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='reviewline',
            name='envelope',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.envelope'),
        ),
        migrations.AddField(
            model_name='reviewline',
            name='line',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.line'),
        ),
        migrations.AddField(
            model_name='reviewline',
            name='review',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='economics.review'),
        ),
        migrations.AddField(
            model_name='reviewpool',
            name='review',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='economics.review'),
        ),
        migrations.AddField(
            model_name='signalsource',
            name='agent',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='config.agent'),
        ),
        migrations.AddField(
            model_name='signal',
            name='source',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.signalsource'),
        ),
        migrations.AddConstraint(
            model_name='worthpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('alignment_weight__gte', Decimal('0')), ('alignment_weight__lte', Decimal('1')), ('evidence_weight__gte', Decimal('0')), ('evidence_weight__lte', Decimal('1')), ('interest_weight__gte', Decimal('0')), ('interest_weight__lte', Decimal('1')), ('novelty_weight__gte', Decimal('0')), ('novelty_weight__lte', Decimal('1')), ('evidence_weight', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.Value(1, models.DecimalField()), '-', models.F('novelty_weight')), '-', models.F('alignment_weight')), '-', models.F('interest_weight')))), name='worth_weights_sum_to_one'),
        ),
        migrations.AddConstraint(
            model_name='worthpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('artifact_edges__gte', Decimal('0')), ('artifact_edges__lte', Decimal('1000')), ('bounty_points__gte', Decimal('0')), ('bounty_points__lte', Decimal('1000')), ('comment_points__gte', Decimal('0')), ('comment_points__lte', Decimal('1000')), ('debate_points__gte', Decimal('0')), ('debate_points__lte', Decimal('1000')), ('hypothesis_edges__gte', Decimal('0')), ('hypothesis_edges__lte', Decimal('1000')), ('kg_link_points__gte', Decimal('0')), ('kg_link_points__lte', Decimal('1000')), ('paper_edges__gte', Decimal('0')), ('paper_edges__lte', Decimal('1000')), ('paper_points__gte', Decimal('0')), ('paper_points__lte', Decimal('1000')), ('replication_points__gte', Decimal('0')), ('replication_points__lte', Decimal('1000')), ('vote_points__gte', Decimal('0')), ('vote_points__lte', Decimal('1000')), ('evidence_scale__gte', Decimal('0.001')), ('evidence_scale__lte', Decimal('100000')), ('interest_scale__gte', Decimal('0.001')), ('interest_scale__lte', Decimal('100000'))), name='worth_points_sane'),
        ),
        migrations.AddConstraint(
            model_name='worthpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('gain__gte', Decimal('0')), ('gain__lte', Decimal('1')), ('most_daily_step__gte', Decimal('0')), ('most_daily_step__lte', Decimal('1')), ('score_threshold__gte', Decimal('0')), ('score_threshold__lte', Decimal('1')), ('half_life_days__gte', Decimal('0.01')), ('half_life_days__lte', Decimal('365'))), name='worth_market_sane'),
        ),
        migrations.AddConstraint(
            model_name='worthpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('roi_days__gte', 1), ('roi_days__lte', 366), ('roi_prior_tokens__gte', 0), ('roi_prior_tokens__lte', 1000000000000000), ('roi_fewest_tokens__gte', 1), ('roi_fewest_tokens__lte', 1000000000000000)), name='worth_returns_sane'),
        ),
        migrations.AddConstraint(
            model_name='worthpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('fewest_judged__gte', 1), ('floor_tokens__gte', 0), ('floor_tokens__lte', 1000000000000000), ('review_step__gte', Decimal('0')), ('review_step__lte', Decimal('0.5')), ('auto_most_share__gte', Decimal('0')), ('auto_most_share__lte', Decimal('1')), ('auto_most_step__gte', Decimal('0')), ('auto_most_step__lte', Decimal('1')), ('good_quantile__gte', Decimal('0')), ('good_quantile__lte', Decimal('1')), ('idle_share__gte', Decimal('0')), ('idle_share__lte', Decimal('1')), ('low_quantile__gte', Decimal('0')), ('low_quantile__lte', Decimal('1')), ('low_quantile__lte', models.F('good_quantile'))), name='worth_review_sane'),
        ),
        migrations.AddField(
            model_name='score',
            name='policy',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.worthpolicy'),
        ),
        migrations.AddField(
            model_name='review',
            name='policy',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='economics.worthpolicy'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='worthpolicy',
            trigger=pgtrigger.compiler.Trigger(name='worth_policy_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law worth_policy_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'worth_policy_never_changes', TABLE = TG_TABLE_NAME;", hash='c9924946a7accf8c10b2de50d7b9b2e93ca78f2f', operation='UPDATE', pgid='pgtrigger_worth_policy_never_changes_ca765', table='economics_worth_policies', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='worthpolicy',
            trigger=pgtrigger.compiler.Trigger(name='worth_policy_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law worth_policy_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'worth_policy_never_vanishes', TABLE = TG_TABLE_NAME;", hash='57faac48a9ed3ecd2177591f96c6e936104d6401', operation='DELETE', pgid='pgtrigger_worth_policy_never_vanishes_6d856', table='economics_worth_policies', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='worthpolicy',
            trigger=pgtrigger.compiler.Trigger(name='worth_policy_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law worth_policy_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'worth_policy_never_truncated', TABLE = TG_TABLE_NAME;", hash='9d9c5b705ea00da36091800cb046b642dd57f95c', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_worth_policy_never_truncated_97035', table='economics_worth_policies', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='worthpolicy',
            trigger=pgtrigger.compiler.Trigger(name='worth_policy_closes_the_gate', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n                    UPDATE resource_budgets SET market_weight = 0\n                     WHERE market_weight > 0 AND priority_score < NEW.score_threshold;\n                    RETURN NULL;\n                ', hash='3d589c49e3d700d228b3ecd7bb6257f990723dbb', operation='INSERT', pgid='pgtrigger_worth_policy_closes_the_gate_89d56', table='economics_worth_policies', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='outcome',
            index=models.Index(fields=['entity_type', 'entity_id', 'at'], name='outcome_by_entity'),
        ),
        migrations.AddIndex(
            model_name='outcome',
            index=models.Index(fields=['at'], name='outcome_by_time'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), models.Q(('entity_id', ''), _negated=True)), name='outcome_entity_named'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['edges_gained', 'edges_removed', 'papers', 'hypotheses_improved', 'artifact_quality'])), name='outcome_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__gt', 0), ('amount__lt', 1000000000000), ('corrects', None)), models.Q(('amount__gt', -1000000000000), ('amount__lt', 0), ('corrects__isnull', False), models.Q(('note', ''), _negated=True)), _connector='OR'), name='outcome_negative_only_to_correct'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.CheckConstraint(condition=models.Q(('at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='outcome_times_readable'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.UniqueConstraint(fields=('source', 'event_id'), name='outcome_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='outcome',
            trigger=pgtrigger.compiler.Trigger(name='outcome_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law outcome_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'outcome_never_changes', TABLE = TG_TABLE_NAME;", hash='7087a06e66d3c6e04e6c658277c7e36c40ad1478', operation='UPDATE', pgid='pgtrigger_outcome_never_changes_460ea', table='economics_outcomes', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='outcome',
            trigger=pgtrigger.compiler.Trigger(name='outcome_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law outcome_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'outcome_never_vanishes', TABLE = TG_TABLE_NAME;", hash='eb688f77b69a0cf72bc034cc823604fa23095ccc', operation='DELETE', pgid='pgtrigger_outcome_never_vanishes_0eded', table='economics_outcomes', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='outcome',
            trigger=pgtrigger.compiler.Trigger(name='outcome_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law outcome_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'outcome_never_truncated', TABLE = TG_TABLE_NAME;", hash='4814895d703819758b2c569d72654d51fc1758ed', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_outcome_never_truncated_bea4e', table='economics_outcomes', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='reviewline',
            index=models.Index(fields=['envelope', '-review'], name='review_line_by_envelope'),
        ),
        migrations.AddIndex(
            model_name='reviewline',
            index=models.Index(fields=['review', 'rule', 'line'], name='review_line_by_rule'),
        ),
        migrations.AddConstraint(
            model_name='reviewline',
            constraint=models.UniqueConstraint(fields=('review', 'line'), name='review_line_once'),
        ),
        migrations.AddConstraint(
            model_name='reviewline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('after', models.F('before')), ('rule', 'keep')), models.Q(('after__lte', models.F('before')), ('rule__in', ['reduce', 'reclaim'])), models.Q(('after__gt', models.F('before')), ('rule', 'gain')), _connector='OR'), name='review_line_moves_by_its_rule'),
        ),
        migrations.AddConstraint(
            model_name='reviewline',
            constraint=models.CheckConstraint(condition=models.Q(('before__gte', django.db.models.functions.math.Abs(django.db.models.expressions.CombinedExpression(models.F('after'), '-', models.F('before')))), ('before__gte', 0), ('before__lte', 1000000000000000), ('step__gte', 0), ('step__lte', 1), ('after__lte', django.db.models.expressions.CombinedExpression(models.F('before'), '+', django.db.models.functions.math.Floor(django.db.models.expressions.CombinedExpression(models.F('before'), '*', models.F('step'))))), ('after__gte', django.db.models.expressions.CombinedExpression(models.F('before'), '-', django.db.models.functions.math.Floor(django.db.models.expressions.CombinedExpression(models.F('before'), '*', models.F('step')))))), name='review_line_step_bounded'),
        ),
        migrations.AddConstraint(
            model_name='reviewline',
            constraint=models.CheckConstraint(condition=models.Q(('after__gte', django.db.models.functions.comparison.Least(models.F('before'), models.F('floor')))), name='review_line_floor_holds'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewline',
            trigger=pgtrigger.compiler.Trigger(name='review_line_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_line_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_line_never_changes', TABLE = TG_TABLE_NAME;", hash='8631685a6e08bfb3e3670762c690975a5901bfb9', operation='UPDATE', pgid='pgtrigger_review_line_never_changes_327bf', table='economics_review_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewline',
            trigger=pgtrigger.compiler.Trigger(name='review_line_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_line_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_line_never_vanishes', TABLE = TG_TABLE_NAME;", hash='7da781fc282eaf50272474fbede7e24165f69afa', operation='DELETE', pgid='pgtrigger_review_line_never_vanishes_dbf1f', table='economics_review_lines', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewline',
            trigger=pgtrigger.compiler.Trigger(name='review_line_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_line_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_line_never_truncated', TABLE = TG_TABLE_NAME;", hash='37d49f5571b9ebffa34c1d649a1fd443aa52ccce', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_review_line_never_truncated_f67fa', table='economics_review_lines', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='reviewpool',
            constraint=models.UniqueConstraint(fields=('review', 'window_kind', 'qualifier'), name='review_pool_once'),
        ),
        migrations.AddConstraint(
            model_name='reviewpool',
            constraint=models.CheckConstraint(condition=models.Q(('after', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('before'), '-', models.F('freed')), '+', models.F('placed'))), ('freed__gte', 0), ('placed__gte', 0), ('reserve_after', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('reserve_before'), '+', models.F('freed')), '-', models.F('placed'))), ('reserve_after__gte', 0), ('reserve_before__gte', 0)), name='review_pool_conserved'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewpool',
            trigger=pgtrigger.compiler.Trigger(name='review_pool_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_pool_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_pool_never_changes', TABLE = TG_TABLE_NAME;", hash='6d5aaee179a40071a86cfc712ca6f6a8b510821c', operation='UPDATE', pgid='pgtrigger_review_pool_never_changes_5c70c', table='economics_review_pools', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewpool',
            trigger=pgtrigger.compiler.Trigger(name='review_pool_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_pool_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_pool_never_vanishes', TABLE = TG_TABLE_NAME;", hash='ee30e91b3b703a31290dd24e10f4cf8de113bdd8', operation='DELETE', pgid='pgtrigger_review_pool_never_vanishes_2aed1', table='economics_review_pools', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewpool',
            trigger=pgtrigger.compiler.Trigger(name='review_pool_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_pool_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_pool_never_truncated', TABLE = TG_TABLE_NAME;", hash='5c382fe86a268b8665022e955ab7512a437f4467', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_review_pool_never_truncated_0a93b', table='economics_review_pools', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='signalsource',
            constraint=models.CheckConstraint(condition=models.Q(('name__regex', '^[A-Za-z0-9_-]+$')), name='signal_source_named'),
        ),
        migrations.AddConstraint(
            model_name='signalsource',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'price'), models.Q(('is_probability', True), ('kind', 'confidence')), _connector='OR'), name='signal_source_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='signalsource',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('agent', None), ('agent_kind', None)), models.Q(('agent__isnull', False), ('agent_kind', 'exchange')), _connector='OR'), name='signal_source_is_an_exchange'),
        ),
        migrations.AddConstraint(
            model_name='signalsource',
            constraint=models.UniqueConstraint(fields=('name', 'is_probability'), name='signal_source_scale_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='signalsource',
            trigger=pgtrigger.compiler.Trigger(name='signal_source_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."agent_id" IS DISTINCT FROM (NEW."agent_id") OR OLD."agent_kind" IS DISTINCT FROM (NEW."agent_kind") OR OLD."is_probability" IS DISTINCT FROM (NEW."is_probability") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."name" IS DISTINCT FROM (NEW."name"))', func="RAISE EXCEPTION 'law signal_source_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'signal_source_is_fixed', TABLE = TG_TABLE_NAME;", hash='0266aff9b3e42f0bcf8c9ed1f741c0619dd1ae5d', operation='UPDATE OF "name", "kind", "is_probability", "agent_id", "agent_kind"', pgid='pgtrigger_signal_source_is_fixed_5506e', table='economics_signal_sources', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='signalsource',
            trigger=pgtrigger.compiler.Trigger(name='signal_source_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law signal_source_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'signal_source_never_vanishes', TABLE = TG_TABLE_NAME;", hash='3ee5efb54cd60f4c2e13fc7541d98f0dd1df4f03', operation='DELETE', pgid='pgtrigger_signal_source_never_vanishes_4a29a', table='economics_signal_sources', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='signalsource',
            trigger=pgtrigger.compiler.Trigger(name='signal_source_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law signal_source_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'signal_source_never_truncated', TABLE = TG_TABLE_NAME;", hash='9a974c87ea619b93b1984942439ce37660a66ace', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_signal_source_never_truncated_cade0', table='economics_signal_sources', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='signal',
            index=models.Index(fields=['entity_type', 'entity_id', 'source', 'at'], name='signal_by_entity'),
        ),
        migrations.AddIndex(
            model_name='signal',
            index=models.Index(fields=['at'], name='signal_by_time'),
        ),
        migrations.AddConstraint(
            model_name='signal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), models.Q(('entity_id', ''), _negated=True)), name='signal_entity_named'),
        ),
        migrations.AddConstraint(
            model_name='signal',
            constraint=models.CheckConstraint(condition=models.Q(('value__gte', 0), ('value__lt', 1000000000000000000), models.Q(('is_probability', False), ('value__lte', 1), _connector='OR')), name='signal_value_sane'),
        ),
        migrations.AddConstraint(
            model_name='signal',
            constraint=models.CheckConstraint(condition=models.Q(('at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('recorded_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='signal_times_readable'),
        ),
        migrations.AddConstraint(
            model_name='signal',
            constraint=models.UniqueConstraint(fields=('source', 'event_id'), name='signal_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='signal',
            trigger=pgtrigger.compiler.Trigger(name='signal_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law signal_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'signal_never_changes', TABLE = TG_TABLE_NAME;", hash='0c9e1bd2d208ec729ade8605fe5aaa9894b71225', operation='UPDATE', pgid='pgtrigger_signal_never_changes_b863c', table='economics_signals', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='signal',
            trigger=pgtrigger.compiler.Trigger(name='signal_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law signal_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'signal_never_vanishes', TABLE = TG_TABLE_NAME;", hash='98811cd93e320919a19f2de44ec06ede16d08711', operation='DELETE', pgid='pgtrigger_signal_never_vanishes_f91ca', table='economics_signals', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='signal',
            trigger=pgtrigger.compiler.Trigger(name='signal_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law signal_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'signal_never_truncated', TABLE = TG_TABLE_NAME;", hash='1042a61865a062febff815827f7e2318d65764f1', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_signal_never_truncated_92bfd', table='economics_signals', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='score',
            index=models.Index(fields=['entity_type', 'entity_id', '-id'], name='score_by_entity'),
        ),
        migrations.AddIndex(
            model_name='score',
            index=models.Index(condition=models.Q(('superseded_at', None)), fields=['-score'], name='score_ranked'),
        ),
        migrations.AddConstraint(
            model_name='score',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entity_type', ''), _negated=True), models.Q(('entity_id', ''), _negated=True)), name='score_entity_named'),
        ),
        migrations.AddConstraint(
            model_name='score',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('evidence_strength', None), models.Q(('evidence_strength__gte', 0), ('evidence_strength__lte', 1)), _connector='OR'), models.Q(('novelty', None), models.Q(('novelty__gte', 0), ('novelty__lte', 1)), _connector='OR'), models.Q(('strategic_alignment', None), models.Q(('strategic_alignment__gte', 0), ('strategic_alignment__lte', 1)), _connector='OR'), models.Q(('community_interest', None), models.Q(('community_interest__gte', 0), ('community_interest__lte', 1)), _connector='OR')), name='score_components_are_shares'),
        ),
        migrations.AddConstraint(
            model_name='score',
            constraint=models.CheckConstraint(condition=models.Q(('score', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('evidence_weight'), '*', django.db.models.functions.comparison.Coalesce('evidence_strength', models.Value(Decimal('0')))), '+', django.db.models.expressions.CombinedExpression(models.F('novelty_weight'), '*', django.db.models.functions.comparison.Coalesce('novelty', models.Value(Decimal('0'))))), '+', django.db.models.expressions.CombinedExpression(models.F('alignment_weight'), '*', django.db.models.functions.comparison.Coalesce('strategic_alignment', models.Value(Decimal('0'))))), '+', django.db.models.expressions.CombinedExpression(models.F('interest_weight'), '*', django.db.models.functions.comparison.Coalesce('community_interest', models.Value(Decimal('0'))))), precision=6))), name='score_is_its_sum'),
        ),
        migrations.AddConstraint(
            model_name='score',
            constraint=models.CheckConstraint(condition=models.Q(('evidence_weight', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.Value(1, models.DecimalField()), '-', models.F('novelty_weight')), '-', models.F('alignment_weight')), '-', models.F('interest_weight')))), name='score_weights_sum_to_one'),
        ),
        migrations.AddConstraint(
            model_name='score',
            constraint=models.UniqueConstraint(condition=models.Q(('superseded_at', None)), fields=('entity_type', 'entity_id'), name='score_one_at_present'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='score',
            trigger=pgtrigger.compiler.Trigger(name='score_never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."alignment_weight" IS DISTINCT FROM (NEW."alignment_weight") OR OLD."at" IS DISTINCT FROM (NEW."at") OR OLD."community_interest" IS DISTINCT FROM (NEW."community_interest") OR OLD."entity_id" IS DISTINCT FROM (NEW."entity_id") OR OLD."entity_type" IS DISTINCT FROM (NEW."entity_type") OR OLD."evidence_strength" IS DISTINCT FROM (NEW."evidence_strength") OR OLD."evidence_weight" IS DISTINCT FROM (NEW."evidence_weight") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."inputs" IS DISTINCT FROM (NEW."inputs") OR OLD."interest_weight" IS DISTINCT FROM (NEW."interest_weight") OR OLD."novelty" IS DISTINCT FROM (NEW."novelty") OR OLD."novelty_weight" IS DISTINCT FROM (NEW."novelty_weight") OR OLD."policy_id" IS DISTINCT FROM (NEW."policy_id") OR OLD."score" IS DISTINCT FROM (NEW."score") OR OLD."strategic_alignment" IS DISTINCT FROM (NEW."strategic_alignment"))', func="RAISE EXCEPTION 'law score_never_changes: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'score_never_changes', TABLE = TG_TABLE_NAME;", hash='fc044dfcc75a8f44fd8e1c45433ae9c5de1d132e', operation='UPDATE OF "id", "entity_type", "entity_id", "policy_id", "score", "inputs", "at", "evidence_strength", "novelty", "strategic_alignment", "community_interest", "evidence_weight", "novelty_weight", "alignment_weight", "interest_weight"', pgid='pgtrigger_score_never_changes_40f25', table='economics_scores', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='score',
            trigger=pgtrigger.compiler.Trigger(name='score_stays_superseded', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."superseded_at" IS DISTINCT FROM (NEW."superseded_at") AND OLD."superseded_at" IS NOT NULL)', func="RAISE EXCEPTION 'law score_stays_superseded: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'score_stays_superseded', TABLE = TG_TABLE_NAME;", hash='369765c9aa17e79c9780a7cabc5b90936f50bc44', operation='UPDATE OF "superseded_at"', pgid='pgtrigger_score_stays_superseded_65e4d', table='economics_scores', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='score',
            trigger=pgtrigger.compiler.Trigger(name='score_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law score_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'score_never_vanishes', TABLE = TG_TABLE_NAME;", hash='77b3ef898d5bbddf0c06c512707fc73123f69307', operation='DELETE', pgid='pgtrigger_score_never_vanishes_c547f', table='economics_scores', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='score',
            trigger=pgtrigger.compiler.Trigger(name='score_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law score_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'score_never_truncated', TABLE = TG_TABLE_NAME;", hash='e2129b4cf6b39b3977b8c660d49489d57a3a4645', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_score_never_truncated_5f7cf', table='economics_scores', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['kind', '-period', '-id'], name='review_by_period'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['daily', 'weekly'])), name='review_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', ''), ('kind', 'weekly'), ('state', 'draft')), models.Q(('decided_at__isnull', False), ('state__in', ['applied', 'discarded']), models.Q(('decided_by', ''), _negated=True)), _connector='OR'), name='review_decided_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.CheckConstraint(condition=models.Q(('drafted_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('drafted_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), models.Q(('decided_at', None), models.Q(('decided_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('decided_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), _connector='OR')), name='review_times_readable'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'discarded'), _negated=True), fields=('kind', 'period'), name='review_once_per_period'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."drafted_at" IS DISTINCT FROM (NEW."drafted_at") OR OLD."drafted_by" IS DISTINCT FROM (NEW."drafted_by") OR OLD."figures" IS DISTINCT FROM (NEW."figures") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."period" IS DISTINCT FROM (NEW."period") OR OLD."policy_id" IS DISTINCT FROM (NEW."policy_id"))', func="RAISE EXCEPTION 'law review_is_fixed: what it protects never changes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_is_fixed', TABLE = TG_TABLE_NAME;", hash='8fad15788bbe236f61d8cb9264d5859cbb150c42', operation='UPDATE OF "id", "kind", "period", "policy_id", "drafted_at", "drafted_by", "figures"', pgid='pgtrigger_review_is_fixed_9aa70', table='economics_reviews', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_decided_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."state" IS DISTINCT FROM (NEW."state") AND NOT ((NEW."state" = \'applied\' AND OLD."state" = \'draft\') OR (NEW."state" = \'discarded\' AND OLD."state" = \'draft\')))', func="RAISE EXCEPTION 'law review_decided_once: what it protects has no such step' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_decided_once', TABLE = TG_TABLE_NAME;", hash='b318e5de6db5ede9f2bd20a1c5a27ef41e40f145', operation='UPDATE OF "state"', pgid='pgtrigger_review_decided_once_d4d10', table='economics_reviews', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_decision_stays', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."decided_at" IS NOT NULL AND (OLD."decided_at" IS DISTINCT FROM (NEW."decided_at") OR OLD."decided_by" IS DISTINCT FROM (NEW."decided_by") OR OLD."decision_reason" IS DISTINCT FROM (NEW."decision_reason")))', func="RAISE EXCEPTION 'law review_decision_stays: what it protects is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_decision_stays', TABLE = TG_TABLE_NAME;", hash='1dcf854a29021b91b0cdd6d996e89d89f2efa38d', operation='UPDATE OF "decided_at", "decided_by", "decision_reason"', pgid='pgtrigger_review_decision_stays_4b216', table='economics_reviews', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_never_vanishes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_never_vanishes: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_never_vanishes', TABLE = TG_TABLE_NAME;", hash='aa0b418d46c6ef0c765d01f93e3077836b54698e', operation='DELETE', pgid='pgtrigger_review_never_vanishes_86a55', table='economics_reviews', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'law review_never_truncated: what it protects never vanishes' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_never_truncated', TABLE = TG_TABLE_NAME;", hash='b603ab714c6edb5a813fc9df02e30ab38a9dccac', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_review_never_truncated_0e35f', table='economics_reviews', when='BEFORE')),
        ),
    ]
