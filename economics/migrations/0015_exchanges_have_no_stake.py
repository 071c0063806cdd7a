"""Composite keys: a source is an exchange's, and a signal is on the scale of its source."""

from django.db import migrations

KEYS = (
    ("economics_signal_sources", "signal_source_agent_kind", "agent_id, agent_kind", "config_agent (id, kind)"),
    (
        *("economics_signals", "signal_on_the_scale_of_its_source", "source_id, is_probability"),
        "economics_signal_sources (name, is_probability)",
    ),
)


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0014_worth'),
    ]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {target}",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )
        for table, name, columns, target in KEYS
    ]
