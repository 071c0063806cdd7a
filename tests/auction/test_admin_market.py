"""The pages of the market: the book, rounds done again, wallets, slots; and who may mend them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from auction import clearing, mechanism, settlement
from auction.admin import effects
from auction.models import Bid, Clear, Pool, Slot, Task
from config.models import User
from economics.models import Account
from governance import roles
from tests import factories, reviewers
from tests.factories import NOON, after
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

BOOK = "admin:auction_book"
WALLET = "admin:auction_wallet"
RELEASE = "admin:auction_wallet_release"
WHY: dict[str, object] = {"confirmed": "yes", "reason": "the runner is gone"}


@pytest.fixture
def root(db: None, client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


@pytest.fixture(autouse=True)
def a_minute_past_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages be looked at a minute after noon."""
    monkeypatch.setattr(timezone, "now", lambda: after(60))


def _plain(response: Any) -> str:
    """Return the words of a page."""
    main = response.content.decode().partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def _book(client: Client, pool: Pool, **more: str | int) -> Any:
    return client.get(reverse(BOOK), {"pool": pool.name, **more})


def _bidders(pool: Pool, prices: list[int]) -> list[Bid]:
    return [factories.bid(factories.wallet(10_000), price, pool, gtd=True) for price in prices]


# The order book


def test_the_book_tells_what_would_be_sold(root: Client) -> None:
    pool = factories.pool("gpu", reserve_tokens=20, cycle_seconds=60)
    factories.slots(pool, 2)
    factories.slot(pool, reserve=1_500)
    bids = _bidders(pool, [4_000, 60, 10])
    shown = _book(root, pool)
    words = _plain(shown)
    assert "Highest bid 4,000 wallet tokens" in words
    assert "Cheapest slot 20 wallet tokens at least" in words
    assert "Would be sold now 2 slots" in words
    assert words.count("would win") == 2
    assert [f"bid/{bid.pk}/change/" in shown.content.decode() for bid in bids] == [True] * 3
    assert [len(series.values) for series in shown.context["chart"].series] == [5, 5]


def test_an_empty_book_says_how_it_fills(root: Client) -> None:
    words = _plain(_book(root, factories.pool("gpu")))
    assert "No open bids. Agents and quests place them over the API" in words
    assert "No slot is open." in words
    assert "Nobody bids and no slot is on offer." in words


def test_the_book_goes_on_from_row_to_row(root: Client) -> None:
    pool = factories.pool("gpu")
    owner = factories.wallet(100_000)
    for number in range(60):
        factories.bid(owner, 100 + number % 3, pool, at=after(number / 100))
    first = _book(root, pool)
    last_shown = first.context["after"]
    second = _book(root, pool, after=last_shown)
    assert second.context["after"] is None
    keys = [
        int(key)
        for shown in (first, second)
        for key in re.findall(r'href="/admin/auction/bid/(\d+)/change/"', shown.content.decode())
    ]
    in_order = Bid.objects.order_by("-max_price_tokens", "placed_at", "pk").values_list("pk", flat=True)
    assert keys == list(in_order)
    assert "Top of the book" in _plain(second)


@pytest.mark.parametrize("after_what", ["x", "0", "9" * 30, "-1", "²"])
def test_a_place_that_is_none_is_the_top(root: Client, after_what: str) -> None:
    pool = factories.pool("gpu")
    _bidders(pool, [10])
    assert _book(root, pool, after=after_what).context["is_first"]


def test_a_pool_that_is_none_leads_to_one_that_is(root: Client) -> None:
    factories.pool("gpu")
    words = _plain(root.get(reverse(BOOK), {"pool": "<none>"}))
    assert "There is no pool “&lt;none&gt;”." in words
    assert root.get(reverse(BOOK)).status_code == 200


def test_a_book_that_does_not_sell_says_so(root: Client) -> None:
    assert "The pool is stopped" in _plain(_book(root, factories.pool("off", mode="stopped")))
    pool = factories.pool("gifts", mode="fallback")
    factories.slots(pool, 1)
    _bidders(pool, [50])
    words = _plain(_book(root, pool))
    assert ("in fallback" in words, "would win" in words) == (True, False)


