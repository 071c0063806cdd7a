"""Papers are looked up by what they are, whatever entity they were seen for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Index the references of papers."""

    dependencies = [("economics", "0024_reviews_are_applied_over_their_reserve")]

    operations = [
        migrations.AddIndex(
            model_name="observation",
            index=models.Index(condition=models.Q(("kind", "paper")), fields=["reference"], name="observation_by_paper"),
        ),
    ]
