"""Lists of slots and of tasks begin with the latest: without an index each page sorts the whole table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two indexes."""

    dependencies = [("auction", "0018_needs_are_looked_up")]

    operations = [
        migrations.AddIndex(
            model_name="slot", index=models.Index(fields=["-created_at", "-id"], name="slot_by_time")
        ),
        migrations.AddIndex(
            model_name="task", index=models.Index(fields=["-created_at", "-id"], name="task_by_time")
        ),
    ]
