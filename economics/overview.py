"""What the fleet spends, and where it nears its limits: the figures of dashboards, from counters and days of usage."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import standings
from economics.models import Alert, Pause, Review

NEAR: Final = Alert.Threshold.MOST.value  # percent of a limit from which a line is near it
MOST_COUNTED: Final = 1_000
MOST_UNPRICED: Final = 1_000

# Alerts are raised per line and window by what is settled, so that nobody looks through all lines here; and a line that
# reached 100 % reached 80 % as well. Beyond `MOST_COUNTED` nobody counts on.
_REACHED: Final = """
SELECT a.line_id, a.raised_at
  FROM windows w JOIN economics_alerts a ON a.window_start = w.starts AND a.rearmed_at IS NULL
  JOIN economics_lines l ON l.id = a.line_id AND l.window_kind = w.kind AND l.envelope_id IS NOT NULL
"""
_COLUMNS: Final = ", ".join(f's."{name}"' for name in standings.Standing._fields)
_NEAR: Final = f"""
WITH windows AS MATERIALIZED (
    SELECT kind, economics_window_start(kind, %(now)s, p.zone, p.week_starts_on) AS starts
      FROM economics_policy p, unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS kind),
brimful AS MATERIALIZED ({_REACHED} WHERE a.threshold = 100 LIMIT %(counted)s),
near AS MATERIALIZED ({_REACHED} WHERE a.threshold = %(near)s LIMIT %(counted)s),
top AS MATERIALIZED (
    SELECT line_id, true AS is_full, raised_at FROM brimful
    UNION ALL
    SELECT line_id, false, raised_at FROM near WHERE line_id NOT IN (SELECT line_id FROM brimful)
     ORDER BY is_full DESC, raised_at DESC, line_id LIMIT %(most)s)
SELECT (SELECT count(*) FROM near), (SELECT count(*) FROM brimful), b.entity_type, b.entity_id, b.state, {_COLUMNS}
  FROM economics_standing(ARRAY(SELECT line_id FROM top), %(now)s) AS s JOIN resource_budgets b ON b.id = s.envelope_id
"""  # noqa: S608 - constants, as are those below
_TODAY: Final = "SELECT (%(now)s::timestamptz AT TIME ZONE zone)::date FROM economics_policy"
# The planner sees the days themselves, and reads a month at once where a day is found by the index.
_BY_DAY: Final = """
SELECT day, resource_type, tier, sum(cost) FROM economics_usage_days
 WHERE day BETWEEN %(first)s AND %(last)s AND cost <> 0 GROUP BY 1, 2, 3
"""
_BY_ENTITY: Final = """
SELECT entity_type, entity_id, d.cost, b.id
  FROM (SELECT entity_type, entity_id, sum(cost) AS cost FROM economics_usage_days
         WHERE day BETWEEN %(first)s AND %(last)s AND cost <> 0
         GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(most)s) AS d
  LEFT JOIN resource_budgets b USING (entity_type, entity_id)
 ORDER BY d.cost DESC, 1, 2
"""
_UPKEEP: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM resource_usage WHERE cost IS NULL LIMIT %(most)s) AS u), last_safety_at
  FROM economics_policy
"""
_BEGUN: Final = """
SELECT EXISTS (SELECT FROM economics_prices WHERE withdrawn_at IS NULL),
       (SELECT fleet_daily_usd IS NOT NULL FROM economics_policy),
       EXISTS (SELECT FROM resource_budgets) OR EXISTS (SELECT FROM economics_default_envelopes),
       EXISTS (SELECT FROM resource_usage)
"""


class Near(NamedTuple):
    """A line near its limit: where it stands now, and whose it is. `share` is of settled and held, None at limit 0."""

    standing: standings.Standing
    entity_type: str
    entity_id: str
    state: str

    @property
    def share(self) -> Decimal | None:
        """How much of the limit is settled or held; 1 is all of it."""
        used = self.standing.settled + self.standing.held
        return used / self.standing.limit if self.standing.limit else None


class NearLimits(NamedTuple):
    """Lines of envelopes near their limits: how many, how many reached them, and the foremost.

    `MOST_COUNTED` stands for that many or more.
    """

    near: int
    full: int
    lines: list[Near]


class Spent(NamedTuple):
    """What one kind of use cost in USD, day by day. `tier` is that of LLM tokens; empty: none was named."""

    resource_type: str
    tier: str
    costs: list[Decimal]

    @property
    def total(self) -> Decimal:
        """The cost of all days."""
        return sum(self.costs, Decimal())


class Spending(NamedTuple):
    """Days of the policy's zone in a row, and what each kind cost, the dearest first."""

    days: list[date]
    kinds: list[Spent]

    @property
    def totals(self) -> list[Decimal]:
        """The cost of each day."""
        return [sum(costs, Decimal()) for costs in zip(*(kind.costs for kind in self.kinds), strict=True)] or [
            Decimal() for _day in self.days
        ]


class Spender(NamedTuple):
    """An entity and what it cost in USD; `envelope_id` None: it has no envelope."""

    entity_type: str
    entity_id: str
    cost: Decimal
    envelope_id: int | None


