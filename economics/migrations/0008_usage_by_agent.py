"""An agent's own usage is listed by an index, however little of it there is among that of others."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0007_daily_check'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(fields=['agent_id', '-id'], name='usage_by_agent'),
        ),
    ]
