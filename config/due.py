"""What a tick finds due, deed by deed: one that fails is logged and does not stop the others."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError

from config.errors import RefusedError

log = logging.getLogger(__name__)


def attempt(what: str, deed: Callable[[], object]) -> None:
    """Do a deed, named `what` in the log. What a rule refuses or what fails is left to the next tick."""
    try:
        deed()
    except RefusedError as refusal:
        log.info("%s: %s (%s)", what, refusal.detail, refusal.code)
    except Exception:
        log.exception("%s failed and is tried again at the next tick", what)


def attempt_one(what: str, deed: Callable[[], bool]) -> bool:
    """Do one of many deeds, in a transaction of its own, and return what it says; False where it failed.

    A defect in one row is logged and keeps no other waiting. A database that does not answer ends them all.
    """
    try:
        return deed()
    except RefusedError as refusal:
        log.info("%s: %s (%s)", what, refusal.detail, refusal.code)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("%s failed and is tried again at the next tick", what)
    return False
