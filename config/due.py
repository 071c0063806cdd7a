"""What a tick finds due, deed by deed: one that fails is logged and does not stop the others."""

import logging
from collections.abc import Callable

from django.db import DatabaseError

from config.errors import RefusedError

log = logging.getLogger(__name__)


def attempt(what: str, deed: Callable[[], object]) -> None:
    """Do a deed, named `what` in the log. What a rule refuses or the database cannot do is left to the next tick."""
    try:
        deed()
    except RefusedError as refusal:
        log.info("%s: %s (%s)", what, refusal.detail, refusal.code)
    except DatabaseError:
        log.exception("%s failed and is tried again at the next tick", what)
