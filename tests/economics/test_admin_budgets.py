"""Envelopes in the admin: opened, changed, granted, frozen and paused by people, each with a reason on record."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from economics import admission, envelopes, revisions, standings
from economics.models import (
    BudgetPolicy,
    DefaultEnvelope,
    Envelope,
    Grant,
    Line,
    Pause,
    Refusal,
    Reservation,
    Revision,
    Tier,
    Usage,
    UsageDay,
)
from tests import factories, reviewers
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
KEY = "0123456789abcdef" * 2


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def _opened(**ceilings: Any) -> Envelope:
    author = revisions.Author("ada", "first budget")
    terms = {"token_budget": 1000, "window_kind": "day", **ceilings}
    return envelopes.open_envelope("hypothesis", "h1", author=author, now=timezone.now(), **terms)


def _form(envelope: Envelope | None = None, **fields: object) -> dict[str, object]:
    ceilings = {"window_kind": "day", "token_budget": 1000, "cpu_budget": 0, "storage_budget_gb": "", "reason": "more"}
    new = {"entity_type": "hypothesis", "entity_id": "h1"} if envelope is None else {"saw": _saw(envelope)}
    return {**ceilings, "api_call_budget": "", "request_token_cap": "", **new, **fields}


def _saw(envelope: Envelope) -> str:
    stored = Envelope.objects.get(pk=envelope.pk)
    return f"{stored.window_kind} {stored.token_budget:,} {stored.cpu_budget.normalize():,f} — — —"


# Envelopes


def test_an_envelope_is_opened_with_a_reason(root: Client) -> None:
    assert root.post(page(Envelope, kind="add"), _form(granted="on")).status_code == 302
    opened = Envelope.objects.get()
    assert (str(opened), opened.token_budget, opened.granted_by) == ("hypothesis:h1", 1000, "root")
    revision = Revision.objects.get()
    assert (revision.who, revision.why, revision.changes["token_budget"]) == ("root", "more", [None, 1000])


def test_an_entity_has_one_envelope(root: Client) -> None:
    _opened()
    response = root.post(page(Envelope, kind="add"), _form())
    assert (response.status_code, Envelope.objects.count()) == (200, 1)
    assert "already exists" in response.content.decode()


def test_no_reason_no_change(root: Client) -> None:
    envelope = _opened()
    response = root.post(page(Envelope, envelope.pk), _form(envelope, token_budget=2000, reason=""))
    assert list(response.context["adminform"].form.errors) == ["reason"]


def test_a_change_reaches_the_next_reservation(root: Client) -> None:
    envelope = _opened()
    assert root.post(page(Envelope, envelope.pk), _form(envelope, token_budget=2000)).status_code == 302
    (tokens, *_rest) = standings.of_envelopes([envelope.pk], at=timezone.now())[envelope.pk]
    assert (tokens.base, tokens.limit) == (Decimal(2000), Decimal(2000))
    assert Revision.objects.latest("pk").changes == {"token_budget": [1000, 2000]}


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(root: Client) -> None:
    envelope = _opened()
    form = _form(envelope, token_budget=2000)
    envelopes.change(envelope.pk, author=revisions.Author("bob"), now=timezone.now(), token_budget=5)
    response = root.post(page(Envelope, envelope.pk), form)
    assert "Somebody changed this envelope while you looked" in response.content.decode()
    assert Envelope.objects.get().token_budget == 5


def test_the_page_shows_the_lines_as_admission_sees_them(root: Client) -> None:
    envelope = _opened()
    factories.model()
    asked = admission.reserve(factories.ask(envelope, 250), agent_id=factories.agent().pk, now=timezone.now())
    assert isinstance(asked, Reservation)
    shown = root.get(page(Envelope, envelope.pk)).content.decode()
    cells = '<td class="number">1,000</td><td class="number">0</td><td class="number">250</td>'
    assert cells in shown
    assert '<td class="number">750</td>' in shown
    assert "first budget" in shown


def test_a_list_page_shows_standing_with_few_queries(root: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        author = revisions.Author("ada")
        envelopes.open_envelope("analysis", f"a{number}", author=author, now=timezone.now(), token_budget=100)
    root.get(page(Envelope))
    with django_assert_max_num_queries(12):
        shown = root.get(page(Envelope)).context["cl"].result_list
    assert [row.standing[0].limit for row in shown] == [100] * 20


# Deeds


def test_grant_asks_and_adds_for_some_windows(root: Client) -> None:
    envelope = _opened()
    line = Line.objects.get(envelope=envelope, resource_type="llm_tokens")
    asked = press(root, "grant", envelope)
    assert 'name="seen" value="0"' in asked.content.decode()
    fields = {"line": line.pk, "amount": 500, "windows": 3, "reason": "deadline", "seen": 0}
    press(root, "grant", envelope, confirmed="yes", **fields)
    again = press(root, "grant", envelope, confirmed="yes", **fields)  # the same page, sent twice
    assert "stale_envelope" in said(again)[-1]
    granted = Grant.objects.get()
    assert (granted.amount, granted.granted_by, granted.reason) == (Decimal(500), "root", "deadline")
    assert (granted.last_window - granted.first_window).days == 2
    (tokens, *_rest) = standings.of_envelopes([envelope.pk], at=timezone.now())[envelope.pk]
    assert tokens.limit == 1500
    press(root, "end", granted, confirmed="yes", reason="done")
    (tokens, *_rest) = standings.of_envelopes([envelope.pk], at=timezone.now())[envelope.pk]
    assert tokens.limit == 1000


def test_a_grant_is_on_a_line_of_that_envelope(root: Client) -> None:
    envelope = _opened()
    author = revisions.Author("ada")
    other = envelopes.open_envelope("analysis", "a1", author=author, now=timezone.now())
    line = other.lines.order_by("pk")[0]
    fields = {"line": line.pk, "amount": 500, "windows": 1, "reason": "x", "seen": 0}
    response = press(root, "grant", envelope, confirmed="yes", **fields)
    assert (list(response.context["form"].errors), Grant.objects.count()) == (["line"], 0)


def test_set_line_sets_a_tier_on_each(root: Client) -> None:
    envelope = _opened()
    Tier.objects.get_or_create(name="frontier")
    fields = {"resource_type": "llm_tokens", "qualifier": "frontier", "window_kind": "day", "base": 100, "reason": "x"}
    press(root, "set_line", envelope, confirmed="yes", **fields)
    assert Line.objects.get(qualifier="frontier").base == 100
    wrong = press(root, "set_line", envelope, confirmed="yes", **{**fields, "qualifier": "nonsense"})
    assert list(wrong.context["form"].errors) == ["qualifier"]
    named = press(root, "set_line", envelope, confirmed="yes", **{**fields, "qualifier": ""})
    assert said(named)[-1] == "hypothesis:h1: This line is kept by a column of the envelope: change that."


def test_freeze_and_unfreeze_ask_why(root: Client) -> None:
    envelope = _opened()
    press(root, "freeze", envelope, confirmed="yes")
    envelope.refresh_from_db()
    assert envelope.state == "active"
    press(root, "freeze", envelope, confirmed="yes", reason="data withdrawn")
    envelope.refresh_from_db()
    assert (envelope.state, envelope.state_reason, envelope.frozen_by_check) == ("frozen", "data withdrawn", False)
    shown = root.get(page(Envelope, envelope.pk)).content.decode()
    assert "Frozen: data withdrawn. Nothing can be reserved on it" in shown
    assert "by a person: data withdrawn" in shown
    press(root, "unfreeze", envelope, confirmed="yes", reason="data is back")
    envelope.refresh_from_db()
    assert (envelope.state, envelope.state_reason) == ("active", "")
    assert [r.who for r in Revision.objects.order_by("pk")] == ["ada", "root", "root"]


def test_mark_granted_puts_the_persons_name_to_it(root: Client) -> None:
    envelope = _opened()
    press(root, "mark_granted", envelope, confirmed="yes", reason="decided on Monday")
    envelope.refresh_from_db()
    assert (envelope.granted_by, envelope.granted_at is not None) == ("root", True)


def test_deeds_need_the_right_to_change(client: Client) -> None:
    envelope = _opened()
    reader = staff(client, "economics.view_envelope")
    assert offered(reader, Envelope) == []
    press(reader, "freeze", envelope, confirmed="yes", reason="x")
    envelope.refresh_from_db()
    assert envelope.state == "active"


# Policy and pauses


def _policy(**fields: object) -> dict[str, object]:
    policy = BudgetPolicy.objects.get()
    names = (
        *("zone", "week_starts_on", "reservation_seconds", "reservation_most_seconds", "unsplit_output_share"),
        "safety_seconds",
        "score_seconds",
    )
    return {name: getattr(policy, name) for name in names} | {"reason": "policy", **fields}


def test_the_policy_is_changed_with_a_reason(root: Client) -> None:
    policy = BudgetPolicy.objects.get()
    assert (
        root.post(page(BudgetPolicy, policy.pk), _policy(fleet_daily_usd="12.5", zone="Asia/Tokyo")).status_code == 302
    )
    policy.refresh_from_db()
    assert (policy.fleet_daily_usd, policy.zone) == (Decimal("12.5"), "Asia/Tokyo")
    assert standings.of_fleet(at=timezone.now()).limit == Decimal("12.5")


@pytest.mark.parametrize(
    ("field", "value"),
    [("zone", "Mars/Base"), ("reservation_most_seconds", 1), ("fleet_daily_usd", "-1"), ("reason", "")],
)
def test_a_policy_that_makes_no_sense_is_refused(root: Client, field: str, value: object) -> None:
    response = root.post(page(BudgetPolicy, 1), _policy(**{field: value}))
    assert list(response.context["adminform"].form.errors) == [field]


def test_the_fleet_is_paused_and_resumed(root: Client) -> None:
    policy = BudgetPolicy.objects.get()
    press(root, "pause_fleet", policy, confirmed="yes", reason="bad release")
    assert "paused since" in root.get(page(BudgetPolicy, policy.pk)).content.decode()
    again = press(root, "pause_fleet", policy, confirmed="yes", reason="bad release")
    assert said(again)[-1].startswith("It is paused already. [already_paused")
    press(root, "resume_fleet", policy, confirmed="yes", reason="fixed")
    assert list(Pause.objects.values_list("began_by", "ended_by")) == [("root", "root")]


def test_an_agent_is_paused_once_and_resumed(root: Client) -> None:
    agent = factories.agent()
    for _ in range(2):
        root.post(page(Pause, kind="add"), {"agent": agent.pk, "reason": "runs wild"})
    paused = Pause.objects.get()
    assert (paused.agent, paused.began_by) == (agent, "root")
    press(root, "end", paused, confirmed="yes", reason="mended")
    paused.refresh_from_db()
    assert paused.ended_at is not None


def test_a_default_envelope_is_set_for_a_type(root: Client) -> None:
    fields = {"entity_type": "analysis", "window_kind": "week", "token_budget": 10, "cpu_budget": 0}
    assert root.post(page(DefaultEnvelope, kind="add"), fields).status_code == 302
    assert DefaultEnvelope.objects.get().token_budget == 10
    bad = root.post(page(DefaultEnvelope, kind="add"), {**fields, "entity_type": "entity", "token_budget": -1})
    assert bad.status_code == 200


# Usage, reservations, refusals


def test_usage_is_corrected_once_by_a_row_of_its_own(root: Client) -> None:
    envelope = _opened()
    usage = factories.record(envelope, 100)
    assert press(root, "correct", usage).status_code == 200
    for _ in range(2):
        press(root, "correct", usage, confirmed="yes", key=KEY, amount=40, reason="counted twice")
    contra = Usage.objects.get(corrects_id=usage.pk)
    assert (contra.amount, contra.note) == (Decimal(-40), "root: counted twice")
    too_much = press(root, "correct", usage, confirmed="yes", key=KEY[::-1], amount=61, reason="more")
    assert "[correction_too_large" in said(too_much)[-1]
    assert UsageDay.objects.get().amount == 60


def test_a_stuck_hold_is_released_with_a_reason(root: Client) -> None:
    envelope = _opened()
    factories.model()
    held = admission.reserve(factories.ask(envelope, 250), agent_id=factories.agent().pk, now=timezone.now())
    assert isinstance(held, Reservation)
    press(root, "release", held, confirmed="yes", reason="agent died")
    held.refresh_from_db()
    assert held.state == "released"


def test_a_refusal_is_listed_with_the_figures_of_its_line(root: Client) -> None:
    envelope = _opened()
    factories.model()
    admission.reserve(factories.ask(envelope, 1001), agent_id=factories.agent().pk, now=timezone.now())
    assert Refusal.objects.get().code == "budget_exhausted"
    assert "0 of 1,000" in root.get(page(Refusal)).content.decode()