def test_tasks_and_quests_may_have_any_name(root: Client) -> None:
    """Programs name them: a name that is no plain part of an address must not keep a page from everybody."""
    quest = factories.quest("q\n_2F", 1_000)
    odd = factories.quest_task(quest, name="t\n_41/../x")
    bid = factories.bid(quest.account, 100, quest.pool, work=odd)
    leads = f'href="{page(Task, quote(odd.pk))}"'
    assert leads in _book(root, quest.pool).content.decode()
    assert leads in root.get(reverse(WALLET, args=[quest.account_id])).content.decode()
    factories.slot(quest.pool)
    clearing.clear_round(after(1), quest.pool.name)
    assert Clear.objects.get().bid == bid
    quests = root.get(reverse("resources_tab", args=["quests"])).content.decode()
    assert f'href="{page(type(quest), quote(quest.pk))}"' in quests


def test_the_book_is_for_those_who_may_read_bids(client: Client, db: None) -> None:
    assert staff(client, "auction.view_pool").get(reverse(BOOK)).status_code == 403


# Rounds


def _replay(client: Client, number: object) -> Any:
    return client.get(reverse("admin:auction_round_replay", args=[number]))


def test_a_round_tells_its_charges_and_who_lost(root: Client) -> None:
    pool = factories.pool("gpu")
    factories.slots(pool, 2)
    bids = _bidders(pool, [900, 700, 400])
    stored = clearing.clear_round(NOON, "gpu")
    shown = _replay(root, stored.pk)
    words = _plain(shown)
    assert "The replay gives the stored result exactly." in words
    assert "Market price 400" in words
    assert f"bid {bids[0].pk} {bids[0].account} 900 400 500 bid {bids[2].pk} at 400 sold" in words
    assert f"3 bid {bids[2].pk} {bids[2].account} 400" in words
    assert [series.values for series in shown.context["chart"].series] == [
        [900, 700, 400],
        [1, 1, None],
        [400, 400, 400],
    ]


def test_a_round_whose_frontier_was_touched_is_shown_with_its_verdict(root: Client) -> None:
    stored = factories.world(Decimal("0.02")).round
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE compute_auction_rounds SET frontier = '{}' WHERE id = %s", [stored.pk])
    assert "The replay differs from what is stored: frontier: cannot be read" in _plain(_replay(root, stored.pk))


def test_there_is_no_replay_of_no_round(root: Client) -> None:
    assert [_replay(root, number).status_code for number in (0, 2**63)] == [404, 404]


def test_replays_are_for_those_who_may_read_rounds(client: Client, db: None) -> None:
    stored = clearing.clear_round(NOON, factories.pool().name)
    assert _replay(staff(client, "auction.view_bid"), stored.pk).status_code == 403


def test_a_list_of_rounds_tells_their_fill_rate(root: Client) -> None:
    pool = factories.pool("gpu")
    factories.slots(pool, 4)
    _bidders(pool, [10])
    clearing.clear_round(NOON, "gpu")
    words = _plain(root.get(reverse("admin:auction_round_changelist")))
    assert ("1 of 4" in words, "25 %" in words) == (True, True)


# Wallets


def _wallet(client: Client, account: Account, **asked: str) -> Any:
    return client.get(reverse(WALLET, args=[account.pk]), asked)


