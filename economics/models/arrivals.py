"""What was written of usage by those who do not wait for counters, until it is counted."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from config import laws


class Numeric(models.Field[Any, Any]):
    """A number that the database neither rounds nor refuses: whoever writes it must not fail."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:  # noqa: ARG002 - as the library asks for it
        """Return the type of the column."""
        return "numeric"


class Arrival(models.Model):
    """What a row of usage adds to the books, still to be counted; deleted, it is counted in the same statement.

    Of new usage: amount, cost (0: not known), the amount again if the cost is not known, one event. Of a price found
    later: 0, the cost, minus the amount, 0. Several rows of one kind and time may arrive as their sums.
    """

    created_at = models.DateTimeField(help_text="The time of use.")
    entity_type = models.TextField()
    entity_id = models.TextField()
    resource_type = models.TextField()
    tier = models.TextField(default="", db_default="")
    provider = models.TextField(default="", db_default="")
    agent_id = models.TextField(default="", db_default="")
    amount = Numeric(default=0, db_default=0)
    cost = Numeric(default=0, db_default=0, help_text="USD")
    unpriced_amount = Numeric(default=0, db_default=0)
    events = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        """Laws: it waits as it was written, and goes only by being counted."""

        db_table = "economics_arrivals"
        triggers = (
            laws.unchanged("arrival_never_changes"),
            laws.never_truncated("arrival_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the entity and the class."""
        return f"{self.entity_type}:{self.entity_id} {self.resource_type}"
