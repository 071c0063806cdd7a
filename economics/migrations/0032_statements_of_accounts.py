"""The transfers of an account are read in order of time; the plain indexes of its keys say no more than these."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Index both sides of a transfer by time."""

    dependencies = [("economics", "0031_refusals_are_told")]

    operations = [
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["debit_account", "created_at", "id"], name="transfer_by_debit"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["credit_account", "created_at", "id"], name="transfer_by_credit"),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="credit_account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credits",
                to="economics.account",
            ),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="debit_account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="debits",
                to="economics.account",
            ),
        ),
    ]
