"""Whatever is done to the books in whatever order, every figure can be counted again, and no ask passes a limit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from config.errors import RefusedError
from economics import (
    admission,
    budget_policy,
    catalog,
    envelopes,
    metering,
    recount,
    safety,
    standings,
    stops,
    unpriced,
)
from economics.models import DefaultEnvelope, Envelope, Grant, Line, Price, Reservation, Usage, UsageDay
from tests import factories
from tests.factories import NOON, REVIEWER

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.models import Agent
    from economics.standings import Standing

PICK: Final = st.integers(0, 50)
TOKENS: Final = st.integers(1, 60)
SPLIT: Final = st.sampled_from([None, 0, 1, 5])
MODELS: Final = ("deep-1", "quick-1", "deep-1", "late-1")
WINDOWS: Final = ("day", "week", "month", "lifetime")
ZONES: Final = ("UTC", "America/New_York", "America/Havana", "Asia/Kathmandu", "Pacific/Apia")
ENTITIES: Final = 4


class Books(RuleBasedStateMachine):
    """Four entities, two of them with an envelope from the start, three agents, and a clock that only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON + timedelta(hours=11)
        self.told = 0
        self.everything = transaction.atomic()
        self.everything.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.everything.__exit__(None, None, None)

    @initialize()
    def open_books(self) -> None:
        self.agents: list[Agent] = [factories.agent() for _ in range(3)]
        factories.model()
        factories.model("quick-1", tier="small", rate="0", output_rate="0")
        factories.price("pubmed", resource_type="api_calls", rate="0.01")
        DefaultEnvelope.objects.create(pk="analysis", window_kind="week", token_budget=150)
        budget_policy.change(author=REVIEWER, now=self.now, fleet_daily_usd=Decimal("0.3"))
        self.own = [
            factories.envelope(tokens=90, api_call_budget=20, at=self.now),
            factories.envelope(tokens=120, window_kind="month", at=self.now),
        ]
        factories.line(self.own[0], 60, at=self.now)

    # Help

    def attempt(self, deed: Callable[[], Any]) -> Any:
        """Do a deed as interfaces do, in a savepoint; it may be refused, but by name."""
        try:
            with transaction.atomic():
                return deed()
        except RefusedError:
            return None

    def entity(self, number: int) -> Envelope:
        """Return one of the entities: with an envelope, with one to come, or with a default."""
        place = number % ENTITIES
        if place < len(self.own):
            return self.own[place]
        kind = "analysis" if place == ENTITIES - 1 else "hypothesis"
        return Envelope(entity_type=kind, entity_id=f"unborn-{place}")

    def envelope(self, number: int) -> Envelope:
        rows = list(Envelope.objects.order_by("pk"))
        return rows[number % len(rows)]

    def sql(self, statement: str, *values: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)

    # Time and rules

    @rule(hours=st.integers(0, 30))
    def time_goes_on(self, hours: int) -> None:
        self.now += timedelta(hours=hours, seconds=1)

    @rule(zone=st.sampled_from(ZONES), week=st.integers(1, 7))
    def move_calendar(self, zone: str, week: int) -> None:
        budget_policy.change(author=REVIEWER, now=self.now, zone=zone, week_starts_on=week)

    @rule(pick=PICK, tokens=st.integers(0, 400), window=st.sampled_from(WINDOWS))
    def change(self, pick: int, tokens: int, window: str) -> None:
        own = self.envelope(pick)
        changes = {"token_budget": tokens} if pick % 3 else {"window_kind": window}
        self.attempt(lambda: envelopes.change(own.pk, author=REVIEWER, now=self.now, **changes))

    @rule(
        pick=PICK,
        base=st.integers(0, 200),
        window=st.sampled_from(WINDOWS),
        tier=st.sampled_from(["frontier", "small", ""]),
    )
    def set_line(self, pick: int, base: int, window: str, tier: str) -> None:
        self.attempt(
            lambda: factories.line(
                self.envelope(pick), None if base > 180 else base, tier=tier, window=window, at=self.now
            )
        )

    @rule(weight=st.integers(-5, 10), pick=PICK)
    def weigh(self, weight: int, pick: int) -> None:
        if self.envelope(pick).state != "capped":
            factories.market(self.envelope(pick), Decimal(weight) / 10)

    @rule(pick=PICK, amount=TOKENS, days=st.integers(0, 9))
    def grant(self, pick: int, amount: int, days: int) -> None:
        lines = list(Line.objects.order_by("pk"))
        last = self.now + timedelta(days=days)
        self.attempt(
            lambda: envelopes.grant(
                lines[pick % len(lines)].pk, amount=Decimal(amount), author=REVIEWER, now=self.now, last=last
            )
        )

    @rule(pick=PICK)
    def end_grant(self, pick: int) -> None:
        if granted := list(Grant.objects.filter(ended_at=None).order_by("pk")):
            envelopes.end_grant(granted[pick % len(granted)].pk, author=REVIEWER, now=self.now)

    @rule(pick=PICK, lift=st.booleans())
    def freeze(self, pick: int, lift: bool) -> None:  # noqa: FBT001 - Hypothesis passes it by name
        deed = stops.unfreeze if lift else stops.freeze
        deed([self.envelope(pick).pk], author=REVIEWER, now=self.now)

    @rule()
    def check_spend(self) -> None:
        safety.check(now=self.now)

    # Spending

    @rule(pick=PICK, tokens=TOKENS, model=st.sampled_from(MODELS), split=SPLIT, lives=st.integers(1, 9_000))
    def reserve(self, pick: int, tokens: int, model: str, split: int | None, lives: int) -> None:
        parts = {} if split is None else {"input_tokens": min(split, tokens), "output_tokens": max(0, tokens - split)}
        ask = factories.ask(self.entity(pick), tokens, model=model, **parts)
        self.ask(ask, self.agents[pick % 3], lives)

    @rule(pick=PICK, calls=st.integers(1, 12))
    def reserve_calls(self, pick: int, calls: int) -> None:
        ask = factories.ask(self.entity(pick), calls, resource_type="api_calls", provider="pubmed")
        self.ask(ask, self.agents[pick % 3], 600)

    def ask(self, ask: admission.Ask, by: Agent, lives: int) -> None:
        """Ask, and hold the answer against where the lines it touches stand afterwards."""
        dry = admission.reserve(ask, agent_id=by.pk, now=self.now, seconds=lives, dry_run=True)
        got = admission.reserve(ask, agent_id=by.pk, now=self.now, seconds=lives)
        assert isinstance(dry, Reservation) == isinstance(got, Reservation)
        if isinstance(got, Reservation):
            assert all(line.limit is None or line.settled + line.held <= line.limit for line in self.touched(got))
        elif got.code in {"budget_exhausted", "fleet_budget_exhausted"}:
            f: dict[str, Any] = got.figures
            assert f["limit"] < f["settled"] + f["held"] + f["asked"]
            (line,) = standings.of_lines([f["line_id"]], at=self.now)
            assert (line.limit, line.settled, line.held) == (f["limit"], f["settled"], f["held"])
            overdue = Reservation.objects.filter(state="open", expires_at__lte=self.now)
            assert not overdue.exclude(usd=0).exists()
            assert not overdue.filter(envelope__entity_id=ask.entity_id).exists()

    def touched(self, got: Reservation) -> list[Standing]:
        """Return where the lines stand on which a reservation is held."""
        lines = standings.of_envelopes([got.envelope_id], at=self.now)[got.envelope_id]
        named = {"", got.tier if got.resource_type == "llm_tokens" else got.provider}
        own = [line for line in lines if line.resource_type == got.resource_type and line.qualifier in named]
        return [*own, *([standings.of_fleet(at=self.now)] if got.usd else [])]

    @rule(pick=PICK, tokens=st.integers(0, 90), split=SPLIT)
    def settle(self, pick: int, tokens: int, split: int | None) -> None:
        rows = list(Reservation.objects.order_by("-pk")[:20])
        if not rows:
            return
        one = rows[pick % len(rows)]
        parts: dict[str, Any] = {}
        if split is not None and one.resource_type == "llm_tokens":
            parts = {"input_tokens": min(split, tokens), "output_tokens": max(0, tokens - split)}
        spent = admission.Spent(amount=Decimal(tokens), **parts)
        self.attempt(lambda: admission.settle(one.pk, spent, now=self.now))

    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        rows = list(Reservation.objects.order_by("-pk")[:20])
        if rows:
            self.attempt(lambda: admission.release(rows[pick % len(rows)].pk, now=self.now))

    @rule()
    def expire(self) -> None:
        admission.expire(now=self.now)
        assert not Reservation.objects.filter(state="open", expires_at__lte=self.now).exists()

    # Usage

    @rule(picks=st.lists(PICK, min_size=1, max_size=6), tokens=TOKENS, hours=st.integers(-800, 0), again=st.booleans())
    def report(self, picks: list[int], tokens: int, hours: int, again: bool) -> None:  # noqa: FBT001 - by name
        events = []
        for pick in picks:
            self.told += not again
            events.append(
                factories.event(
                    self.entity(pick),
                    tokens + pick,
                    at=self.now + timedelta(hours=hours * (pick % 3)),
                    model=MODELS[pick % 4],
                    event_id=f"e{max(0, self.told - pick % 2)}",
                )
            )
        metering.record_many(events, agent_id=self.agents[picks[0] % 3].pk, now=self.now)

    @rule(pick=PICK, tokens=TOKENS, whole=st.booleans(), key=st.integers(0, 4))
    def correct(self, pick: int, tokens: int, whole: bool, key: int) -> None:  # noqa: FBT001 - by name
        rows = list(Usage.objects.order_by("-pk")[:20])
        if rows:
            amount = None if whole else Decimal(tokens)
            usage = rows[pick % len(rows)]
            self.attempt(
                lambda: metering.correct(usage.pk, key=f"k{key}", note="n", author="a", now=self.now, amount=amount)
            )

    @rule(pick=PICK, rate=st.integers(0, 5), days=st.integers(-40, 1))
    def list_price(self, pick: int, rate: int, days: int) -> None:
        usd = Decimal(rate) / 1_000
        self.attempt(
            lambda: catalog.set_price(
                resource_type="llm_tokens",
                name=MODELS[pick % 4],
                rates=catalog.Rates(usd, 3 * usd),
                effective_from=self.now + timedelta(days=days),
                who="ada",
                now=self.now,
                tier="small" if pick % 2 else "frontier",
            )
        )

    @rule(pick=PICK)
    def withdraw_price(self, pick: int) -> None:
        if rows := list(Price.objects.filter(withdrawn_at=None).order_by("pk")):
            catalog.withdraw_prices([rows[pick % len(rows)].pk], now=self.now)

    @rule(limit=st.integers(1, 5))
    def price_late(self, limit: int) -> None:
        unpriced.price_unpriced(now=self.now, limit=limit)

    @rule()
    def open_late(self) -> None:
        """Open the envelope of an entity that may have used a lot before."""
        if len(self.own) == ENTITIES - 2:
            self.own.append(factories.envelope("unborn-2", tokens=250, at=self.now))

    # What always holds

    @invariant()
    def everything_can_be_counted_again(self) -> None:
        assert recount.differences(since=None) == []
        assert recount.differences(since=self.now - timedelta(days=2)) == []

    @invariant()
    def nothing_is_negative(self) -> None:
        assert not (UsageDay.objects.filter(amount__lt=0) | UsageDay.objects.filter(cost__lt=0)).exists()
        assert not UsageDay.objects.filter(unpriced_amount__lt=0).exists()
        fleet: Any = standings.of_fleet(at=self.now)
        assert fleet.held >= 0
        assert fleet.settled >= 0


@pytest.mark.django_db
def test_the_books_can_be_counted_again_whatever_happens() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
