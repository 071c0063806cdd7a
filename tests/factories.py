"""Things a test needs, made by the rules themselves with defaults that a reader can do sums with.

The clock of a test is virtual: it starts at `NOON` and `after(seconds)` names a later moment.
"""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.db import transaction

from auction import backlog, clearing, order_book, payouts, pools, runs, settlement
from auction.models import Bid, Clear, Need, Payout, Pool, Quest, Round, Slot, Task
from config.models import Agent
from economics import (
    admission,
    envelopes,
    ledger,
    metering,
    mint,
    observations,
    outcomes,
    revisions,
    scores,
    scoring,
    standings,
    stops,
)
from economics.events import Event
from economics.models import (
    Alert,
    DefaultEnvelope,
    Envelope,
    LanguageModel,
    Line,
    Pause,
    Price,
    Refusal,
    Reservation,
    Tier,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from config.errors import RefusedError
    from economics.models import Account, Assessment, DailyIssue, Grant, Observation, Outcome

NOON: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
NEW_YEAR: Final = datetime(2026, 1, 1, tzinfo=UTC)  # when the list prices of tests begin
REVIEWER: Final = revisions.Author("ada", "as agreed")
_numbers = itertools.count(1)


def after(seconds: float) -> datetime:
    """Return the moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@contextlib.contextmanager
def refused(kind: type[RefusedError]) -> Iterator[pytest.ExceptionInfo[RefusedError]]:
    """Expect a deed to be refused, in a savepoint as interfaces have one: the test's transaction goes on."""
    with pytest.raises(kind) as refusal, transaction.atomic():
        yield refusal


def agent(name: str = "", *, kind: str = Agent.Kind.WORKER) -> Agent:
    """Return a new agent."""
    return Agent.objects.create(id=name or f"agent-{next(_numbers)}", kind=kind)


def wallet(tokens: int = 0, *, owner: Agent | None = None, quest: str = "") -> Account:
    """Return the wallet of an agent (a new one when not given) or of a quest, with so many tokens granted."""
    account = ledger.open_wallet(quest=quest) if quest else ledger.open_wallet(agent=owner or agent())
    if tokens:
        key = f"grant:{account.pk}:{next(_numbers)}"
        ledger.grant(account=account, amount=tokens, key=key, now=NOON, memo="opening balance")
    account.refresh_from_db()
    return account


def task(owner: Account, task_id: str = "", **terms: Any) -> Task:
    """Return a new open task owned by a wallet; a quest's is written as its programme will file it."""
    name = task_id or f"task-{next(_numbers)}"
    if owner.agent is None:
        return Task.objects.create(pk=name, wallet=owner, created_at=NOON, **terms)
    return backlog.file_task(filed_by=owner.agent, now=NOON, task_id=name, **terms)


def tasks(owner: Account, number: int) -> list[Task]:
    """Return so many new open tasks of a wallet, written at once."""
    names = [f"task-{next(_numbers)}" for _ in range(number)]
    return Task.objects.bulk_create([Task(pk=name, wallet=owner, created_at=NOON) for name in names])


def quest(name: str = "", tokens: int = 0, *, into: Pool | None = None, **terms: Any) -> Quest:
    """Return a new quest with its wallet and so many tokens in it: in the default pool, strategy source, factor 0.6.

    Terms are columns of `Quest`: `strategy`, `bid_factor`, `horizon_seconds`, `members_only`, `programme`, …
    """
    named = name or f"quest-{next(_numbers)}"
    terms.setdefault("created_at", NOON)
    return Quest.objects.create(
        pk=named, account=wallet(tokens, quest=named), pool=into or pools.get(pools.DEFAULT), **terms
    )


def quest_task(
    of: Quest,
    value: int | str | Decimal | None = None,
    *,
    name: str = "",
    needs: Iterable[Task] = (),
    entity: tuple[str, str] = ("", ""),
    **parts: Any,
) -> Task:
    """Return a new open task of a quest that is worth `value` USD as stated; it waits for what it `needs`.

    Parts are columns of `Task`: `value_if_works_usd`, `chance`, `cost_usd`, `expected_cost_tokens`, `model`, …
    """
    parts.setdefault("created_at", NOON)
    if value is not None:
        parts["expected_value_usd"] = Decimal(value)
    filed = Task.objects.create(
        pk=name or f"task-{next(_numbers)}",
        quest=of,
        wallet_id=of.account_id,
        entity_type=entity[0],
        entity_id=entity[1],
        **parts,
    )
    Need.objects.bulk_create([Need(task=filed, needs=other) for other in needs])
    return filed


def pool(name: str = "", **settings: object) -> Pool:
    """Return a pool with these settings; its cycle is a minute and its reserve 1 token when not said otherwise."""
    return pools.create(name or f"pool-{next(_numbers)}", **settings)


def slot(
    into: Pool,
    *,
    reserve: int = 0,
    provider: Agent | None = None,
    available_at: datetime = NOON,
    offer_until: datetime | None = None,
) -> Slot:
    """Return a new open slot: of the house, or of a provider, whose offer then ends in an hour if not said."""
    return Slot.objects.create(
        pool=into,
        reserve_tokens=reserve,
        provider=provider,
        provider_kind=provider.kind if provider else None,
        available_at=available_at,
        offer_until=offer_until or (available_at + timedelta(hours=1) if provider else None),
        created_at=available_at,
    )


def slots(into: Pool, number: int) -> list[Slot]:
    """Return so many new open slots of the house."""
    return [slot(into) for _ in range(number)]


def bid(  # noqa: PLR0913 - a bid has this many terms
    owner: Account,
    price: int,
    into: Pool,
    *,
    work: Task | None = None,
    at: datetime = NOON,
    lives: float = 3600,
    gtd: bool = False,
) -> Bid:
    """Return a bid placed at a moment for a task (a new one when not given); it lives so many seconds."""
    return order_book.place_bid(
        wallet=owner.pk,
        task_id=(work or task(owner)).pk,
        max_price_tokens=price,
        ttl_at=at + timedelta(seconds=lives),
        now=at,
        time_in_force=Bid.TimeInForce.GTD if gtd else Bid.TimeInForce.ROUND,
        pool=into.name,
    )


def sale(price: int = 100, *, into: Pool | None = None, owner: Account | None = None, at: datetime = NOON) -> Clear:
    """Return the clear of a slot sold at a moment to a wallet's only bid, at the pool's reserve."""
    book = into or pool()
    slot(book, available_at=at)
    placed = bid(owner or wallet(10 * price), price, book, at=at)
    clearing.clear_round(at, book.name)
    return Clear.objects.get(bid=placed.pk)


def runner(clear: Clear) -> Agent:
    """Return the agent that has claimed a slot, or that runs its own win."""
    return Agent.objects.get(pk=clear.runner_id or clear.account.owner_id)


def started(clear: Clear, *, at: datetime = NOON, by: Agent | None = None) -> Clear:
    """Start a slot as its runner at a moment; its envelope, if there is any, has room."""
    got = runs.start(clear.slot_id, runner=by or runner(clear), now=at)
    assert isinstance(got, Clear), got
    return got


def run(clear: Clear, cost: int, impact: Decimal | None = None, *, at: datetime) -> Clear:
    """Start a sold slot, settle it with its cost in LLM tokens and its impact in USD, and return its clear."""
    worker = runner(clear)
    runs.start(clear.slot_id, runner=worker, now=at)
    return settlement.settle(clear.slot_id, cost, impact, now=at, runner=worker, model="large-1")


def model(
    name: str = "deep-1",
    *,
    tier: str = "frontier",
    rate: str | None = "0.001",
    output_rate: str = "0.003",
    **terms: Any,
) -> LanguageModel:
    """Return a model of the catalogue: 0.1 cent an input token, 0.3 cents an output token; `rate` None: no list price.

    So 100 tokens in and 100 out cost 0.4 USD, and 100 tokens whose split is unknown 0.13 USD (15 % of them output).
    """
    Tier.objects.get_or_create(pk=tier)
    made = LanguageModel.objects.create(pk=name, tier_id=tier, **terms)
    if rate is not None:
        price(name, rate=rate, output_rate=output_rate)
    return made


def price(
    name: str = "",
    *,
    resource_type: str = "llm_tokens",
    rate: str = "0.001",
    output_rate: str | None = None,
    since: datetime = NEW_YEAR,
    **terms: Any,
) -> Price:
    """Return a list price in USD: of a model, of a provider's calls, or of CPU seconds or storage (no name)."""
    if resource_type == "llm_tokens" and output_rate is None:
        output_rate = rate
    return Price.objects.create(
        resource_type=resource_type,
        name=name,
        rate=Decimal(rate),
        output_rate=None if output_rate is None else Decimal(output_rate),
        effective_from=since,
        **terms,
    )


def envelope(
    entity_id: str = "", *, tokens: int = 1_000, entity_type: str = "hypothesis", at: datetime = NOON, **terms: Any
) -> Envelope:
    """Return the new envelope of an entity: 1,000 LLM tokens a day if not said otherwise."""
    return envelopes.open_envelope(
        entity_type,
        entity_id or f"h{next(_numbers)}",
        author=REVIEWER,
        now=at,
        **{"window_kind": "day", "token_budget": tokens, **terms},
    )


def market(of: Envelope, weight: str | Decimal) -> None:
    """Put a market weight on an envelope, behind an open gate: granted, and scored at the threshold."""
    gate = {"granted_at": NOON, "granted_by": "senate", "priority_score": Decimal("0.5")}
    Envelope.objects.filter(pk=of.pk).update(market_weight=Decimal(weight), **gate)


def line(  # noqa: PLR0913 - a line has this many terms
    of: Envelope,
    base: int | Decimal | None,
    *,
    tier: str = "frontier",
    window: str = "day",
    resource_type: str = "llm_tokens",
    at: datetime = NOON,
) -> Line:
    """Return a further line of an envelope: of a tier (a provider for calls, "" for the whole class)."""
    if tier and resource_type == "llm_tokens":
        Tier.objects.get_or_create(pk=tier)
    return envelopes.set_line(
        of.pk,
        resource_type=resource_type,
        qualifier=tier,
        window_kind=window,
        base=None if base is None else Decimal(base),
        author=REVIEWER,
        now=at,
    )


def ask(of: Envelope, tokens: int | Decimal = 100, **terms: Any) -> admission.Ask:
    """Return what somebody wants to use: LLM tokens of the model deep-1 if not said otherwise."""
    kind = terms.setdefault("resource_type", "llm_tokens")
    if kind == "llm_tokens":
        terms.setdefault("model", "deep-1")
    return admission.Ask(entity_type=of.entity_type, entity_id=of.entity_id, amount=Decimal(tokens), **terms)


def reserve(
    of: Envelope,
    tokens: int | Decimal = 100,
    *,
    by: Agent | None = None,
    at: datetime = NOON,
    lives: int | None = None,
    **terms: Any,
) -> Reservation:
    """Return a reservation admitted at a moment for an agent (a new one when not given); ten minutes is its life."""
    holder = by or agent()
    got = admission.reserve(ask(of, tokens, **terms), agent_id=holder.pk, now=at, seconds=lives)
    assert isinstance(got, Reservation), got
    return got


def event(of: Envelope, tokens: int | Decimal = 100, *, at: datetime | None = None, **terms: Any) -> Event:
    """Return a use of LLM tokens (of the model deep-1 if not said otherwise) as a source reports it, with a new id."""
    kind = terms.setdefault("resource_type", "llm_tokens")
    if kind == "llm_tokens":
        terms.setdefault("model", "deep-1")
    terms.setdefault("event_id", f"event-{next(_numbers)}")
    named = {"entity_type": of.entity_type, "entity_id": of.entity_id, "source": "test"}
    return Event(amount=Decimal(tokens), created_at=at, **{**named, **terms})


def record(of: Envelope, tokens: int | Decimal = 100, *, at: datetime = NOON, **terms: Any) -> Usage:
    """Return the row of such a use, recorded when it happened."""
    return metering.record(event(of, tokens, at=at, **terms), agent_id="reporter", now=at)


def observation(
    entity_id: str = "h1", *, kind: str = "paper", at: datetime = NOON, entity_type: str = "hypothesis", **terms: Any
) -> Observation:
    """Return something seen about an entity: a paper, a new one, if not said otherwise."""
    number = next(_numbers)
    named = {"reference": f"pmid:{number}"} if kind in scoring.EVIDENCE else {"principal": f"voter-{number}"}
    said = {"source": "test", "event_id": f"seen-{number}", **named, **terms}
    seen = observations.Observed(entity_type=entity_type, entity_id=entity_id, kind=kind, at=at, **said)
    return observations.observe(seen, now=at)


def assessment(  # noqa: PLR0913 - a judgement has this many terms
    entity_id: str = "h1",
    component: str = "novelty",
    value: str | Decimal | None = "0.5",
    *,
    at: datetime = NOON,
    why: str = "as agreed",
    entity_type: str = "hypothesis",
) -> Assessment:
    """Return a judgement of a component of an entity's score, 0.5 if not said otherwise."""
    share = None if value is None else Decimal(value)
    return scores.assess(entity_type, entity_id, component, share, author=revisions.Author("ada", why), now=at)


def achieved(
    of: Envelope,
    amount: int | str | Decimal = 1,
    *,
    kind: str = "edges_gained",
    at: datetime | None = NOON,
    **terms: Any,
) -> outcomes.Achieved:
    """Return something achieved for an envelope's entity as a source reports it, with a new id: an edge gained."""
    terms.setdefault("event_id", f"outcome-{next(_numbers)}")
    named = {"entity_type": of.entity_type, "entity_id": of.entity_id, "source": "test"}
    return outcomes.Achieved(kind=kind, amount=Decimal(amount), at=at, **{**named, **terms})


def outcome(of: Envelope, amount: int | str | Decimal = 1, *, at: datetime = NOON, **terms: Any) -> Outcome:
    """Return the row of such an outcome, recorded when it was achieved."""
    return outcomes.record(achieved(of, amount, at=at, **terms), agent_id="grader", now=at)


class Figures(NamedTuple):
    """Where a line stands, in numbers that compare with whole ones."""

    limit: Any
    settled: Any
    held: Any
    remaining: Any


def figures(
    of: Envelope | None, *, at: datetime = NOON, tier: str = "", kind: str = "llm_tokens", window: str = ""
) -> Figures:
    """Return where a line of an envelope stands (in its own window if not said otherwise), or the fleet, in USD."""
    if of is None:
        found = standings.of_fleet(at=at)
    else:
        lines = standings.of_envelopes([of.pk], at=at)[of.pk]
        alike = [one for one in lines if (one.resource_type, one.qualifier) == (kind, tier)]
        (found,) = (one for one in alike if one.window_kind == window or (not window and (tier or one.is_named)))
    return Figures(found.limit, found.settled, found.held, found.remaining)


class World(NamedTuple):
    """One row of every kind, as the deeds leave them."""

    worker: Agent
    provider: Agent
    grader: Agent
    pool: Pool
    rich: Account
    open_slot: Slot
    offered_slot: Slot
    open_task: Task
    open_bid: Bid
    lost_bid: Bid
    round: Round
    sold: Clear
    running: Clear
    finished: Clear
    paid: Clear
    payout: Payout
    issue: DailyIssue
    books: Books


class Books(NamedTuple):
    """One row of every kind in the books: an envelope of 1,000 tokens a day, 600 of them for the frontier tier."""

    envelope: Envelope
    frozen: Envelope
    total: Line
    tier_line: Line
    grant: Grant
    model: LanguageModel
    price: Price
    priced: Usage
    unpriced: Usage
    correction: Usage
    open: Reservation
    settled: Reservation
    released: Reservation
    expired: Reservation
    refusal: Refusal
    alert: Alert
    pause: Pause
    default: DefaultEnvelope


def books(worker: Agent) -> Books:
    """Return books in which everything has happened once.

    In the day of `NOON` the total has 250 tokens settled and 50 held, the frontier tier 200 and 50; half of the 600
    CPU seconds are used, which are free.
    """
    catalogued = model()
    Tier.objects.get_or_create(pk="small")
    own = envelope("h1", cpu_budget=Decimal(600), storage_budget_gb=Decimal(2), api_call_budget=10)
    frozen = envelope("h2")
    tier_line = line(own, 600)
    total = own.lines.get(resource_type="llm_tokens", qualifier="")
    granted = envelopes.grant(total.pk, amount=Decimal(50), author=REVIEWER, now=NOON)
    priced = record(own, 150, input_tokens=100, output_tokens=50)
    unpriced = record(own, 50, model="unheard-of")
    correction = metering.correct(
        priced.pk, key="one", note="counted twice", author="ada", now=after(1), amount=Decimal(30)
    )
    price(resource_type="cpu_seconds", rate="0")
    record(own, 300, resource_type="cpu_seconds")
    settled, released, expired = (reserve(own, 50, by=worker, lives=60) for _ in range(3))
    admission.settle(settled.pk, admission.Spent(amount=Decimal(80)), now=after(5))
    admission.release(released.pk, now=after(5))
    admission.expire(now=after(60))
    held = reserve(own, 50, by=worker, at=after(60), lives=3600)
    over = admission.reserve(ask(own, 500), agent_id=worker.pk, now=after(61))
    assert not isinstance(over, Reservation)
    for row in (settled, released, expired):
        row.refresh_from_db()
    stops.freeze([frozen.pk], author=REVIEWER, now=after(62))
    return Books(
        envelope=own,
        frozen=frozen,
        total=total,
        tier_line=tier_line,
        grant=granted,
        model=catalogued,
        price=Price.objects.get(name=catalogued.pk),
        priced=priced,
        unpriced=unpriced,
        correction=correction,
        open=held,
        settled=settled,
        released=released,
        expired=expired,
        refusal=Refusal.objects.get(),
        alert=Alert.objects.create(
            line=own.lines.get(resource_type="cpu_seconds"),
            window_start=NOON.replace(hour=0),
            threshold=50,
            settled=300,
            limit=600,
            raised_at=after(70),
        ),
        pause=stops.pause(author=REVIEWER, now=after(80), agent=agent("paused")),
        default=DefaultEnvelope.objects.create(pk="analysis", token_budget=100),
    )


def world(usd: Decimal) -> World:
    """Return a small market in which everything has happened once; `usd` is the impact of its graded slot."""
    worker, provider, grader = agent("worker"), agent("provider", kind="provider"), agent("grader", kind="grader")
    market = pool("market")
    rich = wallet(10_000, owner=worker)
    (issue,) = mint.issue_daily(now=NOON)
    slots(market, 4)
    placed = [bid(rich, price, market) for price in (500, 400, 300, 200)]
    loser = bid(rich, 100, market)
    cleared = clearing.clear_round(NOON, market.name)
    sold, running, finished, paid = (Clear.objects.get(bid=b.pk) for b in placed)
    runs.start(running.slot_id, runner=worker, now=after(1))
    run(finished, 1000, at=after(1))
    run(paid, 2000, usd, at=after(1))
    payout = payouts.pay_out(now=after(2), pool=market.name)
    assert payout is not None
    for row in (sold, running, finished, paid, loser):
        row.refresh_from_db()
    work = task(rich)
    return World(
        worker=worker,
        provider=provider,
        grader=grader,
        pool=market,
        rich=rich,
        open_slot=slot(market),
        offered_slot=slot(market, provider=provider),
        open_task=task(rich),
        open_bid=bid(rich, 50, market, work=work, at=after(3)),
        lost_bid=loser,
        round=cleared,
        sold=sold,
        running=running,
        finished=finished,
        paid=paid,
        payout=payout,
        issue=issue,
        books=books(worker),
    )