class Raised(NamedTuple):
    """An alert with whose line it is: of an envelope, or of the fleet (then all three are empty)."""

    pk: int
    raised_at: datetime
    threshold: int
    settled: Decimal
    limit: Decimal
    froze: bool
    seen_by: str
    line: str
    envelope_id: int | None
    entity_type: str
    entity_id: str


class Upkeep(NamedTuple):
    """Rows of usage that nobody has priced yet (`MOST_UNPRICED`: that many or more), and the last daily check."""

    unpriced: int
    checked_at: datetime | None


class Begun(NamedTuple):
    """What of the books stands already."""

    has_prices: bool
    has_cap: bool
    has_envelopes: bool
    has_usage: bool


def near_limits(*, now: datetime, most: int = 10) -> NearLimits:
    """Return the lines of envelopes that 80 % of their limit was settled on in the present window, the fullest first.

    Which lines these are is what the daily check found last; where each stands is read now. One query; the fleet's own
    line is not among them. When more are near than are returned, those at their limit go first, then the latest.
    """
    rows = _rows(_NEAR, now=now, near=NEAR, most=most, counted=MOST_COUNTED)
    lines = [Near(standings.Standing(*row[5:]), *row[2:5]) for row in rows]
    lines.sort(key=lambda line: (line.share is not None, -(line.share or 0), line.standing.line_id))
    return NearLimits(rows[0][0], rows[0][1], lines) if rows else NearLimits(0, 0, [])


def today(*, now: datetime) -> date:
    """Return the day that it is in the policy's zone."""
    day: date = _rows(_TODAY, now=now)[0][0]
    return day


def spending(*, last: date, days: int = 30) -> Spending:
    """Return what each of some days in a row cost by kind: tiers of LLM tokens, and the other classes.

    Days are those of the time of use; what nobody has priced yet is not in it.
    """
    shown = [last - timedelta(days=before) for before in reversed(range(days))]
    place = {day: index for index, day in enumerate(shown)}
    kinds: dict[tuple[str, str], list[Decimal]] = {}
    for day, resource_type, tier, cost in _rows(_BY_DAY, first=shown[0], last=last):
        kind = (resource_type, tier if resource_type == "llm_tokens" else "")
        kinds.setdefault(kind, [Decimal()] * days)[place[day]] += cost
    return Spending(shown, _dearest_first(kinds))


def joined(first: Spending, then: Spending) -> Spending:
    """Return the days of both in a row, of which the second begin where the first end."""
    kinds: dict[tuple[str, str], list[Decimal]] = {}
    for place, part in ((0, first), (len(first.days), then)):
        for kind in part.kinds:
            costs = kinds.setdefault((kind.resource_type, kind.tier), [Decimal()] * len(first.days + then.days))
            costs[place : place + len(part.days)] = kind.costs
    return Spending(first.days + then.days, _dearest_first(kinds))


def _dearest_first(kinds: Mapping[tuple[str, str], list[Decimal]]) -> list[Spent]:
    spent = [Spent(*kind, costs) for kind, costs in kinds.items()]
    return sorted(spent, key=lambda kind: (-kind.total, kind.resource_type, kind.tier))


def spenders(*, last: date, days: int = 1, most: int = 10) -> list[Spender]:
    """Return the entities that cost most in some days in a row, the dearest first."""
    first = last - timedelta(days=days - 1)
    return [Spender(*row) for row in _rows(_BY_ENTITY, first=first, last=last, most=most)]


def latest_alerts(*, most: int = 10) -> list[Raised]:
    """Return the alerts raised last, the newest first; of several raised at once on a line the highest.

    By their ids: checks go one after the other, and one may raise a hundred thousand alerts of one moment.
    """
    alerts = Alert.objects.select_related("line__envelope").order_by("-pk")
    found: dict[tuple[int, datetime], Alert] = {}
    for alert in alerts[: most * len(Alert.Threshold)]:
        found.setdefault((alert.line_id, alert.raised_at), alert)
    return [_raised(alert) for alert in found.values()][:most]


def fleet_pause() -> Pause | None:
    """Return the pause that all spending of the fleet stands under, if any."""
    return Pause.objects.filter(agent=None, ended_at=None).first()


def upkeep() -> Upkeep:
    """Return what is open in the books, and when they were checked last."""
    return Upkeep(*_rows(_UPKEEP, most=MOST_UNPRICED)[0])


def drafted_reviews() -> int:
    """Return how many weekly reviews are drafts that wait to be applied or discarded."""
    return Review.objects.filter(state=Review.State.DRAFT).count()


def begun() -> Begun:
    """Return what of the books a new house has got so far."""
    return Begun(*_rows(_BEGUN)[0])


def _raised(alert: Alert) -> Raised:
    envelope = alert.line.envelope
    return Raised(
        alert.pk,
        alert.raised_at,
        alert.threshold,
        alert.settled,
        alert.limit,
        alert.froze,
        alert.seen_by,
        str(alert.line),
        envelope.pk if envelope else None,
        envelope.entity_type if envelope else "",
        envelope.entity_id if envelope else "",
    )


def _rows(statement: str, **terms: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, terms)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
