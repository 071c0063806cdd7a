"""May it be spent? Worked examples of reservations: admitted, refused with figures, settled, released, expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from economics import admission, budget_policy, envelopes, errors, revisions, stops
from economics.models import (
    Counter,
    DefaultEnvelope,
    Envelope,
    Line,
    Pause,
    Refusal,
    Reservation,
    Revision,
    Usage,
    UsageDay,
)
from tests import factories
from tests.factories import NOON, REVIEWER, after, refused

if TYPE_CHECKING:
    from config.models import Agent

pytestmark = pytest.mark.django_db

MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def worker() -> Agent:
    """Return an agent that asks, in a world with the model deep-1 (0.13 USD for 100 tokens, of the frontier tier)."""
    factories.model()
    return factories.agent("worker")


def _ask(
    of: Envelope, tokens: int | Decimal, by: Agent, *, at: datetime = NOON, seconds: int | None = None, **terms: Any
) -> Reservation | errors.AdmissionRefusedError:
    return admission.reserve(factories.ask(of, tokens, **terms), agent_id=by.pk, now=at, seconds=seconds)


def _refused(
    of: Envelope, tokens: int | Decimal, by: Agent, *, at: datetime = NOON, seconds: int | None = None, **terms: Any
) -> errors.AdmissionRefusedError:
    got = _ask(of, tokens, by, at=at, seconds=seconds, **terms)
    assert not isinstance(got, Reservation)
    return got


def _most(refusal: errors.AdmissionRefusedError) -> int:
    most: Any = refusal.figures["most"]
    return int(most)


def _spent(tokens: int, **parts: Any) -> admission.Spent:
    return admission.Spent(amount=Decimal(tokens), **parts)


# Admitted


def test_a_reservation_is_held_until_it_is_settled_with_what_was_used(worker: Agent) -> None:
    own = factories.envelope()
    got = _ask(own, 600, worker)
    assert isinstance(got, Reservation)
    assert factories.figures(own) == (1_000, 0, 600, 400)
    usage = admission.settle(got.pk, _spent(450), now=after(30))
    assert factories.figures(own) == (1_000, 450, 0, 550)
    assert (usage.reservation_id, usage.agent_id, usage.created_at, usage.recorded_at) == (
        got.pk,
        "worker",
        NOON,
        after(30),
    )


def test_what_is_returned_is_what_was_stored(worker: Agent) -> None:
    own = factories.envelope()
    got = _ask(own, 100, worker, input_tokens=60, output_tokens=40, artifact_type="paper", artifact_id="7", slot_id="s")
    assert isinstance(got, Reservation)
    stored = Reservation.objects.get()
    columns = [field.attname for field in Reservation._meta.concrete_fields]  # noqa: SLF001 - documented
    assert {name: getattr(got, name) for name in columns} == {name: getattr(stored, name) for name in columns}
    assert (stored.tier, stored.usd, stored.expires_at) == ("frontier", Decimal("0.18"), after(600))


def test_a_reservation_of_exactly_what_is_left_passes_and_one_more_does_not(worker: Agent) -> None:
    own = factories.envelope()
    factories.reserve(own, 400)
    assert _refused(own, 601, worker).code == "budget_exhausted"
    assert isinstance(_ask(own, 600, worker), Reservation)
    assert _refused(own, 1, worker).code == "budget_exhausted"


def test_lines_without_a_ceiling_refuse_nothing_and_count_all_the_same(worker: Agent) -> None:
    own = factories.envelope(api_call_budget=None)
    factories.price("pubmed", resource_type="api_calls", rate="0")
    factories.reserve(own, 10**12, resource_type="api_calls", provider="pubmed")
    assert factories.figures(own, kind="api_calls") == (None, 0, 10**12, None)


def test_every_class_is_held_on_its_own_lines(worker: Agent) -> None:
    own = factories.envelope(cpu_budget=Decimal(60), storage_budget_gb=Decimal(2), api_call_budget=10)
    for kind, name in (("cpu_seconds", ""), ("storage_gb_hours", ""), ("api_calls", "pubmed")):
        factories.price(name, resource_type=kind, rate="0.01")
    factories.reserve(own, Decimal("12.5"), resource_type="cpu_seconds")
    factories.reserve(own, Decimal("0.000001"), resource_type="storage_gb_hours")
    factories.reserve(own, 3, resource_type="api_calls", provider="pubmed")
    assert factories.figures(own, kind="cpu_seconds") == (60, 0, Decimal("12.5"), Decimal("47.5"))
    assert factories.figures(own, kind="storage_gb_hours").held == Decimal("0.000001")
    assert factories.figures(own, kind="api_calls") == (10, 0, 3, 7)
    assert factories.figures(own) == (1_000, 0, 0, 1_000)
    assert factories.figures(None).held == Decimal("0.15500001")


# Refused, with its figures


def test_a_refusal_names_the_line_and_its_figures(worker: Agent) -> None:
    own = factories.envelope()
    factories.record(own, 500)
    factories.reserve(own, 300)
    got = _refused(own, 250, worker)
    total = own.lines.get(resource_type="llm_tokens")
    row = Refusal.objects.get()
    assert got.code == row.code == "budget_exhausted"
    assert got.figures == {
        "refusal_id": row.pk,
        "line_id": total.pk,
        "line": "llm_tokens per day",
        "limit": 1_000,
        "settled": 500,
        "held": 300,
        "asked": 250,
        "most": 200,
        "resets_at": MIDNIGHT,
        "would_pass": "ask for at most 200, or wait until 2026-03-03T00:00:00+00:00, or raise llm_tokens per day by 50",
    }
    stored: tuple[Any, ...] = (row.line_id, row.limit, row.settled, row.held, row.asked, row.resets_at, row.qualifier)
    assert stored == (
        total.pk,
        1_000,
        500,
        300,
        250,
        MIDNIGHT,
        "frontier",
    )
    assert factories.figures(own) == (1_000, 500, 300, 200)


def test_only_the_second_line_is_exhausted_and_it_refuses(worker: Agent) -> None:
    own = factories.envelope()
    tier = factories.line(own, 200)
    factories.reserve(own, 150)
    got = _refused(own, 100, worker)
    assert (got.figures["line_id"], got.figures["line"], got.figures["most"]) == (
        tier.pk,
        "llm_tokens frontier per day",
        50,
    )
    assert factories.figures(own) == (1_000, 0, 150, 850)
    assert factories.figures(own, tier="frontier") == (200, 0, 150, 50)


def test_only_the_first_line_is_exhausted_and_it_refuses(worker: Agent) -> None:
    own = factories.envelope(tokens=200)
    factories.line(own, 1_000)
    factories.reserve(own, 150)
    assert _refused(own, 100, worker).figures["line"] == "llm_tokens per day"


def test_the_most_that_would_pass_is_that_of_the_tightest_line(worker: Agent) -> None:
    own = factories.envelope(tokens=100)
    factories.line(own, 70)
    factories.line(own, 90, tier="", window="week")
    factories.reserve(own, 20)
    got = _refused(own, 81, worker)
    assert (got.figures["line"], got.figures["most"]) == ("llm_tokens per day", 50)
    assert isinstance(_ask(own, 50, worker), Reservation)


def test_another_tiers_line_does_not_bind(worker: Agent) -> None:
    factories.model("quick-1", tier="small")
    own = factories.envelope()
    factories.line(own, 10)
    assert isinstance(_ask(own, 500, worker, model="quick-1"), Reservation)
    assert factories.figures(own, tier="frontier") == (10, 0, 0, 10)


def test_the_fleets_dollars_of_the_day_are_a_line_of_everybody(worker: Agent) -> None:
    """100 tokens cost 0.13 USD. The fleet has one dollar; three envelopes have more than enough tokens each."""
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal(1))
    one, two, three = (factories.envelope() for _ in range(3))
    factories.reserve(one, 400)
    admission.settle(factories.reserve(two, 300).pk, _spent(300), now=NOON)
    assert factories.figures(None) == (1, Decimal("0.39"), Decimal("0.52"), Decimal("0.09"))
    got = _refused(three, 100, worker)
    assert (got.code, got.figures["line"], got.figures["asked"], got.figures["most"]) == (
        "fleet_budget_exhausted",
        "usd per day",
        Decimal("0.13"),
        69,
    )
    assert str(got.figures["would_pass"]).startswith("ask for at most 69, or wait until 2026-03-03")
    assert isinstance(_ask(three, 69, worker), Reservation)
    assert _refused(three, 1, worker).code == "fleet_budget_exhausted"
    assert isinstance(_ask(three, 700, worker, at=MIDNIGHT), Reservation)


def test_what_is_free_passes_an_exhausted_fleet(worker: Agent) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal(0))
    factories.model("free-1", rate="0", output_rate="0")
    own = factories.envelope()
    assert isinstance(_ask(own, 10, worker, model="free-1"), Reservation)
    assert _refused(own, 10, worker).code == "fleet_budget_exhausted"


@settings(max_examples=80, deadline=None)
@given(
    cap=st.decimals("0.000001", 10, places=6),
    rate=st.decimals("0.000000010000001", "0.1", places=15),
    output_rate=st.decimals("0.000000010000001", "0.1", places=15),
    tokens=st.integers(1, 10_000),
)
def test_the_most_that_would_pass_does_pass(cap: Decimal, rate: Decimal, output_rate: Decimal, tokens: int) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=cap)
    name = f"m{cap}{rate}{output_rate}{tokens}"
    factories.model(name, rate=str(rate), output_rate=str(output_rate))
    own = factories.envelope(tokens=10**15)
    by = factories.agent()
    at = NOON + timedelta(days=Envelope.objects.count())  # a fresh day of the fleet for every example
    got = _ask(own, tokens, by, at=at, model=name)
    if isinstance(got, Reservation):
        return
    most = _most(got)
    assert not isinstance(_ask(own, most + 2, by, at=at, model=name), Reservation)
    assert not most or isinstance(_ask(own, most, by, at=at, model=name), Reservation)


# Caps of a request


@pytest.mark.parametrize(
    ("of_policy", "of_envelope", "cap"), [(50, None, 50), (None, 60, 60), (50, 60, 50), (70, 60, 60)]
)
def test_a_request_is_capped_by_the_smaller_of_two_caps(
    worker: Agent, of_policy: int | None, of_envelope: int | None, cap: int
) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, request_token_cap=of_policy)
    own = factories.envelope(request_token_cap=of_envelope)
    assert isinstance(_ask(own, cap, worker), Reservation)
    got = _refused(own, cap + 1, worker)
    assert (got.code, got.figures["limit"], got.figures["most"], got.figures["would_pass"]) == (
        "request_too_large",
        cap,
        cap,
        f"ask for at most {cap} tokens at once",
    )


def test_a_request_is_capped_in_dollars(worker: Agent) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, request_usd_cap=Decimal("0.13"))
    own = factories.envelope()
    assert isinstance(_ask(own, 100, worker), Reservation)
    got = _refused(own, 101, worker)
    assert (got.code, got.figures["limit"], got.figures["asked"]) == (
        "request_too_large",
        Decimal("0.13"),
        Decimal("0.1313"),
    )


def test_a_cap_of_tokens_is_of_tokens_alone(worker: Agent) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, request_token_cap=5)
    factories.price(resource_type="cpu_seconds", rate="0")
    own = factories.envelope(cpu_budget=Decimal(60))
    assert isinstance(_ask(own, 50, worker, resource_type="cpu_seconds"), Reservation)


def test_a_reservation_lasts_as_long_as_policy_says(worker: Agent) -> None:
    budget_policy.change(author=REVIEWER, now=NOON, reservation_seconds=30, reservation_most_seconds=60)
    own = factories.envelope()
    lives = [_ask(own, 1, worker, seconds=seconds) for seconds in (None, 1, 60)]
    assert [one.expires_at for one in lives if isinstance(one, Reservation)] == [after(30), after(1), after(60)]
    got = _refused(own, 1, worker, seconds=61)
    assert (got.code, got.figures["limit"], got.figures["asked"]) == ("lifetime_too_long", 60, 61)


# What cannot be asked


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"tokens": Decimal("1.5")}, "/amount"),
        ({"tokens": 0}, "/amount"),
        ({"tokens": -5}, "/amount"),
        ({"tokens": Decimal("NaN")}, "/amount"),
        ({"tokens": Decimal("Infinity")}, "/amount"),
        ({"tokens": 10**15 + 1}, "/amount"),
        ({"tokens": 10, "model": ""}, "/model"),
        ({"tokens": 10, "input_tokens": 10}, "/input_tokens"),
        ({"tokens": 10, "output_tokens": 10}, "/input_tokens"),
        ({"tokens": 10, "input_tokens": 5, "output_tokens": 6}, "/input_tokens"),
        ({"tokens": 10, "input_tokens": -1, "output_tokens": 11}, "/input_tokens"),
        ({"tokens": 10, "resource_type": "gold"}, "/resource_type"),
        ({"tokens": 10, "resource_type": "usd"}, "/resource_type"),
        ({"tokens": 10, "resource_type": "api_calls"}, "/provider"),
        ({"tokens": Decimal("0.5"), "resource_type": "api_calls", "provider": "pubmed"}, "/amount"),
        ({"tokens": Decimal("0.0000001"), "resource_type": "cpu_seconds"}, "/amount"),
        ({"tokens": 1, "resource_type": "cpu_seconds", "model": "deep-1"}, "/resource_type"),
        ({"tokens": 1, "resource_type": "cpu_seconds", "tier": "frontier"}, "/resource_type"),
        ({"tokens": 1, "resource_type": "cpu_seconds", "input_tokens": 1, "output_tokens": 0}, "/resource_type"),
        ({"tokens": 1, "seconds": 0}, "/seconds"),
        ({"tokens": 1, "seconds": 31_536_001}, "/seconds"),
    ],
)
def test_what_no_envelope_could_admit_is_invalid_and_leaves_no_row(
    worker: Agent, terms: dict[str, Any], pointer: str
) -> None:
    own = factories.envelope()
    with refused(errors.InvalidAskError) as refusal:
        _ask(own, by=worker, **terms)
    assert refusal.value.pointer == pointer
    assert not Refusal.objects.exists()
    assert not Reservation.objects.exists()


# Refused for what it is


def test_an_entity_without_an_envelope_is_refused(worker: Agent) -> None:
    got = _refused(Envelope(entity_type="hypothesis", entity_id="nobody"), 1, worker)
    assert (got.code, got.figures["would_pass"]) == ("no_envelope", "have an envelope opened for this entity")
    assert Refusal.objects.get().entity_id == "nobody"


def test_models_and_prices_refuse_with_codes_of_their_own(worker: Agent) -> None:
    factories.model("off-1", is_enabled=False)
    factories.model("bare-1", rate=None)
    own = factories.envelope(cpu_budget=Decimal(60), api_call_budget=10)
    codes = [
        _refused(own, 1, worker, model="unheard-of").code,
        _refused(own, 1, worker, model="off-1").code,
        _refused(own, 1, worker, model="bare-1").code,
        _refused(own, 1, worker, tier="small").code,
        _refused(own, 1, worker, resource_type="cpu_seconds").code,
        _refused(own, 1, worker, resource_type="api_calls", provider="pubmed").code,
    ]
    assert codes == ["unknown_model", "model_disabled", "no_price", "wrong_tier", "no_price", "no_price"]
    assert not Reservation.objects.exists()


def test_a_model_goes_by_its_providers_name_too(worker: Agent) -> None:
    factories.model("wise-1", provider="oracle")
    own = factories.envelope()
    assert factories.reserve(own, 1, model="oracle/wise-1").tier == "frontier"
    assert _refused(own, 1, worker, model="other/wise-1").code == "unknown_model"
    assert _refused(own, 1, worker, model="oracle/deep-1").code == "unknown_model"


def test_a_frozen_envelope_refuses_from_the_next_call_and_settles_what_was_held(worker: Agent) -> None:
    own = factories.envelope()
    held = factories.reserve(own, 100)
    stops.freeze([own.pk], author=revisions.Author("ada", "odd spending"), now=NOON)
    got = _refused(own, 1, worker)
    assert (got.code, got.detail) == ("envelope_frozen", "The entity's envelope is frozen. (odd spending)")
    admission.settle(held.pk, _spent(120), now=after(5))
    assert factories.figures(own) == (1_000, 120, 0, 880)
    stops.unfreeze([own.pk], author=REVIEWER, now=after(6))
    assert isinstance(_ask(own, 1, worker, at=after(6)), Reservation)


def test_a_capped_envelope_spends_its_base(worker: Agent) -> None:
    own = factories.envelope()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE resource_budgets SET state = 'capped', market_weight = -0.2 WHERE id = %s", [own.pk])
    assert _refused(own, 801, worker).figures["limit"] == 800
    assert isinstance(_ask(own, 800, worker), Reservation)


def test_a_paused_agent_is_stopped_alone_and_a_paused_fleet_altogether(worker: Agent) -> None:
    own, other = factories.envelope(), factories.agent()
    stops.pause(author=revisions.Author("ada", "runs wild"), now=NOON, agent=worker)
    assert _refused(own, 1, worker).code == "agent_paused"
    assert isinstance(_ask(own, 1, other), Reservation)
    stops.pause(author=revisions.Author("ada", "maintenance"), now=NOON)
    got = _refused(own, 1, worker)
    assert (got.code, got.detail) == ("fleet_paused", "Somebody has paused the whole fleet. (maintenance)")
    assert _refused(own, 1, other).code == "fleet_paused"
    stops.resume(author=REVIEWER, now=after(5))
    assert _refused(own, 1, worker, at=after(5)).code == "agent_paused"
    stops.resume(author=REVIEWER, now=after(6), agent=worker)
    assert isinstance(_ask(own, 1, worker, at=after(6)), Reservation)
    assert Pause.objects.filter(ended_at=None).count() == 0


# Defaults


def test_a_default_envelope_is_opened_on_first_use_and_once(worker: Agent) -> None:
    DefaultEnvelope.objects.create(pk="analysis", window_kind="day", token_budget=100)
    unborn = Envelope(entity_type="analysis", entity_id="a1")
    assert isinstance(_ask(unborn, 60, worker), Reservation)
    assert isinstance(_ask(unborn, 40, worker), Reservation)
    assert _refused(unborn, 1, worker).code == "budget_exhausted"
    assert factories.figures(envelopes.get("analysis", "a1")) == (100, 0, 100, 0)
    assert _refused(Envelope(entity_type="gap", entity_id="g1"), 1, worker).code == "no_envelope"


# Refusals on record


def test_equal_refusals_of_a_minute_share_a_row(worker: Agent) -> None:
    own = factories.envelope(tokens=10)
    first = _refused(own, 11, worker)
    assert _refused(own, 11, worker, at=after(59)).figures["refusal_id"] == first.figures["refusal_id"]
    _refused(own, 12, worker, at=after(59))
    _refused(own, 11, factories.agent(), at=after(59))
    _refused(own, 11, worker, at=after(60))
    rows = Refusal.objects.order_by("minute", "pk").values_list("agent", "asked", "times", "minute", "last_at")
    assert [(agent == "worker", int(asked), *rest) for agent, asked, *rest in rows] == [
        (True, 11, 2, NOON, after(59)),
        (True, 12, 1, NOON, after(59)),
        (False, 11, 1, NOON, after(59)),
        (True, 11, 1, after(60), after(60)),
    ]


def test_a_shared_refusal_shows_the_figures_of_the_last(worker: Agent) -> None:
    own = factories.envelope(tokens=10)
    _refused(own, 11, worker)
    factories.reserve(own, 4)
    _refused(own, 11, worker, at=after(1))
    row = Refusal.objects.get()
    assert (row.times, row.held, row.last_at) == (2, Decimal(4), after(1))


# Dry runs


def _everything() -> list[list[Any]]:
    kinds: tuple[Any, ...] = (Envelope, Line, Counter, Reservation, Refusal, Revision, Usage, UsageDay)
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]


def test_a_dry_run_answers_the_same_and_leaves_nothing(worker: Agent) -> None:
    DefaultEnvelope.objects.create(pk="analysis", window_kind="day", token_budget=100)
    own, unborn = factories.envelope(), Envelope(entity_type="analysis", entity_id="a1")
    before = _everything()
    for target, most in ((own, 1_000), (unborn, 100)):
        passes = admission.reserve(factories.ask(target, most), agent_id="worker", now=NOON, dry_run=True)
        fails = admission.reserve(factories.ask(target, most + 1), agent_id="worker", now=NOON, dry_run=True)
        assert isinstance(passes, Reservation)
        assert not isinstance(fails, Reservation)
        assert (fails.code, fails.figures["most"]) == ("budget_exhausted", most)
        assert "refusal_id" not in fails.figures
    assert _everything() == before


# Settling


def test_more_than_was_reserved_is_booked_and_stops_the_next(worker: Agent) -> None:
    own = factories.envelope()
    got = factories.reserve(own, 600, by=worker)
    usage = admission.settle(got.pk, _spent(1_200, input_tokens=1_000, output_tokens=200), now=after(5))
    assert usage.cost == Decimal("1.6")
    assert factories.figures(own) == (1_000, 1_200, 0, 0)
    assert _refused(own, 1, worker).figures["settled"] == 1_200
    assert factories.figures(None) == (None, Decimal("1.6"), 0, None)


def test_nothing_used_is_a_settlement_too(worker: Agent) -> None:
    own = factories.envelope()
    usage = admission.settle(factories.reserve(own, 600).pk, _spent(0), now=after(5))
    assert (usage.amount, usage.cost) == (Decimal(0), Decimal(0))
    assert factories.figures(own) == (1_000, 0, 0, 1_000)


def test_the_same_figures_again_return_the_first_row_and_others_are_a_conflict(worker: Agent) -> None:
    own = factories.envelope()
    got = factories.reserve(own, 600)
    first = admission.settle(got.pk, _spent(500, input_tokens=400, output_tokens=100), now=after(5))
    again = admission.settle(got.pk, _spent(500, input_tokens=400, output_tokens=100), now=after(500))
    assert again.pk == first.pk
    for other in (
        _spent(501, input_tokens=401, output_tokens=100),
        _spent(500, input_tokens=300, output_tokens=200),
        _spent(500),
        _spent(500, input_tokens=400, output_tokens=100, cache_read_tokens=1),
    ):
        with refused(errors.SettledOtherwiseError) as refusal:
            admission.settle(got.pk, other, now=after(6))
        assert refusal.value.figures == {"reservation_id": got.pk, "settled": 500}
    assert factories.figures(own) == (1_000, 500, 0, 500)


def test_settling_late_books_the_true_cost_and_says_so(worker: Agent) -> None:
    own = factories.envelope()
    swept, unswept = factories.reserve(own, 100, lives=60), factories.reserve(own, 100, lives=60)
    in_time = factories.reserve(own, 100, lives=60)
    admission.settle(in_time.pk, _spent(70), now=after(59))
    admission.settle(unswept.pk, _spent(80), now=after(60))
    assert admission.expire(now=after(60)) == 1
    assert factories.figures(own) == (1_000, 150, 0, 850)
    admission.settle(swept.pk, _spent(90), now=after(10_000))
    assert factories.figures(own) == (1_000, 240, 0, 760)
    flags = {one.pk: one.settled_late for one in Reservation.objects.all()}
    assert flags == {in_time.pk: False, unswept.pk: True, swept.pk: True}


def test_a_reservation_given_back_stays_so(worker: Agent) -> None:
    own = factories.envelope()
    got = factories.reserve(own, 600)
    assert admission.release(got.pk, now=after(5)).state == "released"
    assert admission.release(got.pk, now=after(6)).closed_at == after(5)
    assert factories.figures(own) == (1_000, 0, 0, 1_000)
    with refused(errors.ReservationReleasedError):
        admission.settle(got.pk, _spent(5), now=after(7))
    settled = factories.reserve(own, 1)
    admission.settle(settled.pk, _spent(1), now=after(8))
    with refused(errors.ReservationSettledError):
        admission.release(settled.pk, now=after(9))


def test_what_expired_can_be_given_back_without_a_word(worker: Agent) -> None:
    got = factories.reserve(factories.envelope(), 600, lives=1)
    admission.expire(now=after(1))
    assert admission.release(got.pk, now=after(5)).state == "expired"


def test_only_its_own_agent_settles_or_releases_a_reservation(worker: Agent) -> None:
    got = factories.reserve(factories.envelope(), 600, by=worker)
    thief = factories.agent()
    with refused(errors.UnknownReservationError):
        admission.settle(got.pk, _spent(1), now=after(1), agent_id=thief.pk)
    with refused(errors.UnknownReservationError):
        admission.release(got.pk, now=after(1), agent_id=thief.pk)
    with refused(errors.UnknownReservationError):
        admission.settle(99_999, _spent(1), now=after(1))
    with refused(errors.UnknownReservationError):
        admission.release(99_999, now=after(1))
    admission.settle(got.pk, _spent(1), now=after(1), agent_id=worker.pk)


@pytest.mark.parametrize(
    ("spent", "pointer"),
    [
        ({"amount": Decimal(-1)}, "/amount"),
        ({"amount": Decimal("0.5")}, "/amount"),
        ({"amount": Decimal("NaN")}, "/amount"),
        ({"amount": Decimal("0.0000001")}, "/amount"),
        ({"amount": Decimal(10**15 + 1)}, "/amount"),
        ({"amount": Decimal(5), "input_tokens": 5}, "/input_tokens"),
        ({"amount": Decimal(5), "input_tokens": 5, "output_tokens": 1}, "/input_tokens"),
        ({"amount": Decimal(5), "cache_read_tokens": 0}, "/cache_read_tokens"),
        ({"amount": Decimal(5), "cache_write_tokens": 1}, "/cache_read_tokens"),
        (
            {
                "amount": Decimal(5),
                "input_tokens": 4,
                "output_tokens": 1,
                "cache_read_tokens": 3,
                "cache_write_tokens": 2,
            },
            "/cache_read_tokens",
        ),
        (
            {"amount": Decimal(5), "input_tokens": 4, "output_tokens": 1, "cache_read_tokens": -1},
            "/cache_read_tokens",
        ),
        ({"amount": Decimal(5), "reported_cost": Decimal(-1)}, "/reported_cost"),
        ({"amount": Decimal(5), "reported_cost": Decimal("NaN")}, "/reported_cost"),
    ],
)
def test_figures_that_cannot_be_settle_nothing(worker: Agent, spent: dict[str, Any], pointer: str) -> None:
    own = factories.envelope()
    got = factories.reserve(own, 600)
    with refused(errors.InvalidAskError) as refusal:
        admission.settle(got.pk, admission.Spent(**spent), now=after(1))
    assert refusal.value.pointer == pointer
    assert factories.figures(own) == (1_000, 0, 600, 400)


def test_seconds_have_no_split(worker: Agent) -> None:
    factories.price(resource_type="cpu_seconds", rate="0")
    got = factories.reserve(factories.envelope(cpu_budget=Decimal(60)), 30, resource_type="cpu_seconds")
    with refused(errors.InvalidAskError):
        admission.settle(got.pk, _spent(5, input_tokens=3, output_tokens=2), now=after(1))
    assert admission.settle(got.pk, admission.Spent(amount=Decimal("5.25")), now=after(1)).amount == Decimal("5.25")


def test_it_is_priced_as_listed_when_it_was_reserved(worker: Agent) -> None:
    """Cached input has prices of its own; the list of the next hour is not that of this one."""
    factories.price("deep-1", rate="9", since=after(3_600))
    factories.price(
        "deep-1",
        rate="0.01",
        output_rate="0.02",
        cache_read_rate=Decimal("0.001"),
        cache_write_rate=Decimal("0.0125"),
        since=NOON,
    )
    got = factories.reserve(factories.envelope(), 600, lives=9_000)
    parts = {"input_tokens": 100, "output_tokens": 10, "cache_read_tokens": 50, "cache_write_tokens": 40}
    usage = admission.settle(got.pk, _spent(110, **parts), now=after(8_000))
    assert usage.cost == Decimal("0.1") + Decimal("0.2") + Decimal("0.05") + Decimal("0.5")


def test_what_lost_its_price_meanwhile_is_booked_unpriced(worker: Agent) -> None:
    own = factories.envelope()
    got = factories.reserve(own, 600)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE economics_prices SET withdrawn_at = now()")
    usage = admission.settle(got.pk, _spent(500), now=after(5))
    assert (usage.cost, usage.price_state) == (None, "unpriced")
    assert factories.figures(own) == (1_000, 500, 0, 500)
    assert factories.figures(None) == (None, 0, 0, None)


def test_what_changed_its_tier_meanwhile_settles_where_it_was_held(worker: Agent) -> None:
    factories.model("quick-1", tier="small")
    own = factories.envelope()
    factories.line(own, 700)
    factories.line(own, 700, tier="small")
    got = factories.reserve(own, 600)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE economics_models SET tier_id = 'small' WHERE name = 'deep-1'")
    admission.settle(got.pk, _spent(500), now=after(5))
    assert factories.figures(own, tier="frontier") == (700, 500, 0, 200)
    assert factories.figures(own, tier="small") == (700, 0, 0, 700)


# Expiry


def test_expiry_gives_back_exactly_what_was_held(worker: Agent) -> None:
    own = factories.envelope()
    factories.line(own, 700)
    for lives in (10, 20, 30):
        factories.reserve(own, 100, lives=lives)
    assert [admission.expire(now=after(second)) for second in (9, 10, 25, 25)] == [0, 1, 1, 0]
    assert factories.figures(own) == (1_000, 0, 100, 900)
    assert factories.figures(own, tier="frontier") == (700, 0, 100, 600)
    assert factories.figures(None).held == Decimal("0.13")


def test_many_expire_at_once(worker: Agent) -> None:
    own = factories.envelope(tokens=10_000)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO economics_reservations
                   (agent_id, envelope_id, resource_type, model, tier, amount, usd, price_id, reserved_at, expires_at)
            SELECT 'worker', %s, 'llm_tokens', 'deep-1', 'frontier', 1, 0.001, 1, %s, %s FROM generate_series(1, 2500)
            """,
            [own.pk, NOON, after(60)],
        )
    assert factories.figures(own).held == 2_500
    assert admission.expire(now=after(60)) == 2_500
    assert factories.figures(own) == (10_000, 0, 0, 10_000)
    assert factories.figures(None).held == 0


