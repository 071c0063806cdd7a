"""What tasks are worth: expected value from the parts that were stated, for all tasks at once, and why for one."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Final, NamedTuple

from django.db import connection

from auction.models import Task
from economics import envelopes
from economics.money import MOST_USD

NO_PRIORITY: Final = Decimal("0.5")  # of a task without an entity, or of an entity that has no priority yet: factor 1
_USD_STEP: Final = Decimal("1e-12")
_MOST: Final = MOST_USD - _USD_STEP  # what a column of USD holds
_DIGITS: Final = 60  # 27 of the value, 6 of the chance, 7 of the factor, and room

# Rows that somebody else is just changing are left to the next time: so this waits for nobody, whatever the order in
# which others lock tasks, and nobody who waits for it is waited for.
_SCORE_ALL: Final = f"""
WITH made AS (
    SELECT t.id, coalesce(p.priority, %(no_priority)s::numeric) AS priority,
           least(%(most)s::numeric, greatest(0, round(
               t.value_if_works_usd * coalesce(t.chance, 1) * (0.5 + coalesce(p.priority, %(no_priority)s::numeric))
               - coalesce(t.cost_usd, 0), 12))) AS value
      FROM auction_tasks t
      LEFT JOIN ({envelopes.PRIORITIES}) AS p ON p.entity_type = t.entity_type AND p.entity_id = t.entity_id
     WHERE t.state = 'open' AND t.value_if_works_usd IS NOT NULL
       AND (%(pool)s::text IS NULL OR t.quest_id IN (
               SELECT q.id FROM auction_quests q JOIN auction_pools o ON o.id = q.pool_id WHERE o.name = %(pool)s))
), changed AS (
    SELECT t.id, made.priority, made.value
      FROM auction_tasks t JOIN made USING (id)
     WHERE t.state = 'open' AND (t.scored_at IS NULL
           OR (t.expected_value_usd, t.priority_used) IS DISTINCT FROM (made.value, made.priority))
       FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE auction_tasks t SET expected_value_usd = c.value, priority_used = c.priority, scored_at = %(now)s
  FROM changed c WHERE t.id = c.id
"""  # noqa: S608 - a SELECT of ours


class Explanation(NamedTuple):
    """What a task is worth and what that is made of. `parts` are empty where the value is as stated."""

    value_usd: Decimal
    parts: dict[str, Decimal]
    formula: str
    sentence: str


def worth(
    value_if_works_usd: Decimal, *, chance: Decimal | None, cost_usd: Decimal | None, priority: Decimal
) -> Decimal:
    """Return the expected value in USD: max(0, value if it works · chance · (0.5 + priority) - cost), to 12 decimals.

    `priority` is that of its entity, 0 to 1; no chance is certain, no cost is 0. The same as `score_all` makes.
    """
    with localcontext(prec=_DIGITS):
        value = value_if_works_usd * (Decimal(1) if chance is None else chance) * (NO_PRIORITY + priority)
        value = (value - (cost_usd or 0)).quantize(_USD_STEP, ROUND_HALF_UP)
    return min(_MOST, max(Decimal(0), value))


def score_all(*, now: datetime, pool: str | None = None) -> int:
    """Make the expected value of every open task that states its parts; return how many changed. It only scores.

    With `pool` only tasks of the quests that bid there. A task whose value, priority and parts are as they were is not
    written; one that somebody is just changing is scored the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SCORE_ALL, {"now": now, "pool": pool, "no_priority": NO_PRIORITY, "most": _MOST})
        changed: int = cursor.rowcount
    return changed


def explain(task: Task) -> Explanation:
    """Return what a task is worth, from which parts, by which formula, and in a sentence; asks the database nothing."""
    stored = task.expected_value_usd
    if task.value_if_works_usd is None:
        return Explanation(stored, {}, "", f"Worth {_plain(stored)} USD, as stated.")
    priority = NO_PRIORITY if task.priority_used is None else task.priority_used
    made = worth(task.value_if_works_usd, chance=task.chance, cost_usd=task.cost_usd, priority=priority)
    parts = {
        "value_if_works_usd": task.value_if_works_usd,
        "chance": Decimal(1) if task.chance is None else task.chance,
        "priority": priority,
        "cost_usd": task.cost_usd or Decimal(0),
    }
    value, chance, _, cost = (_plain(part) for part in parts.values())
    formula = f"max(0, {value} · {chance} · (0.5 + {_plain(priority)}) - {cost}) = {_plain(made)}"
    if task.scored_at is None or made != stored:
        return Explanation(stored, parts, formula, f"Counts as {_plain(stored)} USD until it is scored anew.")
    return Explanation(stored, parts, formula, _sentence(task, made, priority))


def _sentence(task: Task, made: Decimal, priority: Decimal) -> str:
    chance = "for certain" if task.chance is None else f"with a chance of {_plain(task.chance)}"
    whose = f"of {task.entity_type} {task.entity_id}" if task.entity_type else "of a task without an entity"
    cost = f", less {_plain(task.cost_usd)} USD of cost" if task.cost_usd else ""
    return (
        f"Worth {_plain(made)} USD: {_plain(task.value_if_works_usd)} USD {chance}, times "
        f"{_plain(NO_PRIORITY + priority)} for the priority {_plain(priority)} {whose}{cost}."
    )


def _plain(number: Decimal | None) -> str:
    """Return a number without an exponent or trailing zeros."""
    text = f"{number or Decimal(0):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
