"""Sums over the whole house: what envelopes may spend, what reviews have freed, and what was used of what."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import standings
from economics.models import Envelope, Reserve

LARGEST: Final = 10
MOST_MODELS: Final = 60  # programs name models as they like

# The figures of `economics_standing` for a whole fleet. Most lines are those that columns of envelopes keep: their
# limits are summed up without a look at them, and what stands against a line is looked up where anything does. The
# windows are asked for before: the planner knows then how few of all counters are of these.
_WINDOWS: Final = """
SELECT kind, w.starts, economics_window_end(kind, w.starts, p.zone)
  FROM economics_policy p, unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS kind,
       LATERAL (SELECT economics_window_start(kind, %(now)s, p.zone, p.week_starts_on)) AS w(starts)
"""
_STARTS: Final = """
CASE l.window_kind WHEN 'day' THEN %(day)s::timestamptz WHEN 'week' THEN %(week)s WHEN 'month' THEN %(month)s
                   WHEN 'lifetime' THEN %(lifetime)s END
"""
_ENDS: Final = """
CASE l.window_kind WHEN 'day' THEN %(day_end)s::timestamptz WHEN 'week' THEN %(week_end)s
                   WHEN 'month' THEN %(month_end)s END
"""
_BY_CLASS: Final = f"""
WITH granted AS MATERIALIZED (
    SELECT g.line_id, sum(g.amount) AS amount
      FROM economics_grants g JOIN economics_lines l ON l.id = g.line_id
     WHERE g.ended_at IS NULL AND {_STARTS} BETWEEN g.first_window AND g.last_window GROUP BY 1),
sums AS (
    SELECT l.window_kind, count(*) AS envelopes, sum(effective_token_budget) AS tokens,
           sum(effective_cpu_budget) AS cpu, count(storage_budget_gb) AS stored, count(api_call_budget) AS called,
           sum(economics_limit('storage_gb_hours', storage_budget_gb, market_weight, 0, {_STARTS}, {_ENDS})) AS storage,
           sum(floor(api_call_budget * (1 + market_weight))) AS calls
      FROM resource_budgets l GROUP BY 1),
used AS (
    SELECT l.resource_type, l.qualifier, l.window_kind, sum(c.settled) AS settled, sum(c.held) AS held,
           sum(CASE WHEN l.base IS NULL THEN 0 ELSE least(c.settled + c.held, economics_limit(
               l.resource_type, l.base, b.market_weight, 0, {_STARTS}, {_ENDS})
               + coalesce(g.amount, 0)) END) AS taken
      FROM (SELECT * FROM economics_counters WHERE window_start = ANY(%(starts)s::timestamptz[])) AS c
      JOIN economics_lines l ON l.id = c.line_id JOIN resource_budgets b ON b.id = l.envelope_id
      LEFT JOIN granted g ON g.line_id = l.id
     WHERE c.window_start = {_STARTS} GROUP BY 1, 2, 3),
parts AS (
    SELECT v.resource_type, '' AS qualifier, window_kind, v.lines, envelopes - v.lines AS open_lines, 0 AS granted,
           v.most, 0 AS settled, 0 AS held, 0 AS taken
      FROM sums, LATERAL (VALUES ('llm_tokens', envelopes, tokens), ('cpu_seconds', envelopes, cpu),
                                 ('storage_gb_hours', stored, storage), ('api_calls', called, calls)
                         ) AS v(resource_type, lines, most)
    UNION ALL
    SELECT l.resource_type, l.qualifier, l.window_kind, count(l.base), count(*) - count(l.base), 0,
           sum(economics_limit(l.resource_type, l.base, b.market_weight, 0, {_STARTS}, {_ENDS})), 0, 0, 0
      FROM economics_lines l JOIN resource_budgets b ON b.id = l.envelope_id WHERE NOT l.is_named GROUP BY 1, 2, 3
    UNION ALL
    SELECT l.resource_type, l.qualifier, l.window_kind, 0, 0, sum(g.amount), sum(g.amount), 0, 0, 0
      FROM granted g JOIN economics_lines l ON l.id = g.line_id AND l.base IS NOT NULL GROUP BY 1, 2, 3
    UNION ALL
    SELECT resource_type, qualifier, window_kind, 0, 0, 0, 0, settled, held, taken FROM used)
