"""How much of a budget would have reached what later proved right: split alike, by the market, by each source alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import errors, money, scoring, signals, worth_policy
from economics.models import SignalSource

TOKENS_EACH: Final = 1_000
_SCALE: Final = 10**12  # a weight in whole parts, as exact as a value is kept

_SIGNALS: Final = f"""
SELECT entity_id, market_signal FROM ({signals.CONFIDENCES_OF_SOURCE}) AS c WHERE entity_type = %(entity_type)s
"""  # noqa: S608 - made of constants
_LATEST: Final = """
SELECT DISTINCT ON (entity_id) entity_id, value FROM economics_signals
 WHERE source_id = %(source)s AND entity_type = %(entity_type)s AND at <= %(now)s
 ORDER BY entity_id, at DESC, id DESC
"""

# What was applied then: the revisions are the record.
_APPLIED: Final = """
SELECT b.entity_id, (r.changes->'market_weight'->>1)::numeric
  FROM resource_budgets b
 CROSS JOIN LATERAL (SELECT changes FROM economics_revisions
                      WHERE envelope_id = b.id AND at <= %(now)s AND changes ? 'market_weight'
                      ORDER BY id DESC LIMIT 1) AS r
 WHERE b.entity_type = %(entity_type)s
"""
_IMPROVED: Final = """
SELECT entity_id FROM economics_outcomes
 WHERE entity_type = %(entity_type)s AND kind = 'hypotheses_improved' AND at > %(now)s AND at <= %(until)s
 GROUP BY entity_id HAVING sum(amount) > 0
"""


class Split(NamedTuple):
    """One way to split the budget: how many LLM tokens reached what proved right, and what share that is."""

    by: str
    reached: int
    share: Decimal


class Reach(NamedTuple):
    """The same budget split in several ways at a moment, and what became of the entities afterwards."""

    entities: int
    improved: int
    total: int
    splits: list[Split]


def reach(  # noqa: PLR0913 - the question has this many terms
    *, entity_type: str, sources: Sequence[str], now: datetime, until: datetime, only: str = "", each: int = TOKENS_EACH
) -> Reach:
    """Split `each` LLM tokens an entity over the entities that all `sources` speak of at `now`, in several ways.

    Alike; by the market weights applied then (base · (1 + weight)); and for each source alone by the weight its
    signals ask for under the policy, unbounded by daily steps and gates, and by its latest value as it stands. Totals
    are equal to the token (largest remainder, ties by id). What reached an entity counts where outcomes of the kind
    `hypotheses_improved` came after `now` and by `until`, net above 0; nothing else of that time is looked at. `only`
    narrows to ids that begin with it. Refuses a source that is not registered and one whose values are no
    probabilities, which cannot be a weight.
    """
    _check(sources)
    terms: dict[str, Any] = {**worth_policy.terms(worth_policy.get()), "entity_type": entity_type, "now": now}
    asked = {name: _found(_SIGNALS, {**terms, "source": name}) for name in sources}
    values = {name: _found(_LATEST, {**terms, "source": name}) for name in sources}
    spoken_of = set.intersection(*(set(found) for found in asked.values())) if asked else set()
    entities = sorted(pk for pk in spoken_of if pk.startswith(only))
    improved = set(_found(_IMPROVED, {**terms, "until": until})) & set(entities)
    ways: list[tuple[str, Mapping[str, Decimal], int]] = [
        ("equal split", {}, 1),
        ("market weights", _found(_APPLIED, terms), 1),
        *((f"{name}, as a signal", found, 1) for name, found in asked.items()),
        *((f"{name}, latest value", found, 0) for name, found in values.items()),
    ]
    total = each * len(entities)
    splits = []
    for by, weights, base in ways:
        parts = [int((base + weights.get(pk, Decimal(0))) * _SCALE) for pk in entities]
        budgets = zip(entities, money.largest_remainder(total, parts), strict=True)
        got = sum(tokens for pk, tokens in budgets if pk in improved)
        splits.append(Split(by, got, share(got, total)))
    return Reach(len(entities), len(improved), total, splits)


def together(parts: Sequence[Reach]) -> Reach:
    """Return several groups of entities as one, each keeping its own total. All were split in the same ways."""
    total = sum(one.total for one in parts)
    splits = []
    for same in zip(*(one.splits for one in parts), strict=True):
        got = sum(one.reached for one in same)
        splits.append(Split(same[0].by, got, share(got, total)))
    return Reach(sum(one.entities for one in parts), sum(one.improved for one in parts), total, splits)


def table(columns: Mapping[str, Reach]) -> str:
    """Return groups of entities side by side as text: how many there are, and for each split what reached them."""
    first, *_others = columns.values()
    rows = [
        ["", *columns],
        ["entities", *(f"{one.entities:,}" for one in columns.values())],
        ["of them improved", *(f"{one.improved:,}" for one in columns.values())],
        ["LLM tokens", *(f"{one.total:,}" for one in columns.values())],
        *(
            [by.by, *(f"{one.splits[place].reached:,}  {one.splits[place].share:f}" for one in columns.values())]
            for place, by in enumerate(first.splits)
        ),
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def share(part: int, whole: int) -> Decimal:
    """Return a share with four decimals; of nothing it is 0."""
    return scoring.rounded(Decimal(part) / whole, 4) if whole else Decimal(0)


def _check(sources: Sequence[str]) -> None:
    known = dict(SignalSource.objects.filter(pk__in=sources).values_list("pk", "is_probability"))
    for name in sources:
        if name not in known:
            raise errors.UnknownSourceError(source=name)
        if not known[name]:
            msg = f"The values of {name} are no probabilities: only their ranks say anything."
            raise errors.InvalidSourceError(msg)


def _found(statement: str, terms: Mapping[str, Any]) -> dict[str, Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(statement, terms)
        return {row[0]: row[-1] for row in cursor.fetchall()}
