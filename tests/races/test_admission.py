"""Sixty-four processes ask at one moment: nothing is overshot, and nobody is refused who has room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import transaction

from economics import admission, budget_policy, envelopes, recount, stops
from economics.models import DefaultEnvelope, Envelope, Refusal, Reservation, Revision, Usage
from tests import factories
from tests.factories import NOON, REVIEWER, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent
    from tests.races.crew import Outcome

CROWD: Final = 64
MIDNIGHT: Final = datetime(2026, 3, 3, tzinfo=UTC)


class Answer(NamedTuple):
    """What an ask came to: the reservation, or the code and figures of its refusal."""

    reservation: int | None
    code: str
    figures: dict[str, Any]


def _reserve(of: Envelope, tokens: int, by: Agent, *, at: datetime = NOON, **terms: Any) -> Answer:
    seconds = terms.pop("seconds", None)
    got = admission.reserve(factories.ask(of, tokens, **terms), agent_id=by.pk, now=at, seconds=seconds)
    if isinstance(got, Reservation):
        return Answer(got.pk, "", {})
    return Answer(None, got.code, dict(got.figures))


def _spent(tokens: int) -> admission.Spent:
    return admission.Spent(amount=Decimal(tokens))


def _asking(
    envelopes_: list[Envelope], sizes: list[int], agents: list[Agent], **terms: Any
) -> list[Callable[[int], Answer]]:
    """Return a deed for each agent: to ask for its size of tokens in each round, on the envelope of that round."""

    def ask(place: int) -> Callable[[int], Answer]:
        return lambda number: _reserve(envelopes_[number], sizes[place], agents[place], **terms)

    return [ask(place) for place in range(len(agents))]


@transaction.atomic
def _crowd(number: int = CROWD) -> list[Agent]:
    """Return so many agents, in a world with a free model and a dear one of the same tier, and a free small one."""
    factories.model(rate="0", output_rate="0")
    factories.model("dear-1", rate="0.01", output_rate="0.01")
    factories.model("quick-1", tier="small", rate="0", output_rate="0")
    return [factories.agent() for _ in range(number)]


@transaction.atomic
def _envelopes(*limits: int, tier: int | None = None) -> list[Envelope]:
    made = [factories.envelope(tokens=limit) for limit in limits]
    for own in made if tier is not None else []:
        factories.line(own, tier)
    return made


def _values(outcomes: list[Outcome]) -> list[Answer]:
    """Return the answers of a round; an ask is never refused by an exception."""
    assert [outcome.refusal for outcome in outcomes] == [""] * len(outcomes)
    return [outcome.value for outcome in outcomes]


def _had_no_room(refused: Answer) -> bool:
    """Tell whether the line that refused had no room by its own figures."""
    f = refused.figures
    return bool(f["limit"] < f["settled"] + f["held"] + f["asked"])


@pytest.mark.parametrize("room", [[1, 7], [31, 63], [64, 65]])
def test_as_many_are_admitted_as_there_is_room_for(room: list[int]) -> None:
    agents = _crowd()
    own = _envelopes(*(10 * places for places in room))

    outcomes = race(*_asking(own, [10] * CROWD, agents), rounds=len(room))

    for places, envelope, answers in zip(room, own, map(_values, outcomes), strict=True):
        admitted = [one for one in answers if one.reservation]
        refused = [one for one in answers if not one.reservation]
        assert len(admitted) == min(places, CROWD)
        assert factories.figures(envelope).held == 10 * len(admitted)
        assert {one.code for one in refused} <= {"budget_exhausted"}
        assert all(map(_had_no_room, refused))
    assert Refusal.objects.count() == sum(max(0, CROWD - places) for places in room)


def test_asks_of_all_sizes_never_pass_the_limit_and_only_those_too_large_are_refused() -> None:
    """1 to 64 tokens, 2,080 in all, on ceilings of 1,000 and 2,079."""
    agents = _crowd()
    own = _envelopes(1_000, 2_079)
    sizes = [(37 * place) % CROWD + 1 for place in range(CROWD)]
    assert sum(sizes) == 2_080

    outcomes = race(*_asking(own, sizes, agents), rounds=2)

    for envelope, answers in zip(own, map(_values, outcomes), strict=True):
        held = sum(size for size, one in zip(sizes, answers, strict=True) if one.reservation)
        stands = factories.figures(envelope)
        assert stands.held == held <= stands.limit
        refused = [(size, one) for size, one in zip(sizes, answers, strict=True) if not one.reservation]
        assert refused
        assert all(_had_no_room(one) for _size, one in refused)
        assert all(size > stands.remaining for size, _one in refused)  # nobody gave anything back


def test_a_line_of_a_tier_refuses_its_own_and_nobody_else() -> None:
    """32 of each tier ask for 10 of 1,000; the frontier has 300."""
    agents = _crowd()
    own = _envelopes(1_000, 1_000, tier=300)

    def ask(place: int) -> Callable[[int], Answer]:
        model = "deep-1" if place % 2 else "quick-1"
        return lambda number: _reserve(own[number], 10, agents[place], model=model)

    outcomes = race(*(ask(place) for place in range(CROWD)), rounds=len(own))

    for envelope, answers in zip(own, map(_values, outcomes), strict=True):
        assert [one.code for one in answers[::2]] == [""] * 32
        assert sorted(one.code for one in answers[1::2]) == [*[""] * 30, *["budget_exhausted"] * 2]
        assert {one.figures.get("line") for one in answers if one.code} == {"llm_tokens frontier per day"}
        assert factories.figures(envelope) == (1_000, 0, 620, 380)
        assert factories.figures(envelope, tier="frontier") == (300, 0, 300, 0)


def test_a_total_that_is_exhausted_refuses_all_tiers_alike() -> None:
    agents = _crowd()
    own = _envelopes(400, tier=300)

    def ask(place: int) -> Callable[[int], Answer]:
        model = "deep-1" if place % 2 else "quick-1"
        return lambda number: _reserve(own[number], 10, agents[place], model=model)

    (outcomes,) = race(*(ask(place) for place in range(CROWD)), rounds=1)

    answers = _values(outcomes)
    assert sum(1 for one in answers if one.reservation) == 40
    assert all(_had_no_room(one) for one in answers if one.code)
    assert factories.figures(own[0]).held == 400


def test_the_fleets_dollars_are_not_overshot_by_envelopes_that_have_room() -> None:
    """64 envelopes with room for all; 10 tokens of the dear model cost 0.1 USD, and the fleet has 2.5."""
    agents = _crowd()
    own = _envelopes(*[1_000] * CROWD)
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("2.5"))

    def ask(place: int) -> Callable[[int], Answer]:
        return lambda _number: _reserve(own[place], 10, agents[place], model="dear-1")

    (outcomes,) = race(*(ask(place) for place in range(CROWD)), rounds=1)

    answers = _values(outcomes)
    assert sum(1 for one in answers if one.reservation) == 25
    assert {one.code for one in answers} == {"", "fleet_budget_exhausted"}
    assert factories.figures(None) == (Decimal("2.5"), 0, Decimal("2.5"), 0)


def test_rooms_that_come_back_are_taken_and_none_twice() -> None:
    """16 agents reserve and give back or settle, over and over, where only eight fit at a time."""
    agents = _crowd(16)
    (own,) = _envelopes(1_000_080)

    def work(place: int) -> Callable[[int], list[Answer]]:
        def deed(number: int) -> list[Answer]:
            answers = []
            for turn in range(5):
                got = _reserve(own, 10, agents[place], at=after(number))
                answers.append(got)
                if got.reservation and (place + turn) % 2:
                    admission.release(got.reservation, now=after(number))
                elif got.reservation:
                    admission.settle(got.reservation, _spent(5), now=after(number))
            return answers

        return deed

    factories.record(own, 1_000_000 - 16 * 5 * 6 * 5)  # as much as all could settle is left, and 80 more
    outcomes = race(*(work(place) for place in range(16)), rounds=6)

    answers = [one for outcomes_ in outcomes for outcome in outcomes_ for one in outcome.value]
    assert all(_had_no_room(one) for one in answers if one.code)
    settled = Usage.objects.filter(reservation_id__isnull=False).count()
    assert factories.figures(own).settled == 1_000_000 - 2_400 + 5 * settled
    assert factories.figures(own).held == 0


def test_a_new_window_is_open_to_everybody_at_once() -> None:
    """The day is full; the first moment of the next one admits as many as fit into it, and no clock matters but now."""
    agents = _crowd(32)
    (own,) = _envelopes(100)
    factories.reserve(own, 100, at=MIDNIGHT - timedelta(seconds=1), by=agents[0])

    def ask(place: int) -> Callable[[int], Answer]:
        at = MIDNIGHT if place % 2 else MIDNIGHT - timedelta(microseconds=1)
        return lambda _number: _reserve(own, 10, agents[place], at=at)

    (outcomes,) = race(*(ask(place) for place in range(32)), rounds=1)

    answers = _values(outcomes)
    assert [one.code for one in answers[::2]] == ["budget_exhausted"] * 16
    assert sorted(one.code for one in answers[1::2]) == [*[""] * 10, *["budget_exhausted"] * 6]
    assert factories.figures(own, at=MIDNIGHT) == (100, 0, 100, 0)


# Ends


def _held(rounds: int) -> tuple[Envelope, list[int]]:
    """Return an envelope with a reservation of 10 tokens for each round, which ends with its round."""
    agents = _crowd(1)
    (own,) = _envelopes(10_000)
    with transaction.atomic():
        held = [factories.reserve(own, 10, by=agents[0], lives=60 + n, model="dear-1").pk for n in range(rounds)]
    return own, held


def _settle(held: list[int], tokens: int) -> Callable[[int], int]:
    return lambda number: int(admission.settle(held[number], _spent(tokens), now=after(60 + number)).amount)


def _release(held: list[int]) -> Callable[[int], str]:
    return lambda number: admission.release(held[number], now=after(60 + number)).state


def _sweep(number: int) -> int:
    return admission.expire(now=after(60 + number))


def test_a_settlement_that_meets_the_sweeper_is_charged_once() -> None:
    rounds = 40
    own, held = _held(rounds)
    outcomes = race(_settle(held, 7), _sweep, _settle(held, 7), _sweep, rounds=rounds)
    assert [(one.value, other.value) for one, _swept, other, _too in outcomes] == [(7, 7)] * rounds
    assert set(Reservation.objects.values_list("state", "settled_late")) == {("settled", True)}
    swept = sum(outcome.value for round_ in outcomes for outcome in round_[1::2])
    assert 0 < swept < rounds  # each was first at times
    assert factories.figures(own) == (10_000, 7 * rounds, 0, 10_000 - 7 * rounds)
    assert factories.figures(None).settled == Decimal("0.07") * rounds


def test_a_reservation_is_settled_or_released_and_never_both() -> None:
    rounds = 40
    own, held = _held(rounds)
    outcomes = race(_settle(held, 7), _release(held), rounds=rounds)
    ends = [(settle.refusal, release.refusal) for settle, release in outcomes]
    assert set(ends) <= {("", "reservation_settled"), ("reservation_released", "")}
    settled = sum(1 for settle, _release in ends if not settle)
    assert 0 < settled < rounds
    assert factories.figures(own) == (10_000, 7 * settled, 0, 10_000 - 7 * settled)
    assert Usage.objects.count() == settled


def test_of_two_settlements_with_other_figures_one_stands() -> None:
    rounds = 40
    own, held = _held(rounds)
    outcomes = race(_settle(held, 7), _settle(held, 8), _settle(held, 7), rounds=rounds)
    for seven, eight, other_seven in outcomes:
        codes = (seven.refusal, eight.refusal, other_seven.refusal)
        assert codes in {("", "reservation_settled_otherwise", ""), ("reservation_settled_otherwise", "", codes[0])}
    assert Usage.objects.count() == rounds
    assert factories.figures(own).held == 0


def test_a_release_that_meets_the_sweeper_gives_back_once() -> None:
    rounds = 40
    own, held = _held(rounds)
    outcomes = race(_release(held), _sweep, _release(held), rounds=rounds)
    assert {outcome.value for release, _swept, other in outcomes for outcome in (release, other)} <= {
        "released",
        "expired",
    }
    assert factories.figures(own) == (10_000, 0, 0, 10_000)
    assert factories.figures(None).held == 0


def test_holds_whose_time_is_over_make_room_for_a_crowd() -> None:
    """64 holds are overdue and nobody has swept; 64 others ask for their places, and all of them get one."""
    agents = _crowd()
    own = _envelopes(640, 640)
    with transaction.atomic():
        for envelope in own:
            for one in agents:
                factories.reserve(envelope, 10, by=one, lives=60, model="dear-1")

    def sweep(_number: int) -> Answer:
        admission.expire(now=after(60))
        return Answer(None, "", {})

    asking = _asking(own, [10] * CROWD, agents, at=after(60), seconds=9_000)
    outcomes = race(*asking, sweep, rounds=2)

    assert [one.code for answers in map(_values, outcomes) for one in answers] == [""] * (CROWD + 1) * 2
    assert [factories.figures(envelope).held for envelope in own] == [640, 640]
    assert Reservation.objects.filter(state="expired").count() == 2 * CROWD


# While somebody changes the rules


def test_a_limit_that_is_lowered_or_raised_meanwhile_is_the_old_one_or_the_new_one() -> None:
    agents = _crowd(24)
    own = _envelopes(*[240, 100] * 3)

    def change(number: int) -> Answer:
        limit = 340 - own[number].token_budget
        envelopes.change(own[number].pk, author=REVIEWER, now=NOON, token_budget=limit)
        return Answer(None, "", {})

    outcomes = race(*_asking(own, [10] * 24, agents), change, rounds=len(own))

    for envelope, answers in zip(own, map(_values, outcomes), strict=True):
        refused = [one for one in answers if one.code]
        assert all(map(_had_no_room, refused))
        assert {one.figures["limit"] for one in refused} <= {100, 240}
        assert 100 <= factories.figures(envelope).held <= 240


def test_a_freeze_or_pause_binds_from_the_next_call_on() -> None:
    agents = _crowd(24)
    own = _envelopes(*[10_000] * 6)

    def stop(number: int) -> list[Answer]:
        """Freeze, or pause the fleet, and ask at once; then let the others go on."""
        if number % 2:
            stops.freeze([own[number].pk], author=REVIEWER, now=NOON)
            return [_reserve(own[number], 10, agents[0])]
        stops.pause(author=REVIEWER, now=NOON)
        got = _reserve(own[number], 10, agents[0])
        stops.resume(author=REVIEWER, now=NOON)
        return [got, _reserve(own[number], 10, agents[0])]

    outcomes = race(stop, *_asking(own, [10] * 24, agents), rounds=len(own))

    for number, (stopped, *others) in enumerate(outcomes):
        code = "envelope_frozen" if number % 2 else "fleet_paused"
        assert [one.code for one in stopped.value] == ([code] if number % 2 else [code, ""])
        answers = _values(others)
        assert {one.code for one in answers} <= {"", code}
        held = sum(1 for one in [*answers, *stopped.value] if one.reservation)
        assert factories.figures(own[number]).held == 10 * held


def test_a_line_that_opens_meanwhile_counts_everything() -> None:
    """Holds and usage from before its birth and after it; from then on it binds."""
    agents = _crowd(16)
    own = _envelopes(*[10_000] * 8)

    def open_line(number: int) -> Answer:
        line = envelopes.set_line(
            own[number].pk,
            resource_type="llm_tokens",
            qualifier="frontier",
            window_kind="day",
            base=Decimal(200),
            author=REVIEWER,
            now=NOON,
        )
        return Answer(line.pk, "", {})

    def use(number: int) -> Answer:
        factories.record(own[number], 5, event_id=f"{number}")
        got = _reserve(own[number], 5, agents[0])
        if got.reservation:
            admission.settle(got.reservation, _spent(5), now=NOON)
        return got

    outcomes = race(open_line, use, *_asking(own, [20] * 16, agents), rounds=len(own))

    for envelope, answers in zip(own, map(_values, outcomes), strict=True):
        tier, total = factories.figures(envelope, tier="frontier"), factories.figures(envelope)
        assert (tier.settled, tier.held) == (total.settled, total.held)
        assert all(map(_had_no_room, (one for one in answers if one.code)))
        assert tier.remaining < 20 or not any(one.code for one in answers)


def test_a_default_envelope_is_opened_once_by_sixteen() -> None:
    agents = _crowd(16)
    DefaultEnvelope.objects.create(pk="analysis", window_kind="day", token_budget=100)
    unborn = [Envelope(entity_type="analysis", entity_id=f"a{number}") for number in range(6)]

    outcomes = race(*_asking(unborn, [10] * 16, agents), rounds=len(unborn))

    for answers in map(_values, outcomes):
        assert sorted(one.code for one in answers) == [*[""] * 10, *["budget_exhausted"] * 6]
    made = Envelope.objects.filter(entity_type="analysis")
    assert made.count() == len(unborn)
    assert Revision.objects.filter(envelope__in=made).count() == len(unborn)


def test_an_envelope_is_opened_once_whoever_asks() -> None:
    def start(number: int) -> int:
        return factories.envelope(f"h-{number}").pk

    def put(number: int) -> str:
        row = {"entity_type": "hypothesis", "entity_id": f"h-{number}", "token_budget": 1_000}
        return str(envelopes.put_many([row], author=REVIEWER, now=NOON))

    outcomes = race(start, start, put, put, rounds=20)

    for starts in outcomes:
        assert {outcome.refusal for outcome in starts} <= {"", "envelope_exists"}
    assert Envelope.objects.count() == 20


def test_the_calendar_may_change_under_a_crowd() -> None:
    agents = _crowd(16)
    own = _envelopes(*[10_000] * 6)
    zones = ["America/New_York", "Asia/Kathmandu", "UTC"]

    def move(number: int) -> None:
        budget_policy.change(author=REVIEWER, now=NOON, zone=zones[number % 3], week_starts_on=number % 7 + 1)

    def work(place: int) -> Callable[[int], int]:
        def deed(number: int) -> int:
            got = _reserve(own[number], 10, agents[place], at=after(3_600 * place), model="dear-1")
            assert got.reservation
            if place % 3 == 0:
                admission.settle(got.reservation, _spent(7), now=after(90_000))
            elif place % 3 == 1:
                admission.release(got.reservation, now=after(90_000))
            return got.reservation

        return deed

    race(move, *(work(place) for place in range(16)), rounds=len(own))

    assert recount.differences(since=None) == []
    assert Reservation.objects.filter(state="open").count() == 5 * len(own)


@pytest.mark.parametrize("first", ["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"])
def test_any_class_may_be_the_first_that_a_session_asks_for(first: str) -> None:
    """Plans are made on first use, and must not need what only a call of another class would have left behind."""
    (by,) = _crowd(1)
    provider = "pubmed" if first == "api_calls" else ""
    if first != "llm_tokens":
        factories.price(provider, resource_type=first, rate="0.01")
    own = factories.envelope(cpu_budget=Decimal(60), storage_budget_gb=Decimal(2), api_call_budget=10)

    def reserve(_number: int) -> Answer:
        return _reserve(own, 3, by, resource_type=first, provider=provider)

    ((reserved,),) = race(reserve, rounds=1)
    ((settled,),) = race(
        lambda _number: int(admission.settle(reserved.value.reservation, _spent(2), now=after(1)).amount), rounds=1
    )
    assert settled.value == 2