def _hold_for_nothing(account: Account, tokens: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE token_accounts SET held = held + %s WHERE id = %s", [tokens, account.pk])


def test_a_wallet_opens_lists_and_closes(root: Client) -> None:
    clear = factories.sale(100, owner=factories.wallet(5_000))
    factories.run(clear, 10, at=after(30))
    words = _plain(_wallet(root, clear.account))
    assert "Opening balance 0 at the beginning of 2026-02-01" in words
    assert "Received 5,000 and paid 1, in 2 transfers" in words
    assert "Closing balance 4,999 at the end of 2026-03-02" in words
    assert "2026-03-02 12:00:30 -1 4,999 capture house:revenue:" in words
    assert "No open bid and no slot won holds tokens of this wallet." in words


def test_other_days_are_asked_for(root: Client) -> None:
    account = factories.wallet(5_000)
    before = _plain(_wallet(root, account, since="2026-02-01", until="2026-03-01"))
    assert "Closing balance 0 at the end of 2026-03-01" in before
    assert "Nothing moved in these days." in before
    wrong = _wallet(root, account, since="2026-03-02", until="2026-03-01")
    assert "The last day cannot lie before the first." in _plain(wrong)
    assert "Received 5,000" in _plain(wrong)
    assert _wallet(root, account, since="0001-01-01", until="9999-12-31").status_code == 200


def test_a_long_statement_goes_on_with_its_balance(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auction.admin.wallet_page.ON_A_PAGE", 2)
    account = factories.wallet()
    for _ in range(5):
        factories.wallet(10, owner=account.agent)
    shown = _wallet(root, account)
    pages = [_plain(shown)]
    while shown.context["next"]:
        shown = root.get(f"{reverse(WALLET, args=[account.pk])}?{shown.context['next']}")
        pages.append(_plain(shown))
    lines = [re.findall(r"\+10 (\d+) grant house:mint", words) for words in pages]
    assert lines == [["10", "20"], ["30", "40"], ["50"]]
    assert ["Closing balance" in words.partition("Statement, in")[2] for words in pages] == [False, False, True]


@pytest.mark.parametrize(
    "place", ["x", "|", "2026-03-02T12:00:00|1", "2026-13-02T12:00:00Z|1", "2026-03-02T12:00:00Z|²"]
)
def test_a_place_that_is_none_is_the_beginning(root: Client, place: str) -> None:
    assert _wallet(root, factories.wallet(10), after=place).context["is_first"]


def test_a_statement_is_taken_along_as_a_file(root: Client) -> None:
    account = factories.wallet(5_000)
    address = reverse("admin:auction_wallet_export", args=[account.pk])
    answer = root.get(address, {"since": "2026-03-01", "until": "2026-03-02"})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined] # a stream
    heads, line, end = text.removeprefix("\ufeff").split("\r\n")
    assert heads == "transfer,time,reason,with,amount,balance,key,memo"
    assert re.fullmatch(
        r"\d+,2026-03-02T12:00:00\+00:00,grant,house:mint,5000,5000,grant:grant:[\d:]+,opening balance", line
    )
    assert end == ""
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="statement-{account.pk}-2026-03-01-2026-03-02.csv"'
    )


def test_a_wallet_tells_what_its_tokens_are_held_for(root: Client) -> None:
    account = factories.wallet(5_000)
    pool = factories.pool("gpu")
    stuck = factories.bid(account, 100, pool, lives=30)
    factories.bid(account, 1_200, pool)
    words = _plain(_wallet(root, account))
    assert "Available now 3,700 5,000 less 1,300 held" in words
    assert re.search(rf"bid {stuck.pk} 100 task-\d+ gpu [\d: -]+ stuck", words)
    assert "Release what is held for nothing" not in words


def test_tokens_held_for_nothing_are_released_with_a_reason(root: Client) -> None:
    account = factories.wallet(5_000)
    _hold_for_nothing(account, 40)
    shown = _wallet(root, account)
    assert "40 of 40 held tokens stand behind no open bid" in _plain(shown)
    assert '<dialog id="release-holds"' in shown.content.decode()
    address = reverse(RELEASE, args=[account.pk])
    asked = root.post(address)
    assert (asked.status_code, Account.objects.get(pk=account.pk).held) == (200, 40)
    assert "This field is required." in _plain(root.post(address, {"confirmed": "yes", "reason": " "}))
    done = root.post(address, WHY)
    assert said(done) == [f"Released 40 wallet tokens that {account} held for nothing."]
    assert Account.objects.get(pk=account.pk).held == 0
    assert LogEntry.objects.get().change_message.endswith("Why: the runner is gone")
    assert "hold_not_stuck" in said(root.post(address, WHY))[-1]


