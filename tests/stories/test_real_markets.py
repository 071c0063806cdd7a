"""58 published findings, the markets that priced them before anybody tried again, and what came of each.

4,368 trades of two replication projects (RPP and EERP) are imported as price signals on hypotheses, the mean answers
of the survey held before as a second source. The findings were traded in three rounds: two of RPP, one of EERP.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from economics import market, money, outcomes, reach, scoring, signals, worth_policy
from economics.models import Envelope, Signal, SignalSource
from tests import pages, shared_files
from tests.economics import exchanges

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

PROJECTS: Final = ("RPP", "EERP")
TRADES, FINDINGS = {"RPP": 2_288, "EERP": 2_080}, {"RPP": 40, "EERP": 18}
DAY: Final = timedelta(days=1)
COLUMNS: Final = ("event_id=transaction_id", "entity_id=finding_id", "at=time_stamp", "value=price")


class Round(NamedTuple):
    """Markets that were open at the same time: the day of the first trade, and that after the last, at noon."""

    project: str
    opened: datetime
    closed: datetime


ROUNDS: Final = (
    Round("RPP", datetime(2012, 11, 9, 12, tzinfo=UTC), datetime(2012, 11, 23, 12, tzinfo=UTC)),
    Round("RPP", datetime(2014, 10, 21, 12, tzinfo=UTC), datetime(2014, 11, 5, 12, tzinfo=UTC)),
    Round("EERP", datetime(2015, 4, 23, 12, tzinfo=UTC), datetime(2015, 5, 5, 12, tzinfo=UTC)),
)
KNOWN_LATER: Final = datetime(2016, 6, 1, tzinfo=UTC)  # both projects had published


def _rows(name: str) -> list[dict[str, str]]:
    with shared_files.shared_data(f"replication_markets/{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _answers() -> dict[str, dict[str, str]]:
    """Return what the source itself says of each finding."""
    return {f"{p}-{row['finding_id']}": row for p in PROJECTS for row in _rows(f"{p}_known_answers")}


def _import(path: Path, source: str, *words: str) -> str:
    said = io.StringIO()
    fixed = ("--source", source, "--set", "entity_type=hypothesis")
    call_command("import_signals", str(path), *fixed, *words, stdout=said, stderr=said, no_color=True)
    return said.getvalue()


def _trade(tmp_path: Path, until: datetime = KNOWN_LATER) -> list[str]:
    """Import the trades of both projects, through the importer, and return what it said of each file."""
    maps = [word for column in COLUMNS for word in ("--map", column)]
    said = []
    for project in PROJECTS:
        path = shared_files.shared_data(f"replication_markets/{project}_market_trades.csv")
        if until < KNOWN_LATER:
            rows = [row for row in _rows(f"{project}_market_trades") if _at(row) <= until]
            path = _written(tmp_path / f"{project}.csv", rows)
        if rows_of(path):
            said.append(_import(path, "market", *maps, "--entity-prefix", f"{project}-"))
    return said


def rows_of(path: Path) -> int:
    """Return how many rows a file has."""
    with path.open(encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def _at(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["time_stamp"])


def _written(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def _survey(tmp_path: Path) -> None:
    """Import the mean answer for each finding; the survey was held before, so it is dated at the first trade."""
    rows = []
    for project in PROJECTS:
        first: dict[str, str] = {}
        for trade in sorted(_rows(f"{project}_market_trades"), key=_at):
            first.setdefault(trade["finding_id"], trade["time_stamp"])
        given: dict[str, list[Decimal]] = {}
        for row in _rows(f"{project}_survey_responses"):
            given.setdefault(row["finding_id"], []).append(Decimal(row["response"]))
        rows += [
            {
                "event_id": f"{project}-{finding}",
                "entity_id": f"{project}-{finding}",
                "at": first[finding],
                "value": f"{sum(answers) / len(answers):.10f}",
            }
            for finding, answers in given.items()
        ]
    _import(_written(tmp_path / "survey.csv", rows), "survey")
    signals.set_active(["survey"], is_active=False)  # compared with the market, not mixed into it


@pytest.fixture
def fleet() -> list[Envelope]:
    """Return an envelope for each finding, all granted, scored and sized alike, before the first trade."""
    shared_files.shared_data("replication_markets/RPP_claims.csv")
    exchanges.source("market")
    exchanges.source("survey", kind="confidence")
    return [exchanges.granted(name, at=ROUNDS[0].opened - DAY) for name in _answers()]


def _weigh(one: Round) -> None:
    now = one.opened
    while now <= one.closed:
        market.weigh(now=now)
        now += DAY


def _find_out() -> None:
    """Put on record which findings held when others tried again."""
    rows = [
        outcomes.Achieved(
            entity_type="hypothesis",
            entity_id=name,
            kind="hypotheses_improved",
            amount=Decimal(1),
            source="replications",
            event_id=name,
            at=KNOWN_LATER,
        )
        for name, answer in _answers().items()
        if answer["replicated"] == "1"
    ]
    outcomes.record_many(rows, agent_id="", now=KNOWN_LATER)


def test_the_last_prices_are_those_the_source_published(fleet: list[Envelope], tmp_path: Path) -> None:
    said = _trade(tmp_path)
    assert [
        f"recorded {TRADES[project]:,}, duplicates 0, conflicts 0, refused 0.\nOf those recorded: {FINDINGS[project]} "
        in text
        for project, text in zip(PROJECTS, said, strict=True)
    ] == [True, True]
    _survey(tmp_path)
    answers = _answers()
    assert len(fleet) == len(answers) == 58
    for column, source in (("final_price", "market"), ("survey_mean", "survey")):
        rows = Signal.objects.filter(source=source).order_by("entity_id", "-at", "-pk").distinct("entity_id")
        found = {row.entity_id: f"{row.value:.10f}" for row in rows}
        assert found == {name: answer[column] for name, answer in answers.items()}


TABLE: Final = """\
                                 RPP            EERP        together
