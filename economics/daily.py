"""The daily review: spend held against the ceilings, and what the day before came to, on record."""

from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from economics import safety, worth_policy
from economics.models import Review

_BY: Final = "policy"

# Whoever comes second would find nothing left to check, be done first, and undo what the first one checked.
_ALONE: Final = "SELECT pg_advisory_xact_lock(7303, 1)"
_DAY: Final = """
SELECT d.day, economics_first_moment(d.day, zone), economics_first_moment(d.day + interval '1 day', zone)
  FROM economics_policy, LATERAL (SELECT (%(now)s AT TIME ZONE zone)::date - 1) AS d(day) WHERE id = 1
"""
_FIGURES: Final = """
SELECT json_build_object(
    'usd', (SELECT trim_scale(coalesce(sum(cost), 0))::text FROM economics_usage_days WHERE day = %(day)s),
    'usd_cap', (SELECT trim_scale(fleet_daily_usd)::text FROM economics_policy WHERE id = 1),
    'llm_tokens', (SELECT trim_scale(coalesce(sum(amount), 0)) FROM economics_usage_days
                    WHERE day = %(day)s AND resource_type = 'llm_tokens'),
    'unpriced_llm_tokens', (SELECT trim_scale(coalesce(sum(unpriced_amount), 0)) FROM economics_usage_days
                             WHERE day = %(day)s AND resource_type = 'llm_tokens'),
    'events', (SELECT coalesce(sum(events), 0) FROM economics_usage_days WHERE day = %(day)s),
    'refused', (SELECT coalesce(sum(times), 0) FROM economics_refusals
                 WHERE minute >= %(begun)s AND minute < %(ended)s),
    'alerts', (SELECT count(*) FROM economics_alerts WHERE raised_at >= %(begun)s AND raised_at < %(ended)s),
    'frozen_by_the_check', (SELECT count(*) FROM resource_budgets WHERE state = 'frozen' AND frozen_by_check),
    'frozen_by_a_person', (SELECT count(*) FROM resource_budgets WHERE state = 'frozen' AND NOT frozen_by_check),
    'spent_most', (SELECT coalesce(json_agg(json_build_object('entity', entity, 'usd', usd::text, 'llm_tokens', tokens)
                                            ORDER BY usd DESC, tokens DESC, entity), '[]')
                     FROM (SELECT entity_type || ':' || entity_id AS entity, trim_scale(sum(cost)) AS usd,
                                  trim_scale(coalesce(sum(amount) FILTER (WHERE resource_type = 'llm_tokens'), 0))
                                  AS tokens
                             FROM economics_usage_days WHERE day = %(day)s GROUP BY entity_type, entity_id
                            ORDER BY sum(cost) DESC, 3 DESC, 1 LIMIT 10) AS most))
"""


def review(*, now: datetime) -> Review:
    """Check spend, then put on record what the last whole day came to; return the record, the first one if there is.

    Figures: USD and LLM tokens used (of these unpriced), events, refusals and alerts of that day in the policy's zone,
    envelopes frozen at present, and the ten entities that spent most. Days missed in an outage are not made up.
    """
    terms: dict[str, Any] = {"now": now}
    with connection.cursor() as cursor:
        cursor.execute(_DAY, terms)
        terms["day"], terms["begun"], terms["ended"] = cursor.fetchone()
        known = Review.objects.filter(kind="daily", period=terms["day"])
        if (existing := known.first()) is not None:
            return existing
        with transaction.atomic():
            cursor.execute(_ALONE)
            if (existing := known.first()) is not None:  # somebody was faster
                return existing
            checked = safety.check(now=now)
            cursor.execute(_FIGURES, terms)
            (figures,) = cursor.fetchone()
            return Review.objects.create(
                kind="daily",
                period=terms["day"],
                state=Review.State.APPLIED,
                policy=worth_policy.get(),
                drafted_at=now,
                drafted_by=_BY,
                decided_at=now,
                decided_by=_BY,
                figures={**figures, "check": checked._asdict()},
            )
