"""Usage from a file: recorded chunk by chunk, each whole or not at all; what was recorded before is left alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

from django.db import transaction

from config.errors import RefusedError
from economics import errors, metering
from economics.events import Event
from economics.faults import Fault, Faults
from economics.metering import Recorded
from economics.models import Usage
from economics.usage_files import Row

_OWN: Final = Fault("source_of_the_house", "This source is the house's own; name another.", "/source")
_REFUSALS: Final[dict[str, type[RefusedError]]] = {
    error.code: error for error in (errors.UnknownTierError, errors.EventConflictError)
}


@dataclass(slots=True)
class Tally:
    """What became of the rows so far. `tokens` and `usd` are those of the rows recorded, not of duplicates."""

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    tokens: int = 0
    priced: int = 0
    unpriced: int = 0
    first_list: int = 0
    usd: Decimal = Decimal(0)


class Rejected(NamedTuple):
    """A row that was not recorded, and why; a conflict is one as well."""

    row: Row
    faults: Faults


def record(
    rows: Iterable[Row], *, tally: Tally, now: datetime, size: int, dry_run: bool = False
) -> Iterator[list[Rejected]]:
    """Record rows in transactions of `size`; after each, add it to the tally and give what was rejected.

    A run that breaks off leaves whole chunks behind, and a second one finds them recorded. `dry_run` takes each chunk
    back: what would be a duplicate of an earlier chunk then counts as recorded. Refuses a size above
    `metering.MOST_AT_ONCE`.
    """
    source = iter(rows)
    while chunk := list(islice(source, size)):
        fit, rejected = _sorted(chunk)
        with transaction.atomic():
            results = metering.record_many(
                [event for _row, event in fit], agent_id=[row.agent_id for row, _event in fit], now=now
            )
            transaction.set_rollback(dry_run)
        tally.read += len(chunk)
        tally.refused += len(rejected)
        for (row, event), result in zip(fit, results, strict=True):
            _count(tally, event, result)
            if result.code:
                refusal = _REFUSALS[result.code]()
                rejected.append(Rejected(row, [Fault(refusal.code, refusal.detail, "")]))
        yield sorted(rejected, key=lambda one: one.row.place)


def _sorted(chunk: Sequence[Row]) -> tuple[list[tuple[Row, Event]], list[Rejected]]:
    """Part the events from what is none."""
    fit: list[tuple[Row, Event]] = []
    rejected = []
    for row in chunk:
        if isinstance(row.found, list):
            rejected.append(Rejected(row, row.found))
        elif row.found.source in metering.OWN_SOURCES:
            rejected.append(Rejected(row, [_OWN]))
        else:
            fit.append((row, row.found))
    return fit, rejected


def _count(tally: Tally, event: Event, result: Recorded) -> None:
    tally.duplicates += result.status == metering.DUPLICATE
    tally.conflicts += result.status == metering.CONFLICT
    tally.refused += result.status == metering.REFUSED
    if result.status != metering.RECORDED:
        return
    tally.recorded += 1
    tally.tokens += int(event.amount) if event.resource_type == Usage.Resource.LLM_TOKENS else 0
    tally.priced += result.cost is not None
    tally.unpriced += result.cost is None
    tally.first_list += result.is_first_list
    tally.usd += result.cost or 0
