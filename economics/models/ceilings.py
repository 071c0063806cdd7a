"""Ceilings and the windows they last for."""

from django.db import models
from django.db.models import Q

MOST_AMOUNT = 10**15  # in any unit; far below the end of the columns


class Window(models.TextChoices):
    """How long a ceiling lasts before it is whole again."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    LIFETIME = "lifetime"


WINDOWS = ["day", "week", "month", "lifetime"]


def ceiling(column: str, *, required: bool = False) -> Q:
    """Return the condition of a ceiling: 0 or more and not absurd; none at all unless `required`."""
    within = Q(**{f"{column}__gte": 0, f"{column}__lte": MOST_AMOUNT})
    return within if required else Q(**{column: None}) | within
