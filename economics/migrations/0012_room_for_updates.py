"""Counters and days of usage are updated all the time: room on their pages keeps that out of the indexes."""

from django.db import migrations

TABLES = ("economics_counters", "economics_usage_days")


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0011_plans_that_last'),
    ]

    operations = [
        migrations.RunSQL(
            ";".join(f"ALTER TABLE {table} SET (fillfactor = 60)" for table in TABLES),
            ";".join(f"ALTER TABLE {table} RESET (fillfactor)" for table in TABLES),
        ),
    ]
