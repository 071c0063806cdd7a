"""Print whether market weights and scores were right."""

import csv
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.errors import RefusedError
from economics import calibration, errors
from economics.calibration import Bucket, Calibration

_QUESTIONS = {"market weight": "Were high-weight entities better?", "priority score": "Did high scores yield more?"}
_COLUMNS = ("bucket", "entities", "from", "to", "mean", "net edges", "LLM tokens", "edges per million")


class Command(BaseCommand):
    """Both reports, one under the other."""

    help = (
        "Compare the market weights and the scores that a weekly review found with the edges and LLM tokens that "
        "followed it: by bucket, and as a rank correlation. Without --review or --period it is the latest review after "
        "which all days have passed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which review, how long after it, and about whom."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--review", metavar="ID", type=int, help="The id of a weekly review.")
        which.add_argument("--period", metavar="YYYY-MM-DD", type=date.fromisoformat, help="The first day of its week.")
        parser.add_argument(
            "--days",
            metavar="N",
            type=_between(1, calibration.MOST_DAYS),
            default=calibration.DAYS,
            help=f"Whole days after it ({calibration.DAYS}).",
        )
        parser.add_argument("--entity-type", metavar="TYPE", default="", help="Entities of this type only.")
        parser.add_argument(
            "--buckets",
            metavar="N",
            type=_between(2, calibration.MOST_BUCKETS),
            default=calibration.BUCKETS,
            help=f"Parts of equal size to sort them into ({calibration.BUCKETS}).",
        )
        parser.add_argument("--csv", action="store_true", help="Print rows for another program.")

    def handle(self, **options: Any) -> None:
        """Print them."""
        now = timezone.now()
        asked = calibration.Question(
            review_id=options["review"],
            period=options["period"],
            days=options["days"],
            entity_type=options["entity_type"],
            buckets=options["buckets"],
        )
        try:
            reports = [calibration.market(asked, now=now), calibration.scores(asked, now=now)]
        except errors.UnknownReviewError as refusal:
            named = options["review"] is not None or options["period"] is not None
            why = "There is no such weekly review." if named else "There is no weekly review yet: `review --draft`."
            msg = f"{refusal.code}: {why}"
            raise CommandError(msg) from refusal
        except RefusedError as refusal:
            msg = f"{refusal.code}: {refusal.detail}"
            raise CommandError(msg) from refusal
        if options["csv"]:
            writer = csv.writer(self.stdout, lineterminator="\n")
            writer.writerow(("what", *_COLUMNS))
            writer.writerows((report.what, *bucket) for report in reports for bucket in report.buckets)
            return
        self.stdout.write("\n\n".join(_page(report) for report in reports))


def _page(report: Calibration) -> str:
    """Return a report as it is read: the question, the table, what it shows."""
    about = f" of type {report.entity_type}" if report.entity_type else ""
    rows = [_COLUMNS, *(_cells(bucket) for bucket in report.buckets)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    stood = f"by their {report.what} in review {report.review_id} (week of {report.period})"
    came = f"what came in the {(report.until - report.since).days} days from {report.since}"
    linked = f"Rank correlation with net edges: {_number(report.by_edges)} over {report.entities:,} entities"
    per_token = f"with edges per token: {_number(report.by_yield)} over the {report.users:,} that used tokens"
    head = (_QUESTIONS[report.what], f"{report.entities:,} entities{about} {stood}, and {came}:")
    return "\n".join((*head, *table, f"{linked}; {per_token}.", report.says))


def _cells(bucket: Bucket) -> tuple[str, ...]:
    return (str(bucket.place), f"{bucket.entities:,}", *(_number(number) for number in bucket[2:]))


def _number(number: Decimal | None) -> str:
    return "-" if number is None else f"{number.normalize():,f}"


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        found = int(text)
        if not least <= found <= most:
            msg = f"{least} to {most}"
            raise ArgumentTypeError(msg)
        return found

    return number