def test_what_cannot_be_put_on_record_is_not_done(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_what: object) -> None:
        message = "no room left"
        raise OSError(message)

    bid = factories.bid(factories.wallet(100), 100, factories.pool(), lives=30)
    account = factories.wallet(5_000)
    _hold_for_nothing(account, 40)
    monkeypatch.setattr(ModelAdmin, "log_change", full)
    with pytest.raises(OSError, match="no room left"):
        root.post(reverse(RELEASE, args=[account.pk]), WHY)
    with pytest.raises(OSError, match="no room left"):
        press(root, "release", bid, **WHY)
    bid.refresh_from_db()
    assert (Account.objects.get(pk=account.pk).held, bid.status) == (40, "open")


def test_wallets_are_read_by_those_who_may(client: Client, db: None) -> None:
    account = factories.wallet(10)
    reader = staff(client, "economics.view_account", "auction.view_bid")
    assert _wallet(reader, account).status_code == 403
    assert reader.get(reverse("admin:auction_wallet_export", args=[account.pk])).status_code == 403


def test_there_is_no_page_of_no_wallet(root: Client) -> None:
    assert [root.get(reverse(WALLET, args=[number])).status_code for number in (0, 2**63)] == [404, 404]


def test_the_list_of_accounts_leads_to_statements(root: Client) -> None:
    account = factories.wallet(10)
    assert reverse(WALLET, args=[account.pk]) in root.get(page(Account)).content.decode()
    assert reverse(WALLET, args=[account.pk]) in root.get(page(Account, account.pk)).content.decode()


# Slots, sales and bids mended by hand


def test_a_list_of_slots_is_headed_by_their_states(root: Client) -> None:
    clear = factories.sale(into=factories.pool("gpu"))
    factories.slots(clear.pool, 3)
    assert "gpu 3 1 —" in _plain(root.get(page(Slot)))


def test_a_slot_is_taken_back_with_a_reason(root: Client) -> None:
    clear = factories.sale(100, into=factories.pool("gpu"))
    asked = press(root, "take_back", clear)
    assert "The winner pays nothing" in _plain(asked)
    assert re.search(rf"{clear.slot_id} {clear.account} \S+ sold 2026-03-02 12:05:00 1 ", _plain(asked))
    assert press(root, "take_back", clear, confirmed="yes", reason="").status_code == 200
    clear.refresh_from_db()
    assert clear.state == "sold"
    told = f"Slot {clear.slot_id} is taken back; released: 1 wallet tokens."
    assert said(press(root, "take_back", clear, **WHY)) == [told]
    clear.refresh_from_db()
    assert (clear.state, Slot.objects.filter(offers_again=clear.slot_id).count()) == ("withdrawn", 1)
    assert LogEntry.objects.get().change_message == f"{told} Why: the runner is gone"
    slot = clear.slot_id
    assert Slot.objects.get(offers_again=slot).pk in root.get(page(Slot, slot)).content.decode()


def test_slots_are_offered_again_each_with_its_answer(root: Client) -> None:
    pool = factories.pool("gpu", lease_seconds=30, capacity=5)
    lapsed, running = factories.sale(into=pool), factories.sale(into=factories.pool())
    for clear in (lapsed, running):
        factories.started(clear)
    settlement.sweep(now=after(31))
    answers = said(press(root, "offer_again", running.slot, lapsed.slot, **WHY))
    again = Slot.objects.get(offers_again=lapsed.slot_id)
    assert f"Slot {lapsed.slot_id} is offered again as {again.pk}." in answers
    assert any("[slot_state" in answer for answer in answers)
    assert LogEntry.objects.count() == 1


def test_what_is_overdue_is_ended_by_hand(root: Client) -> None:
    clear = factories.sale(into=factories.pool(start_deadline_seconds=30))
    assert said(press(root, "end_overdue", clear, **WHY)) == [f"Slot {clear.slot_id} is forfeited."]


def test_a_stuck_bid_is_released_and_another_is_not(root: Client) -> None:
    pool = factories.pool("gpu")
    stuck = factories.bid(factories.wallet(100), 70, pool, lives=30)
    (other,) = _bidders(pool, [50])
    answers = said(press(root, "release", stuck, other, **WHY))
    assert f"Bid {stuck.pk} is expired; released: 70 wallet tokens." in answers
    assert any("[hold_not_stuck" in answer for answer in answers)
    other.refresh_from_db()
    assert other.status == "open"


