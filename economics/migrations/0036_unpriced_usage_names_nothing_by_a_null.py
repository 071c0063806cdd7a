"""The queue of unpriced usage takes a NULL for no name, and its index with it."""

from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0035_arrivals_are_counted_when_they_go'),
    ]

    operations = [
        migrations.RemoveIndex(model_name='usage', name='usage_unpriced'),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(
                models.F('resource_type'),
                Coalesce('model', models.Value('')),
                Coalesce('provider', models.Value('')),
                condition=models.Q(('cost', None)),
                include=('model', 'provider', 'amount', 'created_at'),
                name='usage_unpriced',
            ),
        ),
    ]