def test_a_hold_whose_time_is_over_refuses_nobody(worker: Agent) -> None:
    """The sweep may be late, or its worker dead: what nobody may hold any longer is given back when it is needed."""
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=Decimal("1.3"))
    own, other = factories.envelope(), factories.envelope()
    factories.reserve(own, 900, lives=60)
    factories.reserve(other, 100, lives=60)
    assert _refused(own, 200, worker, at=after(59)).code == "budget_exhausted"
    assert isinstance(_ask(own, 200, worker, at=after(60)), Reservation)
    assert isinstance(_ask(factories.envelope(), 800, worker, at=after(61)), Reservation)
    assert Reservation.objects.filter(state="expired").count() == 2


def test_amounts_beyond_a_ceiling_that_was_lowered_stand_and_refuse(worker: Agent) -> None:
    own = factories.envelope()
    held = factories.reserve(own, 900)
    envelopes.change(own.pk, author=REVIEWER, now=NOON, token_budget=500)
    assert factories.figures(own) == (500, 0, 900, 0)
    got = _refused(own, 1, worker)
    assert str(got.figures["would_pass"]) == "wait until 2026-03-03T00:00:00+00:00, or raise llm_tokens per day by 401"
    admission.settle(held.pk, _spent(400), now=after(5))
    assert isinstance(_ask(own, 100, worker), Reservation)


@pytest.mark.parametrize("identity", ["reservation_id", "event_id"])
def test_usage_that_another_program_wrote_in_the_name_of_a_reservation_is_a_conflict(identity: str) -> None:
    factories.model()
    own = factories.envelope()
    held = factories.reserve(own, 100)
    taken = {"reservation_id": held.pk} if identity == "reservation_id" else {"event_id": f"reservation:{held.pk}"}
    Usage.objects.create(
        entity_type="hypothesis",
        entity_id=own.entity_id,
        resource_type="llm_tokens",
        amount=7,
        source="reservation",
        created_at=NOON,
        recorded_at=NOON,
        **taken,
    )
    with refused(errors.SettledOtherwiseError):
        admission.settle(held.pk, _spent(50), now=after(5))
    assert factories.figures(own).held == 100
