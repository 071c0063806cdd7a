"""The reserve follows the reviews that are applied, and nothing is added to one that is decided."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0020_lines_open_by_the_thousand'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='reserve',
            trigger=pgtrigger.compiler.Trigger(name='reserve_follows_reviews', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND (OLD."amount" IS DISTINCT FROM (NEW."amount")))', func="RAISE EXCEPTION 'law reserve_follows_reviews: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'reserve_follows_reviews', TABLE = TG_TABLE_NAME;", hash='6a1ff41deb3d26fd5239b6331afb7f2f1d5f7053', operation='UPDATE OF "amount"', pgid='pgtrigger_reserve_follows_reviews_4491f', table='economics_reserves', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reserve',
            trigger=pgtrigger.compiler.Trigger(name='reserve_opens_empty', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (pg_trigger_depth() = 0 AND (NOT (NEW."amount" = 0)))', func="RAISE EXCEPTION 'law reserve_opens_empty: what it protects follows other rows' USING ERRCODE = 'check_violation', CONSTRAINT = 'reserve_opens_empty', TABLE = TG_TABLE_NAME;", hash='00a08dd0f7361781ed92edc38721dd31a1f7686c', operation='INSERT', pgid='pgtrigger_reserve_opens_empty_8daf7', table='economics_reserves', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_moves_the_reserve', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."state" = \'applied\' AND OLD."state" = \'draft\')', func='\n    UPDATE economics_reserves r SET amount = p.reserve_after FROM economics_review_pools p\n     WHERE p.review_id = NEW.id AND r.window_kind = p.window_kind AND r.qualifier = p.qualifier\n       AND r.amount <> p.reserve_after;\n    RETURN NULL;\n', hash='dd76330777616d5a3497bf9b479163ced8827f7a', operation='UPDATE OF "state"', pgid='pgtrigger_review_moves_the_reserve_d4384', table='economics_reviews', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewline',
            trigger=pgtrigger.compiler.Trigger(name='review_line_of_a_draft', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n            IF EXISTS (SELECT FROM economics_reviews\n                        WHERE id IN (SELECT DISTINCT review_id FROM added) AND state <> 'draft') THEN\n                RAISE EXCEPTION 'nothing is added to a review that is decided' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_line_of_a_draft', TABLE = TG_TABLE_NAME;\n            END IF;\n            RETURN NULL;\n        ", hash='d31a873523947044fc8f341515be44b747f5ecb5', level='STATEMENT', operation='INSERT', pgid='pgtrigger_review_line_of_a_draft_2fa41', referencing='REFERENCING NEW TABLE AS added ', table='economics_review_lines', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reviewpool',
            trigger=pgtrigger.compiler.Trigger(name='review_pool_of_a_draft', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n            IF EXISTS (SELECT FROM economics_reviews\n                        WHERE id IN (SELECT DISTINCT review_id FROM added) AND state <> 'draft') THEN\n                RAISE EXCEPTION 'nothing is added to a review that is decided' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_pool_of_a_draft', TABLE = TG_TABLE_NAME;\n            END IF;\n            RETURN NULL;\n        ", hash='6c9a80b922416d6c07055762f1037487b3baa3e5', level='STATEMENT', operation='INSERT', pgid='pgtrigger_review_pool_of_a_draft_d8967', referencing='REFERENCING NEW TABLE AS added ', table='economics_review_pools', when='AFTER')),
        ),
    ]
