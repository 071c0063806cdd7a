"""The History page of a row, and the deeds of the admin that sign what they change."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from auction import pools
from auction.models import Pool
from config import change_words, history, history_page, requests
from config.models import Change
from economics import budget_policy, envelopes, revisions
from economics.models import BudgetPolicy, DefaultEnvelope, LanguageModel, MonetaryPolicy, Transfer
from tests import factories, reviewers
from tests.factories import NOON, REVIEWER, after
from tests.reviewers import page, press, staff

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def rows(client: Client, of: Model, number: int = 1) -> list[list[str]]:
    """Return the cells of what the database recorded of a row, as its History shows them."""
    shown = client.get(page(type(of), of.pk, kind="history"), {"changes": number}).content.decode()
    bodies = re.findall(r"<tbody>(.*?)</tbody>", shown, re.DOTALL)
    cells = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", bodies[0], re.DOTALL)
    )
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def test_history_tells_when_who_what_why_for_what_cause_and_in_which_request(root: Client) -> None:
    pool = factories.pool(reserve_tokens=1)
    author = revisions.Author("ada", "too cheap", "proposal", "7")
    with requests.known_as("r-1"), revisions.signed(author, now=NOON):
        pools.configure(pool.name, reserve_tokens=5_000, pricing_rule="vickrey")
    newest, first = rows(root, pool)
    assert newest == [
        "2026-03-02 12:00:00 UTC",
        "ada",
        "pricing rule uniform → vickrey reserve tokens 1 → 5,000",
        "too cheap",
        "proposal 7",
        "r-1",
    ]
    assert first[2].startswith("Added")
    assert "→" not in first[2]


def test_history_is_told_in_pages_of_fifty(root: Client) -> None:
    pool = factories.pool()
    for number in range(60):
        pools.configure(pool.name, reserve_tokens=number + 10)
    assert [len(rows(root, pool, number)) for number in (1, 2)] == [50, 11]
    assert rows(root, pool)[0][2] == "reserve tokens 68 → 69"


def test_history_costs_as_many_queries_for_fifty_changes_as_for_one(root: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            root.get(page(Pool, pool.pk, kind="history"))
        return len(captured)

    pool = factories.pool()
    root.get(page(Pool, pool.pk, kind="history"))
    with_one = cost()
    for number in range(50):
        with revisions.signed(revisions.Author("ada", "w", "proposal", "1"), now=after(number)):
            pools.configure(pool.name, capacity=number + 10)
    assert cost() == with_one <= 15


def test_history_of_an_envelope_is_its_revisions(root: Client) -> None:
    opened = envelopes.open_envelope("hypothesis", "h1", author=REVIEWER, now=NOON, token_budget=5)
    envelopes.change(opened.pk, author=REVIEWER, now=NOON + timedelta(hours=1), token_budget=9)
    assert [row[:3] for row in rows(root, opened)] == [
        ["2026-03-02 13:00:00 UTC", "ada", "token budget 5 → 9"],
        ["2026-03-02 12:00:00 UTC", "ada", "state active window kind month token budget 5"],
    ]


def test_history_shows_what_people_wrote_inert(root: Client) -> None:
    pool = factories.pool()
    with revisions.signed(revisions.Author("<b>ada", "<script>alert(1)</script>" * 20), now=NOON):
        pools.configure(pool.name, capacity=9)
    shown = root.get(page(Pool, pool.pk, kind="history")).content.decode()
    assert "<script>alert" not in shown
    assert "<b>ada" not in shown


def test_history_of_other_rows_is_the_admins_own_log(root: Client) -> None:
    factories.wallet(5)
    response = root.get(page(Transfer, Transfer.objects.latest("pk").pk, kind="history"))
    assert (response.status_code, "What the database recorded" in response.content.decode()) == (200, False)


@pytest.mark.parametrize("key", ["999", "nonsense", "_"])
def test_history_of_no_row_leads_home(root: Client, key: str) -> None:
    for model in ("auction_pool", "economics_envelope"):
        assert root.get(reverse(f"admin:{model}_history", args=[key])).status_code == 302


def test_history_is_for_those_who_may_see_the_row(client: Client) -> None:
    pool = factories.pool()
    assert staff(client, "config.view_agent").get(page(Pool, pool.pk, kind="history")).status_code == 403


def test_changes_lead_to_the_history_of_their_row(root: Client) -> None:
    pool = factories.pool("gpu")
    DefaultEnvelope.objects.create(entity_type="knowledge gap/1")
    shown = root.get(page(Change)).content.decode()
    for row, name in ((pool, f"pool {pool.pk}"), (DefaultEnvelope.objects.get(), "default envelope knowledge gap/1")):
        address = page(type(row), quote(row.pk), kind="history")
        assert f'<a href="{address}">{name}</a>' in shown
        assert root.get(address).status_code == 200


def test_changes_are_found_by_request_and_by_rows(root: Client) -> None:
    pool = factories.pool()
    with requests.known_as("r-7"), revisions.signed(REVIEWER, now=NOON):
        pools.configure(pool.name, capacity=9)
    budget_policy.change(author=REVIEWER, now=NOON, fleet_daily_usd=5)
    own = list(history.of(Pool, pool.pk))
    assert list(root.get(page(Change), {"q": "r-7"}).context["cl"].result_list) == own[:1]
    of_pools = root.get(page(Change), {"table_name": "auction_pools", "action__exact": "changed"})
    assert list(of_pools.context["cl"].result_list) == own[:1]


def test_a_table_without_a_page_leads_nowhere() -> None:
    assert (history_page.address("django_migrations", "1"), history_page.address("auction_pools", "")) == ("", "")


# What deeds sign


def _signed(row: Model) -> tuple[str, str, bool]:
    """Return who made the last change of a row and why, and whether a request is named."""
    change = history.of(type(row), row.pk)[0]
    return change.who, change.why, bool(change.request_id)


def _settings(pool: Pool) -> dict[str, object]:
    names = (
        *("pricing_rule", "capacity", "cycle_seconds", "start_deadline_seconds", "lease_seconds", "max_ttl_seconds"),
        *("reserve_tokens", "min_bid_tokens", "max_bid_tokens", "usd_per_token", "reward_rate", "reward_cap_tokens"),
        *("runner_share", "claim_seconds", "breaker_failures", "stale_cycles"),
    )
    return {name: getattr(pool, name) for name in names}


@pytest.mark.parametrize(("reason", "why"), [("too few", "too few"), ("", "settings changed in the admin")])
def test_a_pools_settings_are_changed_in_the_persons_name(root: Client, reason: str, why: str) -> None:
    pool = factories.pool()
    terms = {**_settings(pool), "capacity": 9, "reason": reason}
    assert root.post(page(Pool, pool.pk), terms).status_code == 302
    assert _signed(pool) == ("root", why, True)
    assert history.of(Pool, pool.pk)[0].changes == {"capacity": [4, 9]}


def test_a_pool_is_made_in_the_persons_name(root: Client) -> None:
    terms = {**_settings(factories.pool()), "name": "gpu", "reason": "for the new cards"}
    assert root.post(page(Pool, kind="add"), terms).status_code == 302
    assert _signed(Pool.objects.get(name="gpu")) == ("root", "for the new cards", True)


def test_pools_are_stopped_and_resumed_in_the_persons_name(root: Client) -> None:
    pool = factories.pool()
    press(root, "stop", pool, confirmed="yes", reason="power cut")
    assert _signed(pool) == ("root", "power cut", True)
    press(root, "resume", pool, confirmed="yes")
    assert _signed(pool) == ("root", "resumed in the admin", True)


def test_policies_are_changed_in_the_persons_name(root: Client) -> None:
    money = MonetaryPolicy.objects.get()
    terms = {name: getattr(money, name) for name in ("daily_token_bucket", "supply_cap", "stipend_share", "wallet_cap")}
    root.post(page(MonetaryPolicy, 1), {**terms, "supply_cap": 5, "reason": "a lean year"})
    assert _signed(money) == ("root", "a lean year", True)
    policy = root.get(page(BudgetPolicy, 1)).context["adminform"].form
    terms = {name: value for name in policy.fields if (value := policy[name].value()) is not None}
    root.post(page(BudgetPolicy, 1), {**terms, "safety_seconds": 60, "reason": "look more often"})
    assert _signed(BudgetPolicy.objects.get()) == ("root", "look more often", True)


def test_default_envelopes_are_saved_and_deleted_in_the_persons_name(root: Client) -> None:
    terms = {"entity_type": "hypothesis", "window_kind": "day", "token_budget": 5, "cpu_budget": 0}
    root.post(page(DefaultEnvelope, kind="add"), terms)
    default = DefaultEnvelope.objects.get()
    assert _signed(default) == ("root", "saved in the admin", True)
    root.post(page(DefaultEnvelope, default.pk, kind="delete"), {"post": "yes"})
    assert _signed(default) == ("root", "deleted in the admin", True)
    again = DefaultEnvelope.objects.create(entity_type="hypothesis")
    press(root, "delete_selected", again, post="yes")
    assert not DefaultEnvelope.objects.exists()
    assert _signed(default) == ("root", "deleted in the admin", True)


def test_models_are_changed_in_the_persons_name(root: Client) -> None:
    terms = {"name": "deep-1", "provider": "deep", "tier": "small", "is_enabled": "on"}
    root.post(page(LanguageModel, kind="add"), terms)
    model = LanguageModel.objects.get()
    assert _signed(model) == ("root", "saved in the admin", True)
    press(root, "switch_off", model, confirmed="yes")
    assert _signed(model) == ("root", "switched off in the admin", True)
    assert history.of(LanguageModel, "deep-1")[0].changes == {"is_enabled": [True, False]}


# Words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "none"),
        ("", "none"),
        ([], "none"),
        (0, "0"),
        (1_000_000, "1,000,000"),
        (1e-10, "0.0000000001"),
        (0.5, "0.5"),
        (False, "no"),
        (True, "yes"),
        ("2026-03-02T13:00:00.25+01:00", "2026-03-02 12:00:00 UTC"),
        ("2026-03-02", "2026-03-02"),
        ("2026Tea", "2026Tea"),
        ({"lift": ["ä", 1]}, '{"lift": ["ä", 1]}'),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert change_words.sentence({"a_b_id": [value, "x"], "new": [None, ""]}).split(" → ")[0].endswith(words)
    assert change_words.steps({"a_b_id": ["x", value]}) == [("a b", "x", words)]