entities                          40              18              58
of them improved                  15              11              26
LLM tokens                    40,000          18,000          58,000
equal split           15,000  0.3750  11,000  0.6111  26,000  0.4483
market weights        17,227  0.4307  11,439  0.6355  28,666  0.4942
market, as a signal   17,227  0.4307  11,439  0.6355  28,666  0.4942
survey, as a signal   15,212  0.3803  11,164  0.6202  26,376  0.4548
market, latest value  17,993  0.4498  11,358  0.6310  29,351  0.5061
survey, latest value  15,975  0.3994  11,557  0.6421  27,532  0.4747
"""


def _told(tmp_path: Path) -> list[reach.Reach]:
    """Play all rounds and return what the report says of each at its end."""
    _trade(tmp_path)
    _survey(tmp_path)
    _find_out()
    found = []
    for one in ROUNDS:
        _weigh(one)
        found.append(
            reach.reach(
                entity_type="hypothesis",
                sources=["market", "survey"],
                now=one.closed,
                until=KNOWN_LATER,
                only=f"{one.project}-",
            )
        )
    return found


def test_how_much_of_a_budget_reached_what_later_held(fleet: list[Envelope], tmp_path: Path) -> None:
    first, second, eerp = _told(tmp_path)
    parts = {"RPP": reach.together([first, second]), "EERP": eerp, "together": reach.together([first, second, eerp])}
    assert reach.table(parts) == TABLE
    assert TABLE in (pages.PROJECT / "docs/framework.md").read_text()
    # The same from the source's own figures, without a row of ours.
    answers = _answers()
    for place, column in ((4, "final_price"), (5, "survey_mean")):
        for one, got in zip(ROUNDS, (first, second, eerp), strict=True):
            names = sorted(name for name in answers if _closed(name) == one.closed)
            parts_of = [int(Decimal(answers[name][column]) * 10**10) for name in names]
            budgets = zip(names, money.largest_remainder(1_000 * len(names), parts_of), strict=True)
            reached = sum(tokens for name, tokens in budgets if answers[name]["replicated"] == "1")
            assert got.splits[place].reached == reached


def _closed(name: str) -> datetime:
    """Return when the round of a finding closed."""
    project, _, finding = name.partition("-")
    first = min(_at(row) for row in _rows(f"{project}_market_trades") if row["finding_id"] == finding)
    return next(one.closed for one in ROUNDS if one.opened - DAY < first < one.closed)


def test_a_weight_is_what_the_trades_of_its_days_come_to(fleet: list[Envelope], tmp_path: Path) -> None:
    """Each finding's weight at the close, from the file alone: the last price of each day, fading by half in 7 days."""
    _trade(tmp_path)
    one = ROUNDS[0]
    _weigh(one)
    days: dict[str, dict[date, tuple[datetime, int, Decimal]]] = {}
    for row in _rows("RPP_market_trades"):
        if (at := _at(row)) < one.closed:
            heard = days.setdefault(f"RPP-{row['finding_id']}", {})
            price = scoring.rounded(Decimal(row["price"]), 12)
            heard[at.date()] = max(heard.get(at.date(), (at, 0, price)), (at, int(row["transaction_id"]), price))
    expected = {}
    for name, heard in days.items():
        said = [
            (price, Decimal((one.closed - at) // timedelta(seconds=1)) / 86_400) for at, _id, price in heard.values()
        ]
        expected[name] = scoring.market_signal(scoring.confidence(said, Decimal(7)), Decimal(1))
    found = dict(Envelope.objects.exclude(market_signal=None).values_list("entity_id", "market_weight"))
    assert found == expected
    assert len(found) == 22
    best = Envelope.objects.get(entity_id="RPP-8")
    assert best.effective_token_budget == int(1_000 * (1 + expected["RPP-8"]))


@pytest.mark.parametrize("one", ROUNDS, ids=["RPP 2012", "RPP 2014", "EERP 2015"])
def test_nothing_from_after_the_last_trade_leaks_in(one: Round, fleet: list[Envelope], tmp_path: Path) -> None:
    """Weighed as of the last trade, it is all one whether what came later is in the tables: trades, noise, outcomes."""
    last = max(at for row in _rows(f"{one.project}_market_trades") if (at := _at(row)) < one.closed)
    seen = []
    for knows_the_future in (False, True):
        with transaction.atomic():
            _trade(tmp_path, until=KNOWN_LATER if knows_the_future else last)
            if knows_the_future:
                _shout(last + timedelta(seconds=1))
                _find_out()
            for days in reversed(range(16)):
                market.weigh(now=last - days * DAY)
            seen.append(_seen(last))
            transaction.set_rollback(True)
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == {"RPP 2012": 22, "RPP 2014": 18, "EERP 2015": 18}[f"{one.project} {one.opened:%Y}"]


def _shout(at: datetime) -> None:
    """Let the market know, too late, what came of each finding."""
    by = SignalSource.objects.get(pk="market")
    for name, answer in _answers().items():
        exchanges.signal(by, name, answer["replicated"], at)


def _seen(at: datetime) -> tuple[list[Any], list[Any]]:
    """Return what the market says and what is applied, as of a moment."""
    with connection.cursor() as cursor:
        cursor.execute(signals.CONFIDENCES, {**worth_policy.terms(worth_policy.get()), "now": at})
        said = sorted(cursor.fetchall())
    return said, sorted(Envelope.objects.values_list("entity_id", "market_weight", "market_signal"))
