"""Slots start on an envelope that others use and change meanwhile: none passes its limit, none is refused in vain."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import transaction

from auction import batches, clearing, runs, settlement
from auction.models import Clear, Pool, Slot, Task
from economics import admission, envelopes
from economics.errors import AdmissionRefusedError
from economics.models import Account, Envelope, Reservation, Usage
from tests import factories
from tests.factories import NOON, REVIEWER, after
from tests.races.crew import race

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 15
COST: Final = 300


class Started(NamedTuple):
    """What a start came to, with the figures of its refusal."""

    state: str
    figures: dict[str, Any]


def _start(clear: Clear) -> Started:
    got = runs.start(clear.slot_id, runner=factories.runner(clear), now=after(1))
    if isinstance(got, AdmissionRefusedError):
        return Started("blocked", dict(got.figures))
    return Started(got.state, {})


def _had_no_room(refused: Started) -> bool:
    """Tell whether the line that refused had no room by its own figures."""
    f = refused.figures
    return bool(f["limit"] < f["settled"] + f["held"] + f["asked"])


def _sold(owners: list[Account], of: Envelope, into: Pool) -> list[Clear]:
    """Sell each of these wallets a slot for a task of the envelope's entity."""
    factories.slots(into, len(owners))
    for owner in owners:
        work = factories.task(owner, entity_type=of.entity_type, entity_id=of.entity_id)
        Task.objects.filter(pk=work.pk).update(expected_cost_tokens=COST, model="deep-1")
        factories.bid(owner, 100, into, work=work)
    done = clearing.clear_round(NOON, into.name)
    return list(done.clears.select_related("account", "pool", "winning_task").order_by("pk"))


@transaction.atomic
def _markets(owners: int, *, tokens: int = 1000, same: bool = False) -> list[tuple[Envelope, list[Clear]]]:
    """Return an envelope for each round and slots sold for its entity, to as many wallets or all to one."""
    factories.model(rate="0", output_rate="0")
    made = []
    for _ in range(ROUNDS):
        own = factories.envelope(tokens=tokens)
        one = factories.wallet(10_000)
        wallets = [one if same else factories.wallet(10_000) for _ in range(owners)]
        made.append((own, _sold(wallets, own, factories.pool(lease_seconds=60))))
    return made


def _starting(markets: list[tuple[Envelope, list[Clear]]], places: int) -> list[Callable[[int], Started]]:
    def begin(place: int) -> Callable[[int], Started]:
        return lambda number: _start(markets[number][1][place])

    return [begin(place) for place in range(places)]


def test_as_many_start_as_the_envelope_has_room_for() -> None:
    markets = _markets(6)
    for (own, clears), outcomes in zip(markets, race(*_starting(markets, 6), rounds=ROUNDS), strict=True):
        said = [one.value for one in outcomes]
        assert sorted(one.state for one in said) == ["blocked"] * 3 + ["running"] * 3
        assert all(_had_no_room(one) for one in said if one.state == "blocked")
        assert factories.figures(own).held == 3 * COST
        blocked = [clear for clear, one in zip(clears, said, strict=True) if one.state == "blocked"]
        assert Slot.objects.filter(offers_again__in=[clear.slot_id for clear in blocked], state="open").count() == 3
        assert not Account.objects.filter(pk__in=[clear.account_id for clear in blocked]).exclude(held=0).exists()


def test_an_envelope_that_shrinks_meanwhile_admits_no_more_than_it_has() -> None:
    markets = _markets(5)

    def shrink(number: int) -> int:
        return envelopes.change(markets[number][0].pk, author=REVIEWER, now=after(1), token_budget=700).token_budget

    for (own, _clears), (*outcomes, _shrunk) in zip(
        markets, race(*_starting(markets, 5), shrink, rounds=ROUNDS), strict=True
    ):
        said = [one.value for one in outcomes]
        running = sum(one.state == "running" for one in said)
        # Three fitted in before it shrank, two after: holds stand, and nobody is refused who had room.
        assert running in {2, 3}
        assert factories.figures(own).held == running * COST
        assert all(_had_no_room(one) for one in said if one.state == "blocked")


def test_starts_finishes_lapses_and_bids_of_one_wallet_take_turns() -> None:
    markets = _markets(4, tokens=2 * COST, same=True)
    for _own, clears in markets:
        for clear in clears[:2]:
            factories.started(clear)

    def finish(number: int) -> str:
        clear = markets[number][1][0]
        return settlement.finish(clear.slot_id, actual_cost_tokens=COST, now=after(1)).state

    def lapse(_number: int) -> int:
        return settlement.sweep(now=after(60))["lapsed"]

    def batch(number: int) -> list[str]:
        clears = markets[number][1]
        offers = [batches.Offer(clear.winning_task_id, 10, after(3600)) for clear in clears]
        placed = batches.place_bids(offers, now=after(1), pool=clears[0].pool.name)
        return [one.refusal.code if one.refusal else "placed" for one in placed]

    def expire(_number: int) -> int:
        return admission.expire(now=after(61))

    starts = _starting(markets, 4)[2:]
    race(finish, *starts, batch, batch, lapse, expire, rounds=ROUNDS)
    for own, clears in markets:
        states = dict(Clear.objects.filter(pk__in=[clear.pk for clear in clears]).values_list("pk", "state"))
        assert states[clears[0].pk] in {"finished", "lapsed"}
        booked = Usage.objects.filter(slot_id=clears[0].slot_id).count()
        assert booked == (states[clears[0].pk] == "finished")
        running = Reservation.objects.filter(envelope=own, state="open")
        assert factories.figures(own).held == sum(one.amount for one in running)


def test_a_heartbeat_keeps_a_reservation_or_comes_after_its_end() -> None:
    markets = _markets(1)
    clears = [factories.started(clears[0], at=after(1)) for _own, clears in markets]

    def beat(number: int) -> str:
        clear = clears[number]
        return runs.heartbeat(clear.slot_id, runner=factories.runner(clear), now=after(60.9)).state

    def expire(number: int) -> int:
        held = Reservation.objects.filter(slot_id=clears[number].slot_id, state="open", expires_at__lte=after(61))
        return admission.release_open(list(held.values_list("pk", flat=True)), now=after(61))

    for clear, (beaten, _ended) in zip(clears, race(beat, expire, rounds=ROUNDS), strict=True):
        held = Reservation.objects.get(pk=clear.reservation_id or 0)
        assert beaten.value == "running"
        assert (held.state, held.expires_at) in [
            ("open", after(120.9)),
            ("released", after(61)),
            ("released", after(120.9)),
        ]
        assert factories.figures(held.envelope).held == (COST if held.state == "open" else 0)


def test_what_its_runner_settles_by_hand_as_the_slot_finishes_is_booked_once() -> None:
    markets = _markets(1)
    clears = [factories.started(clears[0]) for _own, clears in markets]

    def finish(number: int) -> str:
        return settlement.finish(clears[number].slot_id, actual_cost_tokens=200, now=after(1), model="deep-1").state

    def by_hand(number: int) -> int:
        spent = admission.Spent(amount=Decimal(120))
        return admission.settle(clears[number].reservation_id or 0, spent, now=after(1)).pk

    for clear, (finished, settled) in zip(clears, race(finish, by_hand, rounds=ROUNDS), strict=True):
        amounts = [int(one) for one in Usage.objects.filter(slot_id=clear.slot_id).values_list("amount", flat=True)]
        assert finished.value == "finished"
        if settled.refusal:
            assert (settled.refusal, amounts) == ("settled_otherwise", [200])
        else:
            assert sorted(amounts) == [80, 120]
