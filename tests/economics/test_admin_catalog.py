"""The catalogue in the admin: tiers, models, prices set and withdrawn, lists imported as reviewed, the queue."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.models import User
from economics import catalog, unpriced
from economics.admin import price_import
from economics.models import LanguageModel, Price, Tier, Usage
from tests import factories, reviewers
from tests.factories import NOON
from tests.reviewers import listed, offered, page, press, said, staff

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.django_db
HEADER = b"asof_date,model,provider,input_cost_per_token,output_cost_per_token\n"
IMPORT = "admin:economics_price_import"
QUEUE = "admin:economics_price_unpriced"
PRICE = {
    "resource_type": "llm_tokens",
    "name": "deep-1",
    "per": 1_000_000,
    "rate": "2.5",
    "output_rate": "10",
    "effective_from": "2026-03-01 12:00",
}


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


# Tiers


def test_without_tiers_the_pages_say_that_one_is_needed(root: Client) -> None:
    Tier.objects.all().delete()
    assert root.get(page(Price, kind="add"), {"name": "gpt-4o"}).status_code == 200
    shown = _import(root, source="genai", only="gpt-4o")
    assert shown.context["form"].errors["tiers"] == ["There are no tiers; add one first."]


def test_tiers_show_their_bounds_per_million_and_lead_to_their_models(root: Client) -> None:
    factories.model("deep-1", tier="standard")
    shown = listed(root.get(page(Tier)))
    assert '<td class="field-suggested_up_to_million">20</td>' in shown
    assert f'<a href="{page(LanguageModel)}?tier__name__exact=standard">1</a>' in shown


def test_a_tier_is_changed_but_keeps_its_name(root: Client) -> None:
    fields = {"name": "tiny", "title": "Cheap", "rank": 1, "suggested_up_to": "0.000003"}
    assert root.post(page(Tier, "small"), fields).status_code == 302
    small = Tier.objects.get(pk="small")
    assert (small.title, small.suggested_up_to) == ("Cheap", Decimal("0.000003"))
    assert root.post(page(Tier, kind="add"), {**fields, "name": "mid-size"}).status_code == 302
    assert Tier.objects.count() == 4


@pytest.mark.parametrize(("field", "value"), [("suggested_up_to", "-1"), ("suggested_up_to", "NaN"), ("name", "a b")])
def test_a_tier_refuses_what_its_law_would(root: Client, field: str, value: str) -> None:
    response = root.post(page(Tier, kind="add"), {"name": "mid-size", "rank": 1, field: value})
    assert (response.status_code, Tier.objects.count()) == (200, 3)


# Models


def test_models_show_the_price_in_force(root: Client) -> None:
    factories.model("deep-1", rate="0.0000025", output_rate="0.00001")
    factories.model("new-1", rate=None)
    shown = listed(root.get(page(LanguageModel)))
    for cell in (
        '<td class="field-input_now">2.5</td>',
        '<td class="field-output_now">10</td>',
        '<td class="field-since">2026-01-01</td>',
        '<td class="field-input_now">—</td>',
    ):
        assert cell in shown, cell


def test_models_are_found_by_name_provider_tier_state_and_price(root: Client) -> None:
    factories.model("deep-1", provider="deep")
    factories.model("mini-1", tier="small", rate=None, is_enabled=False)
    for query, names in (
        ({"q": "deep"}, ["deep-1"]),
        ({"tier__name__exact": "small"}, ["mini-1"]),
        ({"provider": "deep"}, ["deep-1"]),
        ({"is_enabled__exact": "1"}, ["deep-1"]),
        ({"priced": "yes"}, ["deep-1"]),
        ({"priced": "no"}, ["mini-1"]),
        ({}, ["deep-1", "mini-1"]),
    ):
        shown = root.get(page(LanguageModel), query).context["cl"].result_list
        assert (query, [model.name for model in shown]) == (query, names)


def test_a_model_is_added_and_then_moved_and_switched_but_not_renamed_or_deleted(root: Client) -> None:
    fields = {"name": "org/deep-1", "provider": "deep", "tier": "small", "is_enabled": "on"}
    assert root.post(page(LanguageModel, kind="add"), fields).status_code == 302
    address = listed(root.get(page(LanguageModel))).split('<th class="field-name"><a href="')[1].split('"')[0]
    assert root.post(address, {"name": "other", "provider": "other", "tier": "standard"}).status_code == 302
    assert list(LanguageModel.objects.values_list("name", "provider", "tier", "is_enabled")) == [
        ("org/deep-1", "deep", "standard", False)
    ]
    assert root.get(address.replace("change", "delete")).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 201), ("name", "deep-1"), ("tier", "golden"), ("provider", "a\x0bb")],
)
def test_a_model_is_refused_on_the_page(root: Client, field: str, value: str) -> None:
    factories.model("deep-1")
    fields = {"name": "deep-2", "provider": "deep", "tier": "small", field: value}
    response = root.post(page(LanguageModel, kind="add"), fields)
    assert (response.status_code, list(response.context["adminform"].form.errors)) == (200, [field])


def test_models_are_moved_to_a_tier_after_asking(root: Client) -> None:
    models = [factories.model("a"), factories.model("b", tier="small")]
    assert press(root, "move", *models).status_code == 200
    assert LanguageModel.objects.filter(tier="small").count() == 1
    response = press(root, "move", *models, confirmed="yes", tier="small")
    assert said(response) == ["Models moved to small: 1 of 2."]
    assert LanguageModel.objects.filter(tier="small").count() == 2
    assert set(LogEntry.objects.values_list("object_id", "change_message")) == {
        ("a", "Moved to small."),
        ("b", "Moved to small."),
    }


def test_models_are_switched_off_after_asking_and_on_again(root: Client) -> None:
    model = factories.model("a")
    press(root, "switch_off", model)
    assert LanguageModel.objects.get().is_enabled
    assert said(press(root, "switch_off", model, confirmed="yes")) == ["Models switched off: 1 of 1."]
    assert not LanguageModel.objects.get().is_enabled
    press(root, "switch_on", model)
    assert LanguageModel.objects.get().is_enabled


def test_a_model_leads_to_the_form_of_its_next_price(root: Client) -> None:
    response = press(root, "set_price", factories.model("org/deep-1"))
    assert response["Location"] == f"{page(Price, kind='add')}?resource_type=llm_tokens&name=org%2Fdeep-1"


# Prices


def _set(client: Client, **fields: object) -> Any:
    return client.post(page(Price, kind="add"), {**PRICE, **fields})


def test_a_price_is_set_per_million_tokens_or_per_unit(root: Client) -> None:
    factories.model("deep-1", rate=None)
    response = _set(root, source="invoice 7")
    assert said(response) == ["llm_tokens deep-1 from 2026-03-01 is set."]
    _set(root, resource_type="cpu_seconds", name="", per=1, rate="0.0001", output_rate="")
    tokens, seconds = Price.objects.order_by("pk")
    assert (tokens.rate, tokens.output_rate, tokens.source, tokens.set_by) == (
        *(Decimal("0.0000025"), Decimal("0.00001")),
        *("invoice 7", "root"),
    )
    assert tokens.effective_from.isoformat() == "2026-03-01T12:00:00+00:00"
    assert (seconds.rate, seconds.output_rate) == (Decimal("0.0001"), None)
    assert LogEntry.objects.filter(object_id=tokens.pk).get().change_message == "Set: 2.5 in, 10 out per million."


def test_the_same_price_sent_twice_is_set_once_and_another_replaces_it(root: Client) -> None:
    factories.model("deep-1", rate=None)
    for rate in ("2.5", "2.50", "3"):
        _set(root, rate=rate)
    assert [(price.rate, price.withdrawn_at is None) for price in Price.objects.order_by("pk")] == [
        (Decimal("0.0000025"), False),
        (Decimal("0.000003"), True),
    ]


def test_a_price_of_a_new_model_adds_it_to_the_tier_chosen(root: Client) -> None:
    response = _set(root)
    assert list(response.context["form"].errors) == ["tier"]
    _set(root, tier="standard", provider="deep")
    assert list(LanguageModel.objects.values_list("name", "tier", "provider")) == [("deep-1", "standard", "deep")]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"rate": "-1"}, "rate"),
        ({"rate": "NaN"}, "rate"),
        ({"rate": ""}, "rate"),
        ({"rate": "1e-10"}, "rate"),
        ({"rate": "1e30"}, "rate"),
        ({"rate": "1e999999999"}, "rate"),
        ({"rate": "1e-999999999"}, "rate"),
        ({"output_rate": ""}, "output_rate"),
        ({"output_rate": "-1"}, "output_rate"),
        ({"cache_read_rate": "-1"}, "cache_read_rate"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"per": "7"}, "per"),
        ({"effective_from": "tomorrow"}, "effective_from"),
        ({"resource_type": "gold"}, "resource_type"),
        ({"resource_type": "cpu_seconds"}, "name"),
        ({"tier": "golden"}, "tier"),
    ],
)
def test_a_price_is_refused_at_the_field_that_is_wrong(root: Client, fields: dict[str, str], wrong: str) -> None:
    factories.model("deep-1", rate=None)
    response = _set(root, **fields)
    assert (response.status_code, list(response.context["form"].errors)) == (200, [wrong])
    assert not Price.objects.exists()


def test_the_form_of_a_price_is_filled_in_with_what_the_packaged_list_says(root: Client) -> None:
    response = root.get(page(Price, kind="add"), {"name": "claude-sonnet-4-5-of-some-day", "provider": "house"})
    initial = response.context["form"].initial
    assert {name: initial[name] for name in ("rate", "output_rate", "tier", "provider", "per")} == {
        "rate": "3",
        "output_rate": "15",
        "tier": "standard",
        "provider": "house",
        "per": 1_000_000,
    }
    assert "Filled in from genai-prices" in response.content.decode()
    factories.model("claude-sonnet-4-5-of-some-day", rate=None)
    assert (
        "tier"
        not in root.get(page(Price, kind="add"), {"name": "claude-sonnet-4-5-of-some-day"}).context["form"].initial
    )
    unknown = root.get(page(Price, kind="add"), {"name": "in-house-1"}).context["form"].initial
    assert "rate" not in unknown


def test_prices_are_withdrawn_for_good_after_asking(root: Client) -> None:
    factories.model("deep-1")
    price = Price.objects.get()
    assert press(root, "withdraw", price).status_code == 200
    assert Price.objects.get().withdrawn_at is None
    assert said(press(root, "withdraw", price, confirmed="yes")) == ["Prices withdrawn: 1; withdrawn before: 0."]
    assert said(press(root, "withdraw", price, confirmed="yes"))[-1] == "Prices withdrawn: 0; withdrawn before: 1."
    assert (Price.objects.filter(withdrawn_at=None).count(), LogEntry.objects.count()) == (0, 1)


def test_prices_are_found_by_name_class_and_whether_they_stand(root: Client) -> None:
    factories.model("deep-1")
    factories.price("crossref", resource_type="api_calls", rate="0.5")
    catalog.withdraw_prices([Price.objects.get(name="deep-1").pk], now=NOON)
    for query, names in (
        ({"q": "deep"}, ["deep-1"]),
        ({"resource_type__exact": "api_calls"}, ["crossref"]),
        ({"standing": "no"}, ["deep-1"]),
        ({"standing": "yes"}, ["crossref"]),
    ):
        shown = root.get(page(Price), query).context["cl"].result_list
        assert (query, [price.name for price in shown]) == (query, names)
    assert '<td class="field-costs">0.5 each</td>' in listed(root.get(page(Price)))


def test_a_price_is_never_changed_or_deleted(root: Client) -> None:
    factories.model("deep-1")
    price = Price.objects.get()
    assert root.post(page(Price, price.pk), {"rate": "9"}).status_code == 403
    assert root.post(page(Price, price.pk, kind="delete"), {"post": "yes"}).status_code == 403


# Import


def _import(client: Client, **fields: object) -> Any:
    return client.post(reverse(IMPORT), {"source": "file", **fields})


def _csv(*rows: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("prices.csv", HEADER + "\n".join(rows).encode())


ROWS = ("2025-01-01,deep-1,deep,0.000001,0.000002", "2025-02-01,deep-1,deep,0.000001,0.000004")


def _confirmed(client: Client, shown: Any, **fields: object) -> Any:
    """Press the button of a page that shows a diff, with all that the page keeps."""
    digest = shown.context["found"].digest
    return client.post(reverse(IMPORT), {**shown.context["kept"], "digest": digest, "apply": "yes", **fields})


def test_an_import_shows_what_it_would_change_and_changes_it_when_confirmed(root: Client) -> None:
    shown = _import(root, file=_csv(*ROWS))
    assert shown.templates[0].name == "admin/price_diff.html"
    assert [(table["title"], table["rows"]) for table in shown.context["tables"]] == [
        ("New models", [("deep-1", "deep", "standard", "1 in, 2 out", "from 2025-01-01")]),
        ("Changed prices", [("deep-1", "2 → 4 out (+100.0 %)", "from 2025-02-01")]),
    ]
    assert not Price.objects.exists()
    done = _confirmed(root, shown)
    assert (done.status_code, done["Location"]) == (302, page(Price))
    assert list(Price.objects.values_list("set_by", flat=True)) == ["root", "root"]
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message[:31]) == ("Import of prices.csv", "1 new models, 0 first prices, 1")


def test_an_import_confirmed_twice_imports_once(root: Client) -> None:
    shown = _import(root, file=_csv(*ROWS))
    for _ in range(2):
        _confirmed(root, shown)
    assert Price.objects.count() == 2


def test_an_import_is_refused_when_the_catalogue_has_moved_and_shows_the_new_diff(root: Client) -> None:
    shown = _import(root, file=_csv(*ROWS))
    factories.model("deep-1", rate=None)
    again = _confirmed(root, shown)
    assert again.status_code == 200
    assert said(again)[0].endswith("[stale_price_list]")
    assert [table["title"] for table in again.context["tables"]] == ["First prices", "Changed prices"]
    assert not Price.objects.exists()
    _confirmed(root, again)
    assert Price.objects.count() == 2


@pytest.mark.parametrize(
    "change",
    [{"digest": ""}, {"digest": "0" * 64}, {"tiers": "deep-1=small"}, {"only": "deep-2 deep-1", "skip": "deep-1"}],
)
def test_nothing_but_what_was_shown_is_imported(root: Client, change: dict[str, str]) -> None:
    shown = _import(root, file=_csv(*ROWS, "2025-01-01,deep-2,deep,1,1"))
    _confirmed(root, shown, **change)
    assert not Price.objects.exists()


def test_an_import_of_the_package_is_narrowed_and_tiered_as_asked(root: Client) -> None:
    shown = _import(root, source="genai", only="gpt-4o gpt-4o-mini", skip="*-mini", tiers="gpt-4o = frontier\n\n")
    assert [row[:3] for row in shown.context["tables"][0]["rows"]] == [("gpt-4o", "openai", "frontier")]
    _confirmed(root, shown)
    assert catalog.resolve("gpt-4o").tier_id == "frontier"
    again = _import(root, source="genai", only="gpt-4o")
    assert "nothing to import" in again.content.decode()


def test_an_import_shows_a_hundred_of_a_kind_or_all(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_import, "_SHOWN", 2)
    file = [f"2025-01-01,m-{n},deep,1,1" for n in range(5)]
    shown = _import(root, file=_csv(*file))
    assert [(len(t["rows"]), t["count"], t["more"]) for t in shown.context["tables"]] == [(2, 5, 3)]
    every = root.post(reverse(IMPORT), {**shown.context["kept"], "show_all": "yes"})
    assert [(len(t["rows"]), t["count"], t["more"]) for t in every.context["tables"]] == [(5, 5, 0)]


@pytest.mark.parametrize(
    ("fields", "wrong", "message"),
    [
        ({}, "file", "Choose a file."),
        ({"file": SimpleUploadedFile("x.csv", b"a,b\n")}, "file", "line 1: the columns asof_date, model, "),
        ({"file": SimpleUploadedFile("x.csv", HEADER + b"\xff")}, "file", "line 2: this is not text in UTF-8."),
        ({"kept": "AAAA"}, "file", "Choose a file."),
        ({"kept": "not base64"}, "file", "Choose a file."),
        ({"kept": "é"}, "file", "Choose a file."),
        ({"file": _csv(*ROWS), "tiers": "deep-1=golden"}, "tiers", "There is no tier golden"),
        ({"file": _csv(*ROWS), "tiers": "deep-2=small"}, "tiers", "deep-2 is not in this list."),
        ({"source": "web"}, "source", "Select a valid choice."),
    ],
)
def test_an_import_asks_again_where_the_list_cannot_be_read(
    root: Client, fields: dict[str, Any], wrong: str, message: str
) -> None:
    if "file" in fields:
        fields["file"].seek(0)
    response = _import(root, **fields)
    errors = response.context["form"].errors
    assert (response.status_code, list(errors), errors[wrong][0][: len(message)]) == (200, [wrong], message)


def test_a_file_too_large_for_a_page_is_refused(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_import, "_MOST_BYTES", 50)
    assert list(_import(root, file=_csv(*ROWS)).context["form"].errors) == ["file"]


# The queue


def _waiting(model: str = "new-1", *, at: datetime = NOON, **terms: Any) -> Usage:
    return factories.record(factories.envelope(tokens=10**9), 1_500, model=model, at=at, **terms)


def test_the_queue_is_grouped_and_leads_to_rows_and_to_the_form_that_prices_them(root: Client) -> None:
    for days in (0, 2):
        _waiting(at=NOON + timedelta(days=days), provider="acme")
    factories.record(factories.envelope(), 5, resource_type="cpu_seconds")
    shown = root.get(reverse(QUEUE))
    rows = shown.context["rows"]
    assert [(row["waiting"].model, row["events"], row["amount"], row["waiting"].missing) for row in rows] == [
        ("new-1", "2", "3,000", "the model"),
        ("", "1", "5", "a price"),
    ]
    listed = root.get(rows[0]["usage_url"]).context["cl"].result_list
    assert {usage.model for usage in listed} == {"new-1"}
    form = root.get(rows[0]["price_url"]).context["form"]
    assert {name: form.initial[name] for name in ("name", "provider", "effective_from", "resource_type")} == {
        "name": "new-1",
        "provider": "acme",
        "effective_from": "2026-03-02",
        "resource_type": "llm_tokens",
    }
    _set(root, **{**form.initial, "tier": "small"})
    assert "nothing: it is about to be priced" in root.get(reverse(QUEUE)).content.decode()
    assert unpriced.price_unpriced(now=timezone.now()) == 2
    assert [row["waiting"].resource_type for row in root.get(reverse(QUEUE)).context["rows"]] == ["cpu_seconds"]


def test_the_queue_says_when_it_is_empty(root: Client) -> None:
    assert "All usage has its price." in root.get(reverse(QUEUE)).content.decode()


def test_the_pages_take_as_many_queries_for_many_rows_as_for_one(root: Client) -> None:
    counts = []
    for number in (1, 20):
        for n in range(number):
            factories.model(f"m-{number}-{n}")
            _waiting(f"new-{number}-{n}")
        for address in (page(Tier), page(LanguageModel), page(Price), reverse(QUEUE)):
            root.get(address)
            with CaptureQueriesContext(connection) as captured:
                root.get(address)
            counts.append((address, len(captured)))
    assert counts[:4] == counts[4:]


# Rights


def test_each_page_and_deed_has_a_right_of_its_own(client: Client) -> None:
    factories.model("deep-1")
    reader = staff(client, "economics.view_price", "economics.view_languagemodel")
    for address in (page(Price, kind="add"), reverse(IMPORT), reverse(QUEUE)):
        assert (address, reader.get(address).status_code, reader.post(address).status_code) == (address, 403, 403)
    assert (offered(reader, Price), offered(reader, LanguageModel)) == ([], [])
    shown = reader.get(page(Price)).content.decode()
    assert reverse(IMPORT) not in shown
    assert reverse(QUEUE) not in shown
    press(reader, "withdraw", Price.objects.get(), confirmed="yes")
    press(reader, "switch_off", LanguageModel.objects.get(), confirmed="yes")
    assert (Price.objects.get().withdrawn_at, LanguageModel.objects.get().is_enabled) == (None, True)


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        (["economics.add_price"], 403),
        (["economics.add_languagemodel"], 403),
        (["economics.add_price", "economics.add_languagemodel"], 200),
    ],
)
def test_an_import_needs_the_right_to_add_prices_and_models(
    client: Client, permissions: list[str], status: int
) -> None:
    assert staff(client, *permissions).get(reverse(IMPORT)).status_code == status


def test_a_price_of_a_new_model_needs_the_right_to_add_models(client: Client) -> None:
    setter = staff(client, "economics.add_price")
    response = _set(setter, tier="small")
    assert (response.status_code, list(response.context["form"].errors)) == (200, ["tier"])
    assert not LanguageModel.objects.exists()


def test_prices_are_set_and_imported_only_from_our_own_pages() -> None:
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(User.objects.create_superuser("root"))
    factories.model("deep-1", rate=None)
    assert _set(stranger).status_code == 403
    assert _import(stranger, source="genai").status_code == 403
    assert not Price.objects.exists()
