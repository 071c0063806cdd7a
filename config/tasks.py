"""What beat wakes for the house itself."""

from celery import shared_task

from config import answers, clock


@shared_task(ignore_result=True)
def forget_answers() -> None:
    """Forget the answers to requests that nobody sends again."""
    answers.forget(now=clock.now())
