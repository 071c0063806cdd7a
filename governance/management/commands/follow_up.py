"""Print what became of what the Senate enacted."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from governance import follow_up

_SUMS: Final = ("enacted", "due", "kept", "promised", "realised", "share", "open promised", "open realised")
_ENACTED: Final = (
    *("id", "entity", "proposer", "granted", "enacted", "gain by", "promised", "realised", "share", "promise"),
    "shared with",
)
_PROPOSERS: Final = ("proposer", "decided", "approved", "rejected", "deferred", "expired", *_SUMS)
_REVIEWERS: Final = ("reviewer", "voted", "approve", "reject", "defer", "carried", *_SUMS)
_NONE: Final = "-"
_MOST_DIGITS: Final = 9
_DIGITS: Final = frozenset("+-0123456789")


class Command(BaseCommand):
    """Three reports, one under the other."""

    help = (
        "Print the gain that each enacted proposal promised beside the net edges its entity gained from enactment "
        "until the day named (or so far), and the same by proposer and by reviewer. It is what the entity gained, not "
        "what the proposal caused: proposals on one entity share the edges of the days they have in common."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which decisions, and how to print them."""
        parser.add_argument("--since", metavar="TIME", type=_moment, help="Decided since: a day (UTC) or a time.")
        parser.add_argument("--entity-type", metavar="TYPE", default="", help="On entities of this type only.")
        parser.add_argument(
            "--limit", metavar="N", type=_limit, default=50, help="Enacted proposals to list, the last ones (50)."
        )
        parser.add_argument("--json", action="store_true", help="Print one object for another program.")

    def handle(self, **options: Any) -> None:
        """Print them."""
        asked = {"at": timezone.now(), "since": options["since"], "entity_type": options["entity_type"]}
        last = follow_up.enacted(**asked, limit=options["limit"])
        proposers, reviewers = follow_up.by_proposer(**asked), follow_up.by_reviewer(**asked)
        if options["json"]:
            found = {
                "enacted": [{**one._asdict(), "share": one.share, "is_kept": one.is_kept} for one in last],
                "proposers": [_told(one) for one in proposers],
                "reviewers": [_told(one) for one in reviewers],
            }
            self.stdout.write(json.dumps(found, default=_plain, indent=1))
            return
        self.stdout.write(_table("Promised and realised, in net edges", _ENACTED, map(_enacted, last)))
        self.stdout.write(
            _table("By proposer", _PROPOSERS, (_row(one.proposer, one[2:7], one.sums) for one in proposers))
        )
        self.stdout.write(
            _table("By reviewer", _REVIEWERS, (_row(one.reviewer, one[1:6], one.sums) for one in reviewers))
        )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = "a day as 2030-01-31, or an ISO 8601 time"
        raise ArgumentTypeError(msg) from error


def _limit(text: str) -> int:
    if not (text.isdecimal() and len(text) <= _MOST_DIGITS and 1 <= int(text) <= follow_up.MOST):
        msg = f"a number from 1 to {follow_up.MOST:,}"
        raise ArgumentTypeError(msg)
    return int(text)


def _told(one: follow_up.OfProposer | follow_up.OfReviewer) -> dict[str, Any]:
    return {**one._asdict(), "sums": {**one.sums._asdict(), "share": one.sums.share}}


def _plain(value: object) -> str:
    """Return what JSON has no word for: exact numbers and times, as text."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _enacted(one: follow_up.Followed) -> tuple[str, ...]:
    return (
        str(one.proposal_id),
        f"{one.entity_type}:{one.entity_id}",
        one.proposer,
        _NONE if one.granted is None else f"{one.granted:+,}",
        f"{one.enacted_at:%Y-%m-%d}",
        f"{one.gain_by:%Y-%m-%d}",
        *(_number(one.promised), _number(one.realised), _percent(one.share)),
        one.promise,
        str(one.alongside) if one.alongside else _NONE,
    )


def _row(name: str, counts: Sequence[int], sums: follow_up.Sums) -> tuple[str, ...]:
    edges = (*map(_number, sums[3:5]), _percent(sums.share), *map(_number, sums[5:]))
    return (name, *(f"{number:,}" for number in (*counts, *sums[:3])), *edges)


def _number(number: Decimal | None) -> str:
    return _NONE if number is None else f"{number.normalize():,f}" if number else "0"


def _percent(share: Decimal | None) -> str:
    return _NONE if share is None else f"{share:.0%}"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as it is read, or that there is nothing in it. No text in it drives a terminal."""
    cells = [heads, *([_visible(cell) for cell in row] for row in rows)]
    if len(cells) == 1:
        return f"{title}: nothing.\n"
    lines = zip(*(_justified(column) for column in zip(*cells, strict=True)), strict=True)
    return "\n".join((f"{title}:", *("  ".join(line).rstrip() for line in lines), "", ""))


def _justified(column: Sequence[str]) -> list[str]:
    """Return the cells of a column in one width, numbers to the right."""
    width = max(map(len, column))
    is_number = all(cell[:1] in _DIGITS for cell in column[1:])
    return [cell.rjust(width) if is_number else cell.ljust(width) for cell in column]


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
