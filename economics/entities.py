"""The whole story of an entity: what it may spend, what it is worth and why, what came of it, and who changed what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Count, Max, Q, Sum

from economics import market, returns, score_words, standings, worth_policy
from economics.models import (
    Alert,
    Assessment,
    Envelope,
    Grant,
    Observation,
    Outcome,
    Pause,
    Refusal,
    Review,
    ReviewLine,
    Revision,
    Score,
    Signal,
    UsageDay,
    WorthPolicy,
)

LAST: Final = 10  # so many of each kind of event are told, the newest first

# Of one entity, by its indexes (the conditions pass through the grouping), and of all of its type.
_RETURNED: Final = f"""
WITH span AS MATERIALIZED ({returns.SPAN}),
own AS (SELECT * FROM ({returns.EDGES}) AS e WHERE entity_type = %(entity_type)s AND entity_id = %(entity_id)s),
used AS (SELECT * FROM ({returns.TOKENS}) AS t WHERE entity_type = %(entity_type)s AND entity_id = %(entity_id)s),
yield AS (
    SELECT (SELECT sum(edges) FROM ({returns.EDGES}) AS e WHERE entity_type = %(entity_type)s) AS edges,
           (SELECT sum(tokens) FROM ({returns.TOKENS}) AS t WHERE entity_type = %(entity_type)s) AS tokens)
SELECT coalesce((SELECT edges FROM own), 0), coalesce((SELECT tokens FROM used), 0),
       coalesce((SELECT round(edges / nullif(tokens, 0), 15) FROM yield), 0), first_day, end_day - 1
  FROM span
"""  # noqa: S608 - made of constants


class Used(NamedTuple):
    """What was used of a resource since ever; `cost` in USD without what is not priced yet."""

    resource_type: str
    amount: Decimal
    unpriced_amount: Decimal
    cost: Decimal
    last_day: date


class Market(NamedTuple):
    """What the market says now (see `market.said`), what of it is applied, and why it lifts nothing (`shut`)."""

    weight: Decimal
    signal: Decimal
    confidence: Decimal
    signals: int
    shut: list[str]

    @property
    def gate_open(self) -> bool:
        """Whether a weight above 0 counts."""
        return not self.shut


class Returned(NamedTuple):
    """ROI, and the figures it is made of: net edges and LLM tokens over whole local days, and the yield of its type.

    `roi` is that of the last refresh, a day ago at most where ticks run; None: unproven.
    """

    roi: Decimal | None
    edges: Decimal
    tokens: Decimal
    prior: Decimal
    days: int
    first_day: date
    last_day: date


class Change(NamedTuple):
    """A revision, and the review that caused it if one did. Who joins other causes goes by the revision's own words."""

    revision: Revision
    review: Review | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What an entity may spend at a moment, what was refused, and who changed what (the last `LAST`, newest first)."""

    entity_type: str
    entity_id: str
    at: datetime
    envelope: Envelope | None
    lines: list[standings.Standing]
    grants: list[Grant]
    refusals: list[Refusal]
    changes: list[Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story(Means):
    """All that is on record of an entity at a moment. Of what goes on and on the last `LAST` are told."""

    policy: WorthPolicy
    usage: list[Used]
    score: Score | None
    score_reasons: list[str]
    assessments: list[Assessment]
    observations: dict[str, int]
    market: Market | None
    signals: list[Signal]
    returned: Returned
    outcomes: list[Outcome]
    review_lines: list[ReviewLine]
    pauses: list[Pause]
    alerts: list[Alert]

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is on record."""
        found: tuple[object, ...] = (self.envelope, self.usage, self.score, self.assessments, self.observations)
        return not any((*found, self.signals, self.outcomes, self.refusals))


def means(entity_type: str, entity_id: str, *, at: datetime) -> Means:
    """Return what an entity may spend as it stands, what was refused and who changed what; of no envelope, nothing."""
    return Means(**_means({"entity_type": entity_type, "entity_id": entity_id}, at))


