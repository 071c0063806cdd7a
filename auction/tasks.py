"""What beat wakes: each job asks the database what is due and calls one deed for it."""

import logging

from celery import shared_task

from auction import audit, cycle, retention
from config import clock

log = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def tick() -> None:
    """Run whatever a pool or policy says is due."""
    cycle.run_due(now=clock.now())


@shared_task(ignore_result=True)
def audit_books() -> None:
    """Audit the books, of usage that of the last days, and store the pass."""
    now = clock.now()
    run = audit.audit(now=now, since=now - audit.RECENT)
    if not run.passed:
        log.error("The audit found %d differences: %s", len(run.differences), run.differences[:10])


@shared_task(ignore_result=True)
def forget() -> None:
    """Forget what the policy of retention lets go."""
    retention.forget(now=clock.now())
