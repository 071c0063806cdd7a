"""The demo's parts that need no site: reading calls, deriving worth, the client, the verdict, the report."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from auction.demo import calls, report, verdict
from auction.demo.client import Client, Tally
from auction.demo.figures import Figures, Money, RoundLine, Settled, Story, WalletLine
from auction.demo.work import seconds_of
from tests.shared_files import shared_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = "seq,ts_utc,main_model,prompt_tokens,completion_tokens,total_tokens,cost_usd\n"
FIRST = "1,2024-08-13T14:40:43Z,gpt-4o-mini,638,25,663,0.0001107\n"
CALL = calls.Call(7, "large-1", 1_000, Decimal("0.02"))
PRICE = Decimal("0.0001")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls.csv"


def test_calls_are_read_with_their_tokens_added_up(file: Path) -> None:
    file.write_text(HEADER + FIRST + "9,x,,10,0,10,0\n")
    assert calls.load(file) == [
        calls.Call(1, "gpt-4o-mini", 663, Decimal("0.0001107")),
        calls.Call(9, "", 10, Decimal(0)),
    ]


def test_a_file_without_totals_and_with_other_columns_is_read(file: Path) -> None:
    file.write_text("cost_usd,seq,main_model,completion_tokens,prompt_tokens,mood\n1.5,3,m,2,1,good\n")
    assert calls.load(file) == [calls.Call(3, "m", 3, Decimal("1.5"))]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("x,t,m,1,2,3,0.1\n", "seq is 'x', not a whole number"),
        ("2,t,m,-1,2,1,0.1\n", "prompt_tokens is '-1', not a whole number"),
        ("2,t,m,1.0,2,3,0.1\n", "prompt_tokens is '1.0', not a whole number"),
        ("2,t,m,1,9999999999999,3,0.1\n", "completion_tokens is '9999999999999', not a whole number"),
        ("2,t,m,1,2\n", "cost_usd is '', not an amount"),
        ("2,t,m,1,2,4,0.1\n", "total_tokens is 4, not 1 \\+ 2"),
        ("2,t,m,1,2,3,free\n", "cost_usd is 'free', not an amount"),
        ("2,t,m,1,2,3,NaN\n", "cost_usd is 'NaN', not an amount"),
        ("2,t,m,1,2,3,-0.1\n", "cost_usd is '-0.1', not an amount"),
        (f"2,t,{'m' * 201},1,2,3,0.1\n", "main_model is not a line"),
        ("2,t,a\tb,1,2,3,0.1\n", "main_model is not a line"),
        ("1,t,m,1,2,3,0.1\n", "seq 1 came before"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(file: Path, row: str, why: str) -> None:
    file.write_text(HEADER + FIRST + row)
    with pytest.raises(calls.BadDataError, match=f"line 3: {why}"):
        calls.load(file)


def test_a_file_that_is_none_of_this_shape_is_refused(file: Path) -> None:
    with pytest.raises(calls.BadDataError, match="cannot be read"):
        calls.load(file)
    file.write_text("")
    with pytest.raises(calls.BadDataError, match="there is no column seq, main_model"):
        calls.load(file)
    file.write_text("seq,main_model\n1,m\n")
    with pytest.raises(calls.BadDataError, match="there is no column prompt_tokens, completion_tokens, cost_usd"):
        calls.load(file)
    file.write_text(HEADER)
    with pytest.raises(calls.BadDataError, match="there are no calls"):
        calls.load(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(calls.BadDataError, match="cannot be read"):
        calls.load(file)


def test_the_real_calls_are_all_read() -> None:
    real = calls.load(shared_data("llm_calls/calls.csv"))
    assert (len(real), sum(call.tokens for call in real)) == (4_446, 56_177_256)


def test_without_a_file_calls_are_made_up_and_say_so(file: Path) -> None:
    data = calls.choose(None, default=file, seed=3)
    assert (data.real, data.calls) == (False, calls.generate(3))
    assert data.source.startswith("made up")
    assert data.calls != calls.generate(4)
    with pytest.raises(calls.BadDataError):
        calls.choose(file, default=file, seed=3)


def test_worth_is_derived_from_the_cost_and_drawn_once() -> None:
    worths = [calls.appraise(CALL, free_price=PRICE, seed=seed) for seed in range(200)]
    assert worths == [calls.appraise(CALL, free_price=PRICE, seed=seed) for seed in range(200)]
    assert all(CALL.cost_usd <= worth.expected_usd <= 4 * CALL.cost_usd for worth in worths)
    assert all(0 <= worth.realised_usd <= worth.expected_usd * 3 / 2 for worth in worths)
    assert len(set(worths)) > 150


def test_a_free_call_counts_its_tokens_at_the_usual_price() -> None:
    free = CALL._replace(cost_usd=Decimal(0))
    others = [CALL, CALL._replace(tokens=2_000), CALL._replace(tokens=4_000), free]
    assert calls.usual_price(others) == Decimal("0.00001")
    assert calls.usual_price([free]) == Decimal("0.000001")
    same = CALL._replace(cost_usd=Decimal("0.01"))
    assert calls.appraise(free, free_price=Decimal("0.00001"), seed=1) == calls.appraise(same, free_price=PRICE, seed=1)


def test_bids_rise_to_the_whole_value_and_are_never_nothing() -> None:
    worth = calls.Worth(Decimal("0.1234"), Decimal(0))
    assert [worth.bid_tokens(attempt, PRICE) for attempt in range(4)] == [863, 1_048, 1_234, 1_234]
    assert calls.Worth(Decimal(0), Decimal(0)).bid_tokens(0, PRICE) == 1


def test_a_run_lasts_as_its_tokens_say() -> None:
    assert [seconds_of(CALL._replace(tokens=tokens)) for tokens in (0, 25_000, 10**6)] == [0.2, 1.2, 4.0]


class Door(http.server.BaseHTTPRequestHandler):
    """Answers as told, in turn, and remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    answers: list[tuple[int, str]]
    asked: list[tuple[str, str | None]]

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Idempotency-Key"]))
        status, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "0.01")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep still."""


@pytest.fixture
def door() -> Iterator[tuple[type[Door], Client, Tally]]:
    """Give a server on loopback whose answers the test chooses, and a client of it."""
    kind = type("ThisDoor", (Door,), {"answers": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        tally = Tally()
        client = Client("127.0.0.1", server.server_address[1], agent="a", key="k", tally=tally)
        yield kind, client, tally
        client.close()
        server.shutdown()
        thread.join()


def test_a_client_asks_again_with_the_same_key(door: tuple[type[Door], Client, Tally]) -> None:
    kind, client, tally = door
    kind.answers += [(503, '{"code": "retryable"}'), (201, '{"id": 5}'), (201, '{"id": 6}')]
    assert client.post("bids", {"x": 1}).body == {"id": 5}
    assert client.post("bids", {"x": 1}).body == {"id": 6}
    (path, first), (_, again), (_, other) = kind.asked
    assert path == "/api/compute-auction/bids"
    assert first == again != other
    assert tally.answers == {(503, "retryable"): 1, (201, ""): 2}
    assert tally.unexpected == []


def test_a_refusal_is_counted_and_complained_of_unless_expected(door: tuple[type[Door], Client, Tally]) -> None:
    kind, client, tally = door
    refusal = (409, '{"code": "bid_not_open", "detail": "The bid is no longer open."}')
    kind.answers += [refusal, refusal]
    assert not client.post("bids/1/cancel", expected={"bid_not_open"}).ok
    assert tally.unexpected == []
    assert not client.post("bids/1/cancel").ok
    assert tally.unexpected == ["a: POST bids/1/cancel was answered 409 bid_not_open: The bid is no longer open."]
    assert tally.answers == {(409, "bid_not_open"): 2}


def test_no_answer_is_a_complaint_after_a_few_tries() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Door) as server:
        port = server.server_address[1]
    tally = Tally()
    assert Client("127.0.0.1", port, agent="a", key="k", tally=tally).get("pools").status == 0
    assert tally.answers == {(0, "no_answer"): 3}
    assert len(tally.unexpected) == 1


def figures() -> Figures:
    """Return what a good, small demo leaves: one slot finished by agent `a`, one forfeited by agent `b`."""
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    return Figures(
        rounds=[RoundLine(noon, 2, 2, 300, 1, 450), RoundLine(noon, 2, 0, None, 0, 0)],
        cycles=2,
        cycles_twice=0,
        tasks=Counter(done=1, open=2),
        bids=Counter(won=2, lost=1),
        resting=1,
        clears=Counter(finished=1, forfeited=1),
        settled=[Settled(CALL.task_id, CALL.tokens, CALL.model)],
        usage_tokens=CALL.tokens,
        wallets=[
            WalletLine("a", before=3_000, charged=300, earned=150, after=2_850, held=0, ends=Counter(finished=1)),
            WalletLine("b", before=6_000, charged=300, earned=0, after=5_700, held=0, ends=Counter(forfeited=1)),
        ],
        money=Money(issued=1_000, granted=9_000, supply=10_000, wallets=8_550, treasury=1_450, revenue=0),
        reward_due=150,
        reward_paid=150,
        payouts=1,
        story=Story(CALL.task_id, "a", Decimal("0.05"), 500, 300, 1_000, "large-1", Decimal("0.03"), 150),
        audited="5 accounts, 6 transfers, 3 bids, 2 clears",
        differences=[],
        replayed=3,
        replay_differences=[],
    )


def test_a_good_demo_has_no_faults() -> None:
    assert verdict.faults(figures(), [CALL], Tally()) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rounds": figures().rounds[1:] * 2}, "nothing was sold"),
        ({"settled": [], "usage_tokens": 0}, "no slot was run to its end"),
        ({"cycles_twice": 1}, "1 cycles were cleared twice"),
        ({"cycles": 3}, "only 2 of 3 cycles were cleared"),
        ({"clears": Counter(running=1)}, "some slots are still running"),
        ({"differences": ["held on a: stored 1, rebuilt 0"]}, "audit: held on a: stored 1, rebuilt 0"),
        ({"replay_differences": ["round 1: digest"]}, "replay: round 1: digest"),
        ({"money": figures().money._replace(granted=8_999)}, "supply 10000 is not issue 1000 + grants 8999"),
        ({"money": figures().money._replace(treasury=1_449)}, "supply 10000 is not wallets 8550 + house 1449"),
        (
            {"wallets": [figures().wallets[0]._replace(earned=149)]},
            "wallet of a: 3000 - 300 + 149 should leave 2850 with nothing held, not 0",
        ),
        (
            {"wallets": [figures().wallets[0]._replace(held=5)]},
            "wallet of a: 3000 - 300 + 150 should leave 2850 with nothing held, not 5",
        ),
        ({"usage_tokens": 999}, "usage holds 999 LLM tokens, slots were settled with 1000"),
        (
            {"settled": [Settled(CALL.task_id, 999, CALL.model)], "usage_tokens": 999},
            "call-7 was settled with 999 tokens of 'large-1', its row says 1000 of 'large-1'",
        ),
        ({"settled": figures().settled * 2, "usage_tokens": 2_000}, "a task was settled twice"),
    ],
)
def test_whatever_is_wrong_is_a_fault(changes: dict[str, object], fault: str) -> None:
    assert verdict.faults(figures()._replace(**changes), [CALL], Tally()) == [fault]  # type: ignore[arg-type]


def test_an_unexpected_answer_is_a_fault() -> None:
    tally = Tally()
    tally.refused_in_batch("a", "insufficient_tokens", expected={"insufficient_tokens"})
    tally.refused_in_batch("a", "not_your_task", expected={"insufficient_tokens"})
    assert verdict.faults(figures(), [CALL], tally) == ["a: a bid of a batch was refused: not_your_task"]


def test_the_report_says_what_is_real_and_adds_up() -> None:
    text = report.write(figures(), calls.Dataset([CALL], "calls.csv", real=True), Tally(), seed=1)
    assert "Real: each task is one LLM call of the file" in text
    assert "Derived, not observed: what a task is worth and what is bid for it." in text
    assert "Fill rate   50%: 2 of 4 slots offered were sold" in text
    assert "Price       min 300, median 300, max 300 wallet tokens" in text
    assert "Premiums    450 wallet tokens released" in text
    assert "1,000 settled for 1 calls of 1 models; 1,000 in the rows of the file" in text
    assert "1,000 booked as usage: equal" in text
    (together,) = (line.split() for line in text.splitlines() if line.startswith("together"))
    assert together == ["together", "9,000", "-600", "+150", "8,550", "2", "1", "1", "0", "0"]
    assert max(len(line) for line in text.splitlines()) <= report.WIDTH


def test_the_report_of_made_up_calls_says_so() -> None:
    data = calls.Dataset([CALL], "made up: there is no file of real calls here", real=False)
    assert "LLM calls that are made up" in report.opening(data)
    text = report.write(figures()._replace(story=None, rounds=[]), data, Tally(), seed=1)
    assert "Nothing is observed here" in text
    assert "Fill rate   none: 0 of 0" in text


def test_the_last_words_are_the_verdict() -> None:
    assert report.closing([], seconds=61.2).endswith("All is as it must be. The demo took 61 s.")
    assert "FAILED: 2 things are not as they must be:\n  - one\n  - two" in report.closing(["one", "two"], seconds=1)


def test_a_sparkline_spans_from_the_lowest_to_the_highest() -> None:
    assert report.sparkline([10, 45, 80]) == "▁▅█"
    assert report.sparkline([5, 5]) == "▁▁"
    assert (report.share(1, 3), report.share(0, 0)) == ("33%", "none")
