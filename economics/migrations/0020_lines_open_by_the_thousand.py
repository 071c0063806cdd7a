"""Lines opened by the thousand count what was before in the time they should, and no line reads the fleet's days."""

from importlib import import_module

from django.db import migrations

# A plan for the very array of ids knows how long it is, but not how many days of usage its lines meet: two thousand
# lines were looked for in the array a hundred thousand times. The plan for any array goes by indexes, line by line.
SEEDING = import_module("economics.migrations.0004_counting").SEEDING
BEFORE = SEEDING[
    SEEDING.index("CREATE FUNCTION economics_seed(") : SEEDING.index("CREATE FUNCTION economics_seed_days")
].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
# Named in the subquery, the line comes first: without the fleet's among them no day is read.
AFTER = BEFORE.replace("SET enable_seqscan = off", "SET enable_seqscan = off SET plan_cache_mode = force_generic_plan").replace(
    "JOIN economics_usage_days d ON d.cost <> 0",
    """CROSS JOIN LATERAL (
              SELECT day, cost FROM economics_usage_days WHERE cost <> 0 AND l.envelope_id IS NULL OFFSET 0) AS d""",
)


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0019_envelopes_change_by_the_thousand'),
    ]

    operations = [
        migrations.RunSQL(AFTER, BEFORE),
    ]
