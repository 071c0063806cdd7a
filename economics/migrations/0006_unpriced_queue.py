"""The queue of unpriced usage is walked kind by kind."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0005_admission'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='usage',
            name='usage_unpriced',
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(condition=models.Q(('cost', None)), fields=['resource_type', 'model', 'provider'], include=('amount', 'created_at'), name='usage_unpriced'),
        ),
    ]
