"""Checks beside each other and beside people and programs: every alert once, every freeze once, nothing stuck."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg

from economics import envelopes, safety, standings
from economics.models import Alert, Envelope, Revision
from economics.safety import Checked
from tests import factories
from tests.factories import NOON, REVIEWER, after
from tests.races.crew import race, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 20
ENVELOPES = 5


def _checker(number: int) -> Checked:
    return safety.check(now=after(10 * number + 5))


def test_two_checks_at_once_raise_and_freeze_once() -> None:
    own = [[factories.envelope(tokens=1_000) for _ in range(ENVELOPES)] for _ in range(ROUNDS)]
    for batch in own:
        for envelope in batch:
            factories.record(envelope, 1_001, at=after(1))
    # A check sees all that is there; so that each round has its own work, the others' waits on a limit of their own.
    for batch in own[1:]:
        for envelope in batch:
            envelopes.change(envelope.pk, author=REVIEWER, now=NOON, token_budget=10_000)

    def lower(number: int) -> None:
        if number + 1 < ROUNDS:
            for envelope in own[number + 1]:
                envelopes.change(envelope.pk, author=REVIEWER, now=NOON, token_budget=1_000)

    def two(number: int) -> tuple[Checked, Checked]:
        return _checker(number), _checker(number)

    outcomes = race(two, two, two, lower, rounds=ROUNDS)

    done = [one for *checkers, _lower in outcomes for checker in checkers for one in checker.value]
    last = safety.check(now=after(1_000))
    assert sum(one.frozen for one in [*done, last]) == ENVELOPES * ROUNDS
    assert sum(one.raised for one in [*done, last]) == Alert.objects.count() == 3 * ENVELOPES * ROUNDS
    assert Alert.objects.filter(froze=True).count() == Envelope.objects.filter(state="frozen").count()
    assert Revision.objects.filter(changes__state=["active", "frozen"]).count() == ENVELOPES * ROUNDS
    assert safety.check(now=after(1_001)) == Checked()


def test_checks_beside_raises_and_spending_end_with_the_truth() -> None:
    """Whoever comes first, a check that begins when all is still leaves frozen exactly what is over."""
    factories.model()
    own = [factories.envelope(tokens=1_000) for _ in range(ENVELOPES)]

    def spend(number: int) -> None:
        for envelope in own:
            factories.record(envelope, 300, at=after(number))

    def change(number: int) -> None:
        for place, envelope in enumerate(reversed(own)):
            limit = 1_000 + 400 * ((number + place) % 3) * number
            envelopes.change(envelope.pk, author=REVIEWER, now=after(number), token_budget=limit)

    def grant(number: int) -> None:
        line = own[number % ENVELOPES].lines.get(resource_type="llm_tokens")
        envelopes.grant(line.pk, amount=Decimal(500), author=REVIEWER, now=after(number))

    deeds: list[Callable[[int], object]] = [_checker, _checker, spend, change, grant]
    race(*deeds, rounds=ROUNDS)

    safety.check(now=after(1_000))
    standing = standings.of_envelopes([envelope.pk for envelope in own], at=after(1_000))
    over = {
        pk: any(line.limit is not None and line.settled > line.limit for line in lines)
        for pk, lines in standing.items()
    }
    assert {envelope.pk: envelope.state == "frozen" for envelope in Envelope.objects.all()} == over
    for pk, lines in standing.items():
        (line,) = (line for line in lines if line.resource_type == "llm_tokens")
        live = Alert.objects.filter(line__envelope=pk, rearmed_at=None).values_list("threshold", flat=True)
        assert sorted(live) == [t for t in (50, 80, 100) if line.limit and line.settled * 100 >= line.limit * t]


def test_a_limit_raised_while_a_check_waits_is_seen_by_it(committed_db: str) -> None:
    """The check found the envelope over, waits for whoever is changing it, and then finds it is not over any more."""
    own = factories.envelope(tokens=1_000)
    factories.record(own, 1_200)
    with psycopg.connect(committed_db) as hold:
        hold.execute("UPDATE resource_budgets SET token_budget = 2000 WHERE id = %s", [own.pk])
        with stuck(lambda: safety.check(now=NOON), committed_db):
            hold.commit()
    assert not Revision.objects.filter(who="daily check").exists()
    assert safety.check(now=after(1)) == Checked(rearmed=2)
