"""Keep figures of the whole house that the clock makes, for all who look."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0033_a_pause_is_named_as_found'),
    ]

    operations = [
        migrations.CreateModel(
            name='KeptFigures',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('as_of', models.DateTimeField()),
                ('seconds', models.FloatField(help_text='How long they took to make.')),
                ('figures', models.JSONField()),
            ],
            options={
                'verbose_name_plural': 'kept figures',
                'db_table': 'economics_kept_figures',
            },
        ),
    ]
