"""A review is applied by moving its lines, and its pools are what its lines come to."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0021_reserves_follow_reviews'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='review',
            trigger=pgtrigger.compiler.Trigger(name='review_applied_as_it_says', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."state" = \'applied\' AND OLD."state" = \'draft\')', func="\n    IF EXISTS (\n        SELECT FROM (SELECT l.window_kind, l.qualifier, count(*) AS lines, sum(v.before) AS before,\n                            sum(v.after) AS after\n                       FROM economics_review_lines v JOIN economics_lines l ON l.id = v.line_id\n                      WHERE v.review_id = NEW.id GROUP BY l.window_kind, l.qualifier) AS told\n          FULL JOIN (SELECT * FROM economics_review_pools WHERE review_id = NEW.id) AS p USING (window_kind, qualifier)\n         WHERE (told.lines, told.before, told.after) IS DISTINCT FROM (p.lines, p.before, p.after)) THEN\n        RAISE EXCEPTION 'the pools of a review are not what its lines come to' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_applied_as_it_says', TABLE = TG_TABLE_NAME;\n    END IF;\n    IF EXISTS (SELECT FROM economics_review_lines v JOIN economics_lines l ON l.id = v.line_id\n                WHERE v.review_id = NEW.id AND v.before <> v.after AND l.base IS DISTINCT FROM v.after) THEN\n        RAISE EXCEPTION 'a review is applied by moving its lines' USING ERRCODE = 'check_violation', CONSTRAINT = 'review_applied_as_it_says', TABLE = TG_TABLE_NAME;\n    END IF;\n    RETURN NEW;\n", hash='a59ce637d09599394f6d73cdc438825bd4a39521', operation='UPDATE OF "state"', pgid='pgtrigger_review_applied_as_it_says_1d083', table='economics_reviews', when='BEFORE')),
        ),
    ]