SELECT resource_type, qualifier, window_kind, sum(lines)::bigint, sum(open_lines)::bigint, sum(granted),
       coalesce(sum(most), 0), sum(settled), sum(held), coalesce(sum(most), 0) - sum(taken)
  FROM parts GROUP BY 1, 2, 3 HAVING sum(most) > 0 OR sum(settled) > 0 OR sum(held) > 0
 ORDER BY array_position(ARRAY['llm_tokens', 'cpu_seconds', 'storage_gb_hours', 'api_calls'], resource_type),
          array_position(ARRAY['day', 'week', 'month', 'lifetime'], window_kind), qualifier
 LIMIT %(most)s
"""  # noqa: S608 - made of constants
_USED: Final = """
SELECT resource_type, tier, provider, entity_type, sum(amount), sum(cost), sum(unpriced_amount), sum(events)::bigint
  FROM economics_usage_days WHERE day > %(last)s::date - %(days)s::int AND day <= %(last)s GROUP BY 1, 2, 3, 4
"""
# Days of usage keep the tier and not the model, so this one looks at the rows; an index finds those of some days.
_BY_MODEL: Final = """
SELECT coalesce(model, ''), coalesce(tier, ''), sum(amount), coalesce(sum(cost), 0),
       coalesce(sum(amount) FILTER (WHERE cost IS NULL), 0), count(*)
  FROM resource_usage
 WHERE created_at >= (SELECT economics_first_moment(%(last)s::date - %(days)s::int + 1, zone) FROM economics_policy)
   AND created_at < (SELECT economics_first_moment(%(last)s::date + 1, zone) FROM economics_policy)
   AND resource_type = 'llm_tokens'
 GROUP BY 1, 2 ORDER BY 4 DESC, 6 DESC, 1, 2 LIMIT %(most)s
