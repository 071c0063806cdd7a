"""Slots, tasks and clears name agents together with their kind, so that a CHECK can refuse graders."""

from django.db import migrations

COMPOSITE = [
    ("auction_slots", "slot_provider_has_this_kind", "provider_id, provider_kind"),
    ("auction_tasks", "task_filer_has_this_kind", "filed_by_id, filed_by_kind"),
    ("compute_auction_clears", "clear_runner_has_this_kind", "runner_id, runner_kind"),
]


class Migration(migrations.Migration):
    """Composite foreign keys, which Django cannot state in a model."""

    dependencies = [("auction", "0002_initial")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES config_agent (id, kind)",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )
        for table, name, columns in COMPOSITE
    ]
