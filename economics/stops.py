"""What stops spending: an envelope frozen, an agent or the whole fleet paused, each by somebody and for a reason."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from config.models import Agent
from economics import errors, revisions
from economics.models import Envelope, Pause


def freeze(envelope_ids: Iterable[int], *, author: revisions.Author, now: datetime) -> int:
    """Freeze envelopes by a person's word: nothing is reserved on them until a person lifts it. Return how many.

    One that the daily check froze is a person's from now on. Refuses a freeze without a reason.
    """
    if not author.why:
        msg = "Say why."
        raise errors.BudgetInvalidError(msg, pointer="/why")
    with revisions.signed(author._replace(cause_kind=author.cause_kind or "freeze"), now=now):
        ids = _in_order(Envelope.objects.filter(pk__in=set(envelope_ids)))
        return Envelope.objects.filter(pk__in=ids).update(
            state=Envelope.State.FROZEN, state_reason=author.why, frozen_by_check=False, frozen_until=None
        )


def unfreeze(envelope_ids: Iterable[int], *, author: revisions.Author, now: datetime) -> int:
    """Lift a freeze, whoever set it; return how many envelopes were frozen. Each is again what it was before."""
    with revisions.signed(author._replace(cause_kind=author.cause_kind or "freeze"), now=now):
        return lift(_in_order(Envelope.objects.filter(pk__in=set(envelope_ids), state=Envelope.State.FROZEN)))


def lift(locked: Sequence[int]) -> int:
    """Give frozen envelopes, locked by the caller, the state and reason they had before; return how many.

    The revision of the freeze tells what that was. One that is capped again is not lifted by any market weight it
    was given meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE resource_budgets b
               SET state = coalesce(r.state, 'active'), state_reason = coalesce(r.reason, ''),
                   frozen_by_check = false, frozen_until = NULL,
                   market_weight = CASE r.state WHEN 'capped' THEN least(b.market_weight, 0) ELSE b.market_weight END
              FROM unnest(%s::bigint[]) AS f(id) LEFT JOIN LATERAL (
                   SELECT changes->'state'->>0 AS state, changes->'state_reason'->>0 AS reason
                     FROM economics_revisions WHERE envelope_id = f.id AND changes->'state'->>1 = 'frozen'
                    ORDER BY id DESC LIMIT 1) AS r ON true
             WHERE b.id = f.id AND b.state = 'frozen'
            """,
            [list(locked)],
        )
        lifted: int = cursor.rowcount
    return lifted


def _in_order(envelopes: QuerySet[Envelope]) -> list[int]:
    """Lock these envelopes in the order of their ids."""
    return list(envelopes.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def pause(*, author: revisions.Author, now: datetime, agent: Agent | None = None) -> Pause:
    """Stop the fleet, or one agent, from reserving anything from the next call on, for the reason the author gives.

    Refuses a pause without a reason and a second one.
    """
    if not author.why:
        msg = "Say why."
        raise errors.BudgetInvalidError(msg, pointer="/why")
    try:
        with transaction.atomic():
            return Pause.objects.create(agent=agent, reason=author.why, began_at=now, began_by=author.who)
    except IntegrityError as error:
        raise errors.AlreadyPausedError(agent_id=agent.pk if agent else None) from error


def resume(*, author: revisions.Author, now: datetime, agent: Agent | None = None) -> bool:
    """End the pause of the fleet, or of one agent; return whether there was one."""
    live = Pause.objects.filter(agent=agent, ended_at=None)
    return bool(live.update(ended_at=now, ended_by=author.who))
