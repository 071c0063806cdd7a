"""What beat wakes: each job asks the database what is due and calls one deed for it."""

from celery import shared_task

from config import clock
from economics import cycle, kept_figures


@shared_task(ignore_result=True)
def tick() -> None:
    """Run whatever the policy says is due."""
    cycle.run_due(now=clock.now())


@shared_task(ignore_result=True)
def keep_figures() -> None:
    """Make the figures of the whole house that are due."""
    kept_figures.make_due(now=clock.now())
