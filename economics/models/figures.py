"""Figures that the clock makes and keeps for those who look."""

from django.db import models


class KeptFigures(models.Model):
    """Figures of the whole house as they were at a moment, written over by the next ones of their name.

    Amounts in them are text, so that none loses a digit.
    """

    name = models.TextField(primary_key=True)
    as_of = models.DateTimeField()
    seconds = models.FloatField(help_text="How long they took to make.")
    figures = models.JSONField()

    class Meta:
        """No laws: all of it can be made again from the rows that they sum up."""

        db_table = "economics_kept_figures"
        verbose_name_plural = "kept figures"

    def __str__(self) -> str:
        """Return what they are figures of."""
        return self.name