"""
_MOST_KINDS: Final = 60  # of class, tier or provider, and window: providers name themselves as they like


class Total(NamedTuple):
    """What the lines of one kind come to in their present window, in the unit of the class.

    `lines` have a ceiling, `open_lines` none. `limit` holds the grants; `settled` and `held` are those of all lines;
    `remaining` is the sum of what each line has left, which the overspending of another does not lessen.
    """

    resource_type: str
    qualifier: str
    window_kind: str
    lines: int
    open_lines: int
    granted: Decimal
    limit: Decimal
    settled: Decimal
    held: Decimal
    remaining: Decimal


class Large(NamedTuple):
    """One of the largest envelopes, and where its LLM tokens stand in its window."""

    envelope_id: int
    entity_type: str
    entity_id: str
    state: str
    line: standings.Standing


class Freed(NamedTuple):
    """LLM tokens that reviews have freed and not yet placed, by window and tier ("" for the total)."""

    window_kind: str
    qualifier: str
    amount: Decimal


class Used(NamedTuple):
    """What was used of a class, by tier or provider (`part`) or by the type of entity (`part`).

    `amount` and `unpriced` (of it) in the unit of the class, `cost` in USD without what is not priced yet.
    """

    resource_type: str
    part: str
    amount: Decimal
    cost: Decimal
    unpriced: Decimal
    events: int


class OfModel(NamedTuple):
    """LLM tokens used of a model ("" where none was named), while it was in a tier.

    `cost` in USD without what is not priced yet, which `unpriced` tells.
    """

    model: str
    tier: str
    amount: Decimal
    cost: Decimal
    unpriced: Decimal
    events: int


class Usage(NamedTuple):
    """What was used in some days: the same sums twice, by class with tier or provider, and by class and entity type."""

    kinds: list[Used]
    entity_types: list[Used]

    @property
    def cost(self) -> Decimal:
        """All of it in USD, without what is not priced yet."""
        return sum((kind.cost for kind in self.kinds), Decimal())

    @property
    def events(self) -> int:
        """How many calls and jobs were reported, corrections among them."""
        return sum(kind.events for kind in self.kinds)


def by_class(*, now: datetime) -> list[Total]:
    """Return what all envelopes may spend in the windows of a moment, by class, window, and tier or provider.

    A class as a whole has the qualifier "": its tiers or providers are parts of it and not to be added. Kinds of
    lines that bound nothing and have nothing used are left out.
    """
    windows = _rows(_WINDOWS, {"now": now})
    terms = {
        "most": _MOST_KINDS,
        "starts": [start for _kind, start, _end in windows],
        **{kind: start for kind, start, _end in windows},
        **{f"{kind}_end": end for kind, _start, end in windows},
    }
    return [Total(*row) for row in _rows(_BY_CLASS, terms)]


def largest(*, now: datetime, most: int = LARGEST) -> list[Large]:
    """Return the envelopes with the largest effective base of LLM tokens a window, and where each stands."""
    chosen = Envelope.objects.order_by("-effective_token_budget", "pk")[:most]
    found = list(chosen.values_list("pk", "entity_type", "entity_id", "state"))
    lines = standings.of_envelopes([row[0] for row in found], at=now)
    return [Large(*row, _tokens(lines[row[0]])) for row in found]


def _tokens(lines: list[standings.Standing]) -> standings.Standing:
    (line,) = (one for one in lines if one.is_named and one.resource_type == "llm_tokens")
    return line


def freed() -> list[Freed]:
    """Return the reserves of freed budget that hold anything, the largest first."""
    kept = Reserve.objects.filter(amount__gt=0).order_by("-amount", "pk")
    return [Freed(*row) for row in kept.values_list("window_kind", "qualifier", "amount")]


def used(*, last: date, days: int = 30) -> Usage:
    """Return what was used in some days in a row, from days of usage (those of the policy's zone), the dearest first.

    Days of usage keep the tier of LLM tokens and the provider of calls; not the model.
    """
    kinds: dict[tuple[str, str], Used] = {}
    types: dict[tuple[str, str], Used] = {}
    for resource_type, tier, provider, entity_type, *sums in _rows(_USED, {"last": last, "days": days}):
        _add(kinds, resource_type, {"llm_tokens": tier, "api_calls": provider}.get(resource_type, ""), sums)
        _add(types, resource_type, entity_type, sums)
    return Usage(_dearest_first(kinds), _dearest_first(types))


def _add(found: dict[tuple[str, str], Used], resource_type: str, part: str, sums: Sequence[Any]) -> None:
    amount, cost, unpriced, events = sums
    known = found.get((resource_type, part), Used(resource_type, part, Decimal(), Decimal(), Decimal(), 0))
    found[resource_type, part] = known._replace(
        amount=known.amount + amount,
        cost=known.cost + cost,
        unpriced=known.unpriced + unpriced,
        events=known.events + events,
    )


def _dearest_first(found: dict[tuple[str, str], Used]) -> list[Used]:
    return sorted(found.values(), key=lambda one: (-one.cost, -one.events, one.resource_type, one.part))


def by_model(*, last: date, days: int = 30, most: int = MOST_MODELS) -> list[OfModel]:
    """Return the LLM tokens used in some days in a row by model and tier, the dearest first, from the rows of usage."""
    return [OfModel(*row) for row in _rows(_BY_MODEL, {"last": last, "days": days, "most": most})]


def _rows(statement: str, terms: dict[str, Any]) -> Sequence[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, terms)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
    return rows
