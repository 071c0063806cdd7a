"""What beat wakes: the job asks the database what is due and calls one deed for it."""

from celery import shared_task

from config import clock
from economics import cycle


@shared_task(ignore_result=True)
def tick() -> None:
    """Run whatever the policy says is due."""
    cycle.run_due(now=clock.now())