@pytest.mark.parametrize(
    ("state", "deeds"),
    [
        ("sold", ["take_back"]),
        ("late", ["take_back", "end_overdue"]),
        ("running", []),
        ("leaseless", ["end_overdue"]),
        ("finished", []),
        ("forfeited", ["offer_again"]),
    ],
)
def test_a_sale_offers_the_deeds_of_its_state(root: Client, state: str, deeds: list[str]) -> None:
    late: dict[str, dict[str, Any]] = {"late": {"start_deadline_seconds": 30}, "leaseless": {"lease_seconds": 30}}
    late["forfeited"] = late["late"]
    clear = factories.sale(into=factories.pool(**late.get(state, {})))
    if state == "forfeited":
        settlement.sweep(now=after(31))
    if state in {"running", "leaseless", "finished"}:
        factories.started(clear, at=after(1))
    if state == "finished":
        factories.run(clear, 10, at=after(2))
    shown = root.get(page(Clear, clear.pk))
    assert [name for name, _text in shown.context["deeds"]] == deeds


# Rights


def _people(client: Client, role: str) -> Client:
    person = User.objects.create_user("rita")
    roles.ensure()
    roles.give(person, role)
    client.force_login(person)
    return client


@pytest.mark.parametrize("role", ["reviewer", "chair", "auditor"])
def test_who_only_reads_the_market_mends_nothing(db: None, client: Client, role: str) -> None:
    """Not by a deed that was not offered, a list of several, an address of its own or a field of a form."""
    reader = _people(client, role)
    sold, other = factories.sale(into=factories.pool("gpu")), factories.sale(into=factories.pool("cpu"))
    stuck = factories.bid(factories.wallet(100), 70, sold.pool, lives=30)
    _hold_for_nothing(stuck.account, 5)
    assert [offered(reader, model) for model in (Clear, Slot, Bid, Pool)] == [[], [], [], []]
    for deed in ("take_back", "end_overdue", "offer_again"):
        press(reader, deed, sold, other, **WHY)
    press(reader, "offer_again", sold.slot, **WHY)
    press(reader, "release", stuck, **WHY)
    for deed in ("stop", "resume", "begin_fallback", "end_fallback"):
        press(reader, deed, sold.pool, **WHY)
    assert reader.post(reverse(RELEASE, args=[stuck.account_id]), WHY).status_code == 403
    assert reader.post(page(Pool, sold.pool.pk), {"capacity": 9, "mode": "stopped"}).status_code == 403
    assert reader.post(page(Pool, kind="add"), {"name": "mine"}).status_code == 403
    assert set(Clear.objects.values_list("state", flat=True)) == {"sold"}
    assert Bid.objects.get(pk=stuck.pk).status == "open"
    assert Account.objects.get(pk=stuck.account_id).held == 75
    assert set(Pool.objects.values_list("mode", "capacity")) == {("auction", 4)}
    assert LogEntry.objects.count() == 0
    shown = _wallet(reader, stuck.account)
    assert ("An operator may release them here." in _plain(shown), "<dialog" in shown.content.decode()) == (True, False)


def test_an_operator_may(db: None, client: Client) -> None:
    operator = _people(client, "operator")
    clear = factories.sale()
    assert offered(operator, Clear) == ["take_back", "end_overdue", "offer_again"]
    press(operator, "take_back", clear, **WHY)
    clear.refresh_from_db()
    assert clear.state == "withdrawn"
    assert LogEntry.objects.get().user.username == "rita"


def test_deeds_on_wallets_are_done_by_post_alone(root: Client) -> None:
    assert root.get(reverse(RELEASE, args=[factories.wallet(10).pk])).status_code == 405


# Settings and fallback


def test_settings_say_what_they_do_worked_out_for_this_pool(root: Client) -> None:
    pool = factories.pool("gpu", cycle_seconds=90, usd_per_token=Decimal("0.001"), reserve_tokens=2_000)
    form = root.get(page(Pool, pool.pk)).context["adminform"].form
    assert form.fields["cycle_seconds"].help_text.startswith("A round each 1 min 30 s: 960 a day.")
    assert form.fields["reserve_tokens"].help_text.startswith("The least a slot is sold for: 2,000 tokens, worth 2 USD")
    assert "bids up to 6,000 tokens" in form.fields["usd_per_token"].help_text
    assert form.fields["reward_rate"].help_text.startswith("An impact of 1 USD earns 500 tokens.")
    assert "100,000 tokens, reached at an impact of 200 USD." in form.fields["reward_cap_tokens"].help_text
    assert "the runner gets about 250" in form.fields["runner_share"].help_text
    assert root.get(page(Pool, kind="add")).status_code == 200


