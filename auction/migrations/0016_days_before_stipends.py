"""Days that were issued before there were stipends are done: nobody is paid for them afterwards."""

from django.db import migrations

PAST = """
INSERT INTO auction_stipend_days (day, pot_tokens, paid_tokens, at)
SELECT day, 0, 0, now() FROM economics_dailyissue ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    """No back pay."""

    dependencies = [("auction", "0015_needs_are_checked_in_passing"), ("economics", "0031_refusals_are_told")]

    operations = [migrations.RunSQL(PAST, migrations.RunSQL.noop)]