def story(entity_type: str, entity_id: str, *, at: datetime) -> Story:
    """Return the whole story of an entity as it stands, in a number of queries that does not depend on how long it is.

    Of an entity about which nothing is on record it is empty, and says so: whether another app knows of it is for
    that app to say. It only reads.
    """
    named = {"entity_type": entity_type, "entity_id": entity_id}
    own = _means(named, at)
    envelope: Envelope | None = own["envelope"]
    policy = worth_policy.get()
    score = Score.objects.filter(**named, superseded_at=None).first()
    return Story(
        **own,
        policy=policy,
        usage=_used(named),
        score=score,
        score_reasons=score_words.explain(score) if score else [],
        assessments=list(Assessment.objects.filter(**named).order_by("component", "-pk").distinct("component")),
        observations=_observations(named),
        market=_market(envelope, policy, at) if envelope else None,
        signals=list(Signal.objects.filter(**named, at__lte=at).order_by("source", "-at", "-pk").distinct("source")),
        returned=_returned(named, envelope, policy, at),
        outcomes=list(Outcome.objects.filter(**named).order_by("-at", "-pk")[:LAST]),
        review_lines=_review_lines(envelope) if envelope else [],
        pauses=list(Pause.objects.filter(agent=None, ended_at=None)),
        alerts=_alerts(envelope) if envelope else [],
    )


def caused(entity_type: str, entity_id: str, *, kind: str, ids: Collection[str]) -> list[Change]:
    """Return the revisions of an entity's envelope that causes of a kind left, the newest first, however long ago."""
    of_entity = Revision.objects.filter(envelope__entity_type=entity_type, envelope__entity_id=entity_id)
    return [Change(one, None) for one in of_entity.filter(cause_kind=kind, cause_id__in=ids).order_by("-pk")]


def _means(named: dict[str, str], at: datetime) -> dict[str, Any]:
    envelope = Envelope.objects.filter(**named).first()
    lines = standings.of_envelopes([envelope.pk], at=at)[envelope.pk] if envelope else []
    return {
        **named,
        "at": at,
        "envelope": envelope,
        "lines": lines,
        "grants": _grants(lines),
        "refusals": list(Refusal.objects.filter(**named).select_related("line").order_by("-pk")[:LAST]),
        "changes": _changes(envelope) if envelope else [],
    }


def _grants(lines: Sequence[standings.Standing]) -> list[Grant]:
    """Return the grants that count in the present window of their line or in a later one."""
    starts = {line.window_kind: line.window_start for line in lines}
    if not starts:
        return []
    live = Q()
    for kind, start in starts.items():
        live |= Q(line__window_kind=kind, last_window__gte=start)
    own = Grant.objects.filter(live, line__in=[line.line_id for line in lines], ended_at=None)
    return list(own.select_related("line").order_by("pk"))


def _used(named: dict[str, str]) -> list[Used]:
    days = UsageDay.objects.filter(**named).values("resource_type").order_by("resource_type")
    sums = days.annotate(
        used=Sum("amount"), unpriced=Sum("unpriced_amount"), usd=Sum("cost"), last_day=Max("day")
    ).values_list("resource_type", "used", "unpriced", "usd", "last_day")
    return [Used(*row) for row in sums]


def _observations(named: dict[str, str]) -> dict[str, int]:
    """Return how many observations of each kind stand."""
    standing = Observation.objects.filter(**named, withdrawn_at=None).values("kind").order_by("kind")
    return {row["kind"]: row["number"] for row in standing.annotate(number=Count("pk"))}


def _market(envelope: Envelope, policy: WorthPolicy, at: datetime) -> Market:
    said = market.said(envelope.entity_type, envelope.entity_id, now=at)
    shut = market.shut(envelope, policy)
    return Market(envelope.market_weight, said.signal, said.confidence, said.signals, shut)


def _returned(named: dict[str, str], envelope: Envelope | None, policy: WorthPolicy, at: datetime) -> Returned:
    terms: dict[str, Any] = {**returns.terms(policy, now=at), **named}
    with connection.cursor() as cursor:
        cursor.execute(_RETURNED, terms)
        edges, tokens, prior, first_day, last_day = cursor.fetchone()
    roi = envelope.roi_score if envelope else None
    return Returned(roi, edges, tokens, prior, policy.roi_days, first_day, last_day)


def _review_lines(envelope: Envelope) -> list[ReviewLine]:
    looked = ReviewLine.objects.filter(envelope=envelope).select_related("review", "line")
    return list(looked.order_by("-review_id", "line_id")[:LAST])


def _alerts(envelope: Envelope) -> list[Alert]:
    return list(Alert.objects.filter(line__envelope=envelope).select_related("line").order_by("-pk")[:LAST])


def _changes(envelope: Envelope) -> list[Change]:
    """Return the last revisions but the market's, a step a day, with the reviews that caused some of them."""
    revisions = list(envelope.revisions.exclude(cause_kind="market").order_by("-pk")[:LAST])
    causes = {one.cause_id for one in revisions if one.cause_kind == "review" and one.cause_id.isdecimal()}
    reviews = {str(review.pk): review for review in Review.objects.filter(pk__in=causes)}
    return [Change(one, reviews.get(one.cause_id) if one.cause_kind == "review" else None) for one in revisions]