def test_the_example_of_the_rules_is_what_the_mechanism_gives() -> None:
    bids = [mechanism.Bid(n, owner, price, n) for n, (owner, price) in enumerate([(1, 90), (1, 80), (2, 50), (3, 30)])]
    asks = [mechanism.Ask(str(n), 1, n) for n in range(2)]
    uniform, vickrey = (mechanism.clear(bids, asks, rule) for rule in mechanism.Rule)
    assert [award.charge for award in uniform.awards] == [50, 50]
    assert sorted(award.charge for award in vickrey.awards) == [30, 50]
    assert "50 and 30" in effects.of(Pool())["pricing_rule"]


def test_every_setting_has_its_effect() -> None:
    fields = {field.name for field in Pool._meta.fields if field.editable}  # noqa: SLF001 - public
    assert set(effects.of(Pool(reward_rate=Decimal(0)))) == fields - {"name", "mode", "id"}


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (86_400 * 2 + 60, "2 days 1 min"), (3_601, "1 h 1 s")])
def test_times_are_told_in_words(seconds: int, words: str) -> None:
    assert effects.lasting(seconds) == words


def test_who_only_reads_a_pool_reads_what_its_settings_do(db: None, client: Client) -> None:
    reader = staff(client, "auction.view_pool")
    words = _plain(reader.get(page(Pool, factories.pool("gpu").pk)))
    assert "What these settings do" in words
    assert "A round each 1 min: 1,440 a day." in words


def test_fallback_that_began_by_itself_is_made_one_by_hand(root: Client) -> None:
    from auction import fallback  # noqa: PLC0415 - beside what it is used for

    pool = factories.pool("gpu")
    fallback.begin("gpu", why="failures", now=NOON)
    deeds = dict(root.get(page(Pool, pool.pk)).context["deeds"])
    assert deeds == {
        "stop": "Stop…",
        "begin_fallback": "Keep in fallback by hand…",
        "end_fallback": "End fallback…",
    }
    press(root, "begin_fallback", pool, **WHY)
    shown = root.get(page(Pool, pool.pk)).context
    assert "No round is tried until somebody ends it here." in shown["banner"]
    assert [name for name, _text in shown["deeds"]] == ["stop", "end_fallback"]


# Costs


def test_pages_take_as_many_queries_for_hundreds_of_rows_as_for_one(root: Client) -> None:
    pool = factories.pool("gpu")
    owner = factories.wallet(1_000_000)
    factories.slots(pool, 1)
    factories.bid(owner, 900, pool)
    factories.bid(factories.wallet(100), 10, pool)
    first = clearing.clear_round(NOON, "gpu")
    factories.bid(owner, 800, pool, at=after(1), gtd=True)
    factories.slot(pool, available_at=after(1))

    def costs(number: int) -> list[int]:
        found = []
        for address in (
            f"{reverse(BOOK)}?pool=gpu",
            reverse("admin:auction_round_replay", args=[number]),
            reverse(WALLET, args=[owner.pk]),
        ):
            with CaptureQueriesContext(connection) as queries:
                assert root.get(address).status_code == 200
            found.append(len(queries))
        return found

    before = costs(first.pk)
    for number in range(150):
        factories.bid(owner, 500 + number, pool, at=after(2), gtd=True)
        factories.bid(factories.wallet(1_000), 400 + number, pool, at=after(2), gtd=True)
    factories.slots(pool, 200)
    second = clearing.clear_round(after(60), "gpu")
    assert second.slots_sold > 150
    for number in range(120):
        factories.wallet(number + 1, owner=owner.agent)
        factories.bid(owner, 700, pool, at=after(60.1 + number / 1000), gtd=True)
    factories.slots(pool, 100)
    assert costs(second.pk) == before
    assert max(before) <= 15
