"""One tick of the Senate: deadlines end votes, and what was deferred comes back."""

from datetime import datetime
from functools import partial

from config import due
from governance import ballots


def run_due(*, now: datetime) -> None:
    """Do all that is due at `now`; two workers may run this at the same time."""
    due.attempt("deadlines of votes", partial(ballots.close_due, now=now))
    due.attempt("return of deferred proposals", partial(ballots.bring_back_due, now=now))
