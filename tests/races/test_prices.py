"""Usage is priced once and prices are set once, whoever does it at the same moment."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import Sum

from economics import catalog, metering, pricelists, unpriced
from economics.catalog import Rates
from economics.models import Counter, LanguageModel, Price, Usage, UsageDay
from economics.price_sources import ListPrice, PriceList
from tests import factories
from tests.factories import NOON, after
from tests.races.crew import race

if TYPE_CHECKING:
    from economics.models import Envelope

ROUNDS = 15


def _set(rate: int, name: str = "deep-1") -> Price:
    return catalog.set_price(
        resource_type="llm_tokens",
        name=name,
        rates=Rates(Decimal(rate), Decimal(rate)),
        effective_from=NOON,
        who="ann",
        now=NOON,
        tier="small",
    )


def _waiting(own: Envelope, number: int) -> list[int]:
    """Record so many uses, on several days, for which there is no price yet."""
    events = [factories.event(own, 10, at=after(-86_400 * (n % 3))) for n in range(number)]
    recorded = metering.record_many(events, agent_id="reporter", now=NOON)
    return [row.usage_id for row in recorded if row.usage_id is not None]


def test_the_queue_is_priced_once_while_it_is_corrected_and_grows() -> None:
    own = factories.envelope(tokens=10**9)
    ids = _waiting(own, 10 * ROUNDS)
    _set(3)

    def price(number: int) -> int:
        return unpriced.price_unpriced(now=after(number), limit=7)

    def correct(number: int) -> None:
        for pk in ids[number * 5 : number * 5 + 5]:
            metering.correct(pk, key="half", note="n", author="ann", now=NOON, amount=Decimal(5))

    def finish(number: int) -> None:
        for pk in reversed(ids[number * 5 : number * 5 + 5]):
            metering.correct(pk, key="rest", note="n", author="ann", now=NOON)

    def record(_number: int) -> None:
        _waiting(own, 5)

    race(price, price, price, correct, finish, record, rounds=ROUNDS)
    while unpriced.price_unpriced(now=NOON):
        pass
    assert not Usage.objects.filter(cost=None).exists()
    totals = Usage.objects.aggregate(amount=Sum("amount"), cost=Sum("cost"))
    assert totals["cost"] == 3 * totals["amount"]
    taken_back = Usage.objects.filter(corrects_id__isnull=False).aggregate(Sum("amount"))["amount__sum"]
    assert taken_back == -10 * 5 * ROUNDS
    fleet = Counter.objects.filter(line__envelope=None).aggregate(Sum("settled"))["settled__sum"]
    days = UsageDay.objects.aggregate(cost=Sum("cost"), waiting=Sum("unpriced_amount"))
    assert (fleet, days["cost"], days["waiting"]) == (totals["cost"], totals["cost"], 0)


def test_prices_of_one_moment_replace_each_other_and_one_stands() -> None:
    race(lambda n: _set(1, f"m-{n}").pk, lambda n: _set(2, f"m-{n}").pk, lambda n: _set(2, f"m-{n}").pk, rounds=ROUNDS)
    assert LanguageModel.objects.count() == ROUNDS
    assert Price.objects.filter(withdrawn_at=None).count() == ROUNDS


def test_a_list_applied_twice_at_once_is_applied_once() -> None:
    rows = [
        [ListPrice(f"m-{n}-{k}", "deep", NOON, Rates(Decimal(1), Decimal(1)), "list") for k in range(20)]
        for n in range(ROUNDS)
    ]
    lists = [PriceList("list", tuple(prices), ()) for prices in rows]
    digests = [pricelists.diff(listing, now=NOON).digest for listing in lists]

    def apply(number: int) -> int:
        applied = pricelists.apply(lists[number], digest=digests[number], who="ann", now=NOON)
        return len(applied.changes)

    for outcomes in race(apply, apply, apply, rounds=ROUNDS):
        assert sorted(outcome.value for outcome in outcomes) == [0, 0, 20]
    assert Price.objects.count() == 20 * ROUNDS


def test_a_list_is_applied_as_reviewed_or_not_at_all_while_prices_are_set() -> None:
    listing = [
        PriceList("l", (ListPrice(f"m-{n}", "d", NOON, Rates(Decimal(1), Decimal(1)), "l"),), ()) for n in range(ROUNDS)
    ]
    digests = [pricelists.diff(one, now=NOON).digest for one in listing]

    def apply(number: int) -> None:
        pricelists.apply(listing[number], digest=digests[number], who="ann", now=NOON)

    for number, outcomes in enumerate(race(apply, lambda n: _set(2, f"m-{n}").pk, rounds=ROUNDS)):
        assert outcomes[0].refusal in {"", "stale_price_list"}
        standing = Price.objects.get(name=f"m-{number}", withdrawn_at=None)
        assert standing.rate == 2
