"""Read, draft, decide and look ahead at reviews."""

import argparse
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import models
from django.db.models import F
from django.db.models.functions import Abs
from django.utils import timezone

from config.errors import RefusedError
from economics import rebalancing, review_words, reviews, revisions, worth_policy
from economics.models import Review, ReviewLine, ReviewPool, WorthPolicy

_SHOWN: Final = 20
_HEADS: Final = ("LLM tokens", "lines", "may gain", "before", "freed", "placed", "after", "reserve", "reserve after")
_EXAMPLES: Final = """
examples:
  manage.py review                                    the newest weekly review
  manage.py review --draft                            draft this week's, or show it
  manage.py review --what-if review_step=0.1 gain=0.5
  manage.py review --apply 7 --author ada --reason "reads well"

exit codes:
  0  done, or shown
  1  refused; nothing was written
  2  the command was not understood
"""


class _Help(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the examples."""


class Command(BaseCommand):
    """Show a review as a table, draft this week's, apply or discard a draft, or look ahead."""

    help = (
        "Show a review: what it moves among all budgets of LLM tokens, by rule and line, and why. Without an option\n"
        "the newest weekly one. A draft moves nothing until it is applied."
    )

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Give examples at the end of the help."""
        options = {"epilog": _EXAMPLES, "formatter_class": _Help, **options}
        return super().create_parser(prog_name, subcommand, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        """Take one deed, and who does it and why."""
        deed = parser.add_mutually_exclusive_group()
        deed.add_argument("--show", type=int, metavar="ID", help="Show this review.")
        deed.add_argument("--draft", action="store_true", help="Draft this week's review, or show the one there is.")
        deed.add_argument("--apply", type=int, metavar="ID", help="Move what this draft says, all of it or nothing.")
        deed.add_argument("--discard", type=int, metavar="ID", help="Decide that this draft moves nothing.")
        deed.add_argument(
            "--what-if",
            nargs="+",
            metavar="TERM=VALUE",
            help="What this week's review would move under a policy with these terms. Nothing is written.",
        )
        parser.add_argument("--author", metavar="NAME", help="Who decides; it stays on record.")
        parser.add_argument("--reason", metavar="TEXT", help="Why; it stays on record.")
        parser.add_argument("--lines", type=int, default=_SHOWN, metavar="N", help="Show so many lines that move most.")
        parser.add_argument("--dry-run", action="store_true", help="With --draft: show what it would move only.")

    def handle(self, **options: Any) -> None:
        """Do the deed and show the review."""
        now = timezone.now()
        if options["dry_run"] and not options["draft"]:
            message = "--dry-run goes with --draft."
            raise CommandError(message, returncode=2)
        try:
            if options["what_if"] or (options["draft"] and options["dry_run"]):
                self._look_ahead(options["what_if"] or [], options["lines"], now)
            else:
                self._show(_review(options, now), options["lines"])
        except RefusedError as refusal:
            told = "".join(f" {name}: {value}." for name, value in refusal.figures.items())
            message = f"{refusal.code}: {refusal.detail}{told}"
            raise CommandError(message) from refusal

    def _show(self, review: Review | None, most: int) -> None:
        if review is None:
            self.stdout.write("There is no weekly review yet. Draft one with --draft, or look ahead with --dry-run.")
            return
        self.stdout.write(_headline(review))
        if review.kind == Review.Kind.DAILY:
            for line in _day(review.figures):
                self.stdout.write(f"  {line}")
            return
        self._tables(reviews.pools(review), review.figures)
        moving = review.lines.exclude(before=F("after"), state_before=F("state_after"))
        found = moving.select_related("envelope", "line").order_by(Abs(F("after") - F("before")).desc(), "line_id")
        self._lines(found[:most])

    def _look_ahead(self, terms: Sequence[str], most: int, now: datetime) -> None:
        found = reviews.what_if(now=now, limit=most, **dict(map(_term, terms)))
        changed = f"if {', '.join(terms)}" if terms else "under the policy in force"
        self.stdout.write(f"What this week's review would move {changed}; nothing is written.")
        self._tables(found.plan.pools, found.plan.counts._asdict())
        self._lines([line for line in found.lines if line.moves])

    def _tables(self, pools: Iterable[ReviewPool | rebalancing.Pool], counts: dict[str, Any]) -> None:
        rows = [_pool(pool) for pool in pools]
        self._table(_HEADS, rows or [("none",)])
        self.stdout.write(
            "\n{envelopes:,} envelopes, {proven:,} with a proven ROI. Lines: {reduced:,} reduced, {reclaimed:,} "
            "reclaimed, {gained:,} gain, {kept:,} stay. Envelopes: {capped:,} capped, {released:,} released. "
            "Largest step {step:.1%}.".format(**counts, step=Decimal(counts["largest_step"]))
        )

    def _lines(self, lines: Iterable[ReviewLine]) -> None:
        rows = [_line(line) for line in lines]
        if not rows:
            self.stdout.write("No line moves.")
            return
        self.stdout.write("\nThe lines that move most (ROI in net edges per million LLM tokens):")
        widths = [max(len(row[place]) for row in rows) for place in range(5)]
        for entity, line, rule, before, after, why in rows:
            cells = (entity.ljust(widths[0]), line.ljust(widths[1]), rule.ljust(widths[2]))
            self.stdout.write(f"{'  '.join(cells)}  {before.rjust(widths[3])} -> {after.rjust(widths[4])}")
            self.stdout.write(f"    {why}")

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [
            max(len(row[place]) if place < len(row) else 0 for row in (heads, *rows)) for place in range(len(heads))
        ]
        for row in (heads, *rows):
            first, *numbers = row
            cells = (cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=False))
            self.stdout.write("  ".join((first.ljust(widths[0]), *cells)).rstrip())


def _day(figures: dict[str, Any]) -> Iterable[str]:
    """Return what a day came to, a line for each figure."""
    cap = "no cap" if figures["usd_cap"] is None else f"of {figures['usd_cap']}"
    yield f"USD spent: {figures['usd']} ({cap})"
    yield f"LLM tokens used: {figures['llm_tokens']:,}, without a price {figures['unpriced_llm_tokens']:,}"
    yield f"uses: {figures['events']:,}; refused: {figures['refused']:,}; alerts: {figures['alerts']:,}"
    yield f"frozen by checks: {figures['frozen_by_the_check']:,}; by people: {figures['frozen_by_a_person']:,}"
    yield f"the check: {', '.join(f'{name} {number}' for name, number in figures['check'].items())}"
    for most in figures["spent_most"]:
        yield f"  {most['entity']}: {most['usd']} USD, {most['llm_tokens']:,} LLM tokens"


def _review(options: dict[str, Any], now: datetime) -> Review | None:
    """Do the deed asked for and return the review to show."""
    if options["draft"]:
        return reviews.draft_weekly(author=revisions.Author(options["author"] or "manage.py review"), now=now)
    for name, deed in (("apply", reviews.apply), ("discard", reviews.discard)):
        if options[name] is not None:
            return deed(options[name], author=_author(options, name), now=now)
    if options["show"] is not None:
        return reviews.get(options["show"])
    return Review.objects.filter(kind=Review.Kind.WEEKLY).order_by("-period", "-pk").first()


def _author(options: dict[str, Any], deed: str) -> revisions.Author:
    if not options["author"] or not options["reason"]:
        message = f"--{deed} takes --author and --reason: they stay on record."
        raise CommandError(message, returncode=2)
    return revisions.Author(options["author"], options["reason"])


def _headline(review: Review) -> str:
    """Return what it is and what became of it."""
    made = f"{str(review).capitalize()} (id {review.pk}), by {review.policy} of the policy of worth"
    if review.state == Review.State.DRAFT:
        told = f"{made}. A draft: nothing has moved. {review.waits_because or ''}".rstrip()
        return f"{told}\nDecide with --apply {review.pk} or --discard {review.pk}, --author NAME and --reason TEXT."
    why = f": {review.decision_reason}" if review.decision_reason else "."
    return f"{made}. {review.state.capitalize()} {review.decided_at:%Y-%m-%d %H:%M} UTC by {review.decided_by}{why}"


def _pool(pool: ReviewPool | rebalancing.Pool) -> tuple[str, ...]:
    figures = (pool.lines, pool.gainers, pool.before, pool.freed, pool.placed, pool.after, pool.reserve_before)
    title = " ".join(part for part in (pool.qualifier, f"per {pool.window_kind}") if part)
    return title, *map(_number, (*figures, pool.reserve_after))


def _line(line: ReviewLine) -> tuple[str, ...]:
    title = " ".join(part for part in (line.line.qualifier, f"per {line.line.window_kind}") if part)
    rule = line.rule if line.state_before == line.state_after else f"{line.rule}, {line.state_after}"
    return str(line.envelope), title, rule, _number(line.before), _number(line.after), review_words.reason(line)


def _number(value: Decimal | int) -> str:
    return f"{Decimal(value).normalize():,f}"


def _term(text: str) -> tuple[str, Any]:
    """Return a term of the policy and its value, of the kind that the policy has there."""
    name, equals, value = text.partition("=")
    if not equals or name not in worth_policy.TERMS:
        message = f"{text}: say TERM=VALUE; the terms are {', '.join(worth_policy.TERMS)}."
        raise CommandError(message, returncode=2)
    column = WorthPolicy._meta.get_field(name)  # noqa: SLF001 - Django's public name for it
    try:
        if isinstance(column, models.BooleanField):
            return name, {"true": True, "false": False}[value]
        return name, Decimal(value) if isinstance(column, models.DecimalField) else int(value)
    except (KeyError, ValueError, InvalidOperation) as error:
        message = f"{text}: {value} is no value for {name}."
        raise CommandError(message, returncode=2) from error
