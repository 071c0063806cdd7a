"""What beat wakes: the job asks the database what is due and calls one deed for it."""

from celery import shared_task

from config import clock
from governance import cycle


@shared_task(ignore_result=True)
def tick() -> None:
    """Run whatever is due in the Senate."""
    cycle.run_due(now=clock.now())
