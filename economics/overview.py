"""What the fleet spends, and where it nears its limits: the figures of dashboards, from counters and days of usage."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from economics import standings
from economics.models import Alert, Pause, Review

NEAR: Final = Alert.Threshold.MOST.value  # percent of a limit from which a line is near it
MOST_UNPRICED: Final = 1_000

# Alerts are raised per line and window by what is settled, so that nobody looks through all lines here.
_NEAR: Final = """
WITH windows AS MATERIALIZED (
    SELECT kind, economics_window_start(kind, %(now)s, p.zone, p.week_starts_on) AS starts
      FROM economics_policy p, unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS kind),
reached AS (
    SELECT a.line_id, max(a.threshold) AS threshold, max(a.raised_at) AS raised_at
      FROM windows w JOIN economics_alerts a ON a.window_start = w.starts AND a.rearmed_at IS NULL
      JOIN economics_lines l ON l.id = a.line_id AND l.window_kind = w.kind
     WHERE a.threshold >= %(near)s AND l.envelope_id IS NOT NULL GROUP BY 1)
SELECT r.line_id, b.entity_type, b.entity_id, b.state, count(*) OVER (),
       count(*) FILTER (WHERE r.threshold >= 100) OVER ()
  FROM reached r JOIN economics_lines l ON l.id = r.line_id JOIN resource_budgets b ON b.id = l.envelope_id
 ORDER BY r.threshold DESC, r.raised_at DESC, r.line_id LIMIT %(most)s
"""
# Today is the policy's: a day begins in its zone.
_TODAY: Final = "SELECT (%(now)s::timestamptz AT TIME ZONE zone)::date AS today FROM economics_policy"
_BY_DAY: Final = f"""
WITH calendar AS MATERIALIZED ({_TODAY})
SELECT today, day, resource_type, tier, cost
  FROM calendar LEFT JOIN (
       SELECT day, resource_type, tier, sum(cost) AS cost FROM economics_usage_days
        WHERE day > (SELECT today FROM calendar) - %(days)s::int AND day <= (SELECT today FROM calendar) AND cost <> 0
        GROUP BY 1, 2, 3) AS d ON true
"""  # noqa: S608 - a constant, as below
_BY_ENTITY: Final = f"""
WITH calendar AS MATERIALIZED ({_TODAY})
SELECT entity_type, entity_id, d.cost, b.id
  FROM (SELECT entity_type, entity_id, sum(cost) AS cost FROM economics_usage_days
         WHERE day > (SELECT today FROM calendar) - %(days)s::int AND day <= (SELECT today FROM calendar) AND cost <> 0
         GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(most)s) AS d
  LEFT JOIN resource_budgets b USING (entity_type, entity_id)
 ORDER BY d.cost DESC, 1, 2
"""  # noqa: S608
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
    """Lines of envelopes near their limits: how many there are, how many reached them, and the foremost."""

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
    """Days in a row, the last of them `today` in the policy's zone, and what each kind cost, the dearest first."""

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

    Which lines these are is what the daily check found last; where each stands is read now. Two queries, whatever
    their number; the fleet's own line is not among them.
    """
    found = {row[0]: row for row in _rows(_NEAR, now=now, near=NEAR, most=most)}
    if not found:
        return NearLimits(0, 0, [])
    lines = [Near(line, *found[line.line_id][1:4]) for line in standings.of_lines(list(found), at=now)]
    lines.sort(key=lambda line: (line.share is not None, -(line.share or 0), line.standing.line_id))
    first = next(iter(found.values()))
    return NearLimits(first[4], first[5], lines)


def spending(*, now: datetime, days: int = 30) -> Spending:
    """Return what each of the last days cost by kind: tiers of LLM tokens, and the other classes.

    Days are those of the time of use; what nobody has priced yet is not in it.
    """
    rows = _rows(_BY_DAY, now=now, days=days)
    last: date = rows[0][0]
    shown = [last - timedelta(days=ago) for ago in reversed(range(days))]
    place = {day: index for index, day in enumerate(shown)}
    kinds: dict[tuple[str, str], list[Decimal]] = {}
    for _last, day, resource_type, tier, cost in rows:
        if day is not None:
            kind = (resource_type, tier if resource_type == "llm_tokens" else "")
            kinds.setdefault(kind, [Decimal()] * days)[place[day]] += cost
    spent = [Spent(*kind, costs) for kind, costs in kinds.items()]
    return Spending(shown, sorted(spent, key=lambda kind: (-kind.total, kind.resource_type, kind.tier)))


def spenders(*, now: datetime, days: int = 1, most: int = 10) -> list[Spender]:
    """Return the entities that cost most in the last days, today among them, the dearest first."""
    return [Spender(*row) for row in _rows(_BY_ENTITY, now=now, days=days, most=most)]


def latest_alerts(*, most: int = 10) -> list[Raised]:
    """Return the alerts raised last, the newest first; of several raised at once on a line the highest."""
    alerts = Alert.objects.select_related("line__envelope").order_by("-raised_at", "-pk")
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
