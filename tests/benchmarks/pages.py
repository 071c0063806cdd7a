"""Every page of the house over few and over many rows, lists narrowed and deep: how long the server takes."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest import mock

from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from auction.models import Bid
from config import lists, site
from config.models import User
from economics import kept_figures
from economics.models import Envelope, KeptFigures, Usage
from tests import addresses
from tests.benchmarks import house
from tests.benchmarks.report import Report, middle
from tests.reviewers import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOWN: Final = 15
# Lists narrowed, sorted and deep, and the longest periods, as a person may ask for them; {usage} and {bid} are rows in
# the middle of their tables.
NARROWED: Final = (
    "/resources/usage?days=30",
    "/resources/usage?days=90",
    "/resources/quests?days=1",
    "/resources/quests?days=28",
    "/admin/economics/envelope/?type=hypothesis",
    "/admin/economics/envelope/?type=hypothesis&p={deepest}",
    "/admin/economics/envelope/?used=most",
    "/admin/economics/envelope/?granted=no",
    "/admin/economics/envelope/?q=e99",
    "/admin/economics/envelope/?token_budget_from=100&token_budget_to=20000",
    "/admin/economics/usage/?p={deepest}",
    "/admin/economics/usage/?older={usage}",
    "/admin/economics/usage/?agent_id__exact=agent-3",
    "/admin/economics/usage/?agent_id__exact=agent-3&p={deepest}",
    "/admin/economics/usage/?price_state__exact=unpriced",
    "/admin/economics/usage/?q=hypothesis:e3",
    "/admin/economics/usage/?created_at_from_0=2026-01-10&created_at_to_0=2026-01-31",
    "/admin/economics/usage/?created_at_from_0=2026-01-30&created_at_to_0=2026-03-01&p={deepest}",
    "/admin/economics/usage/?created_at_from_0=2026-01-10&created_at_to_0=2026-01-31&agent_id__exact=agent-3",
    "/admin/economics/usageday/?p={deepest}",
    "/admin/economics/usageday/?day_from=2026-01-10&day_to=2026-01-31",
    "/admin/auction/bid/?p={deepest}",
    "/admin/auction/bid/?older={bid}",
    "/admin/auction/bid/?status=open",
    "/admin/auction/bid/?status=won",
    "/admin/auction/bid/?max_price_tokens_from=558",
    "/admin/auction/bid/?placed_at_from_0=2026-02-10&placed_at_to_0=2026-02-11",
    "/admin/auction/bid/?q=trader-7",
    "/admin/auction/clear/?cleared_at_from_0=2026-02-10&cleared_at_to_0=2026-02-11",
    "/admin/auction/slot/?available_at_from_0=2026-02-10&available_at_to_0=2026-02-11",
)
EXPORTED: Final = 10_000  # rows of the file of an old time
OLD: Final = "/admin/economics/usage/export/?created_at_from_0=2026-01-05&created_at_to_0=2026-01-31"
OF_A_REVIEWER: Final = {"index", "governance_queue"}  # what they see there is their own
MOST: Final = 300  # milliseconds
MOST_TO_BEGIN: Final = 600  # milliseconds until the first rows of a file come, which are counted before
NEARLY_EMPTY: Final = house.Size(envelopes=10, usage=100, bids=100, rounds=10, copies=1)


class Times(NamedTuple):
    """Milliseconds that a page takes, the middle of several runs."""

    cold: float
    warm: float


def every(report: Report, server: str, size: house.Size, *, runs: int) -> None:
    """Measure every page on a nearly empty database and on one of this size."""
    before = _measured(report, server, NEARLY_EMPTY, runs)
    after = _measured(report, server, size, runs)
    if missing := set(after) - set(before):
        message = f"pages of the full house alone: {sorted(missing)}"
        raise AssertionError(message)
    report.say(
        f"{len(after)} pages over {size.usage:,} rows of usage, {size.bids:,} bids, {size.envelopes:,} envelopes"
        f" ({runs} runs each; the slowest {SHOWN}, against the same page nearly empty)"
    )
    for address in sorted(after, key=lambda one: -after[one].cold)[:SHOWN]:
        empty, full = before[address], after[address]
        report.say(
            f"  {address}: {full.cold:.0f} ms, with a warm cache {full.warm:.0f} ms;"
            f" nearly empty {empty.cold:.0f} and {empty.warm:.0f} ms; ratio {full.cold / empty.cold:.1f}"
        )
    kept = {address for address in after if address.startswith("/resources") or address.split(" ")[0] == "/admin/"}
    plain = max((full.cold, address) for address, full in after.items() if address not in kept)
    dashboard = max((after[address].warm, address) for address in kept)
    report.bound(f"milliseconds of the slowest page that keeps nothing, {plain[1]}", plain[0], most=MOST)
    report.bound(f"milliseconds of the slowest dashboard, with a warm cache, {dashboard[1]}", dashboard[0], most=MOST)
    fresh = max((after[address].cold, address) for address in kept)
    report.bound(f"milliseconds of the slowest dashboard, with an empty cache, {fresh[1]}", fresh[0], most=MOST)
    ratios = [after[address].cold / before[address].cold for address in after]
    report.say(f"  full / nearly empty: middle {middle(ratios):.2f}, most {max(ratios):.1f}")


def _measured(report: Report, server: str, size: house.Size, runs: int) -> Mapping[str, Times]:
    begun = time.monotonic()
    with house.built(server, size), mock.patch.object(timezone, "now", return_value=house.NOW):
        report.say(f"  [a house with {size.bids:,} bids took {time.monotonic() - begun:.0f} s to build]")
        logging.disable(logging.ERROR)  # of what is refused
        root, reviewer = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
        root.force_login(User.objects.create_superuser("root"))
        reviewer.force_login(User.objects.get(username="r3"))  # a member of the Senate with ballots to vote on
        _figures(report)
        found = {}
        for name, client, address in (*_asked(root, reviewer), *_narrowed(root, size)):
            if _is_page(client, address):
                times = [
                    (_taken(client, address, clear=True), _taken(client, address, clear=False)) for _ in range(runs)
                ]
                found[name] = Times(*(middle(part) for part in zip(*times, strict=True)))
        if size.usage > EXPORTED:
            _exported(report, root)
        logging.disable(logging.NOTSET)
    return found


def _figures(report: Report) -> None:
    """Let the clock make the figures of the whole house, as it does before anybody looks."""
    begun = time.perf_counter()
    kept_figures.make_due(now=house.NOW)
    made = ", ".join(f"{row.name} {row.seconds:.2f} s" for row in KeptFigures.objects.order_by("pk"))
    report.say(f"  [the clock made all figures in {time.perf_counter() - begun:.1f} s: {made}]")


def _narrowed(root: Client, size: house.Size) -> Iterator[tuple[str, Client, str]]:
    """Yield lists narrowed, sorted and deep, by the address with what differs from house to house left out."""
    middles = {
        "usage": Usage.objects.order_by("pk")[size.usage // 2].pk,
        "bid": Bid.objects.order_by("pk")[size.bids // 2].pk,
    }
    deepest = lists.DEEPEST // site.HouseAdmin.list_per_page if size.usage > lists.DEEPEST else 1
    yield from ((address, root, address.format(**middles, deepest=deepest)) for address in NARROWED)


def _exported(report: Report, root: Client) -> None:
    """Measure how long a person waits for the first row of an old time, and for many."""
    begun = time.perf_counter()
    answer: Any = root.get(OLD)
    rows = iter(answer.streaming_content)
    next(rows), next(rows)  # the heads, and the first row
    first = time.perf_counter() - begun
    found = sum(1 for _row in itertools.islice(rows, EXPORTED - 1))
    report.bound("milliseconds to the first row of a file of an old time", first * 1000, most=MOST_TO_BEGIN)
    report.say(f"  {found + 1:,} of its rows in {time.perf_counter() - begun:.1f} s")


def _asked(root: Client, reviewer: Client) -> Iterator[tuple[str, Client, str]]:
    """Yield what is asked for by whom: all pages without parts, the last row of each model, a reviewer's own pages."""
    plain = [one for one in addresses.every() if not one.is_made_up and not one.path.startswith("/api/")]
    yield from ((one.path, root, one.path) for one in plain)
    yield from ((f"{one.path} of a reviewer", reviewer, one.path) for one in plain if one.name in OF_A_REVIEWER)
    for model in admin.site._registry:  # noqa: SLF001 - public
        last = model._default_manager.order_by("pk").last()  # noqa: SLF001 - public
        if last is not None:
            with contextlib.suppress(NoReverseMatch):  # a model without pages
                yield f"{page(model)}…", root, page(model, last.pk)
    envelope = Envelope.objects.latest("pk")
    yield (
        "the chain of an entity",
        root,
        reverse("admin:governance_chain", args=[envelope.entity_type, envelope.entity_id]),
    )


def _is_page(client: Client, address: str) -> bool:
    """Tell whether it is: other addresses take posts only, refuse, lead on, or send files."""
    answer: Any = client.get(address)
    return answer.status_code == 200 and "text/html" in answer.headers["Content-Type"]


def _taken(client: Client, address: str, *, clear: bool) -> float:
    """Return the milliseconds of an answer, written out whole."""
    if clear:
        cache.clear()
    begun = time.perf_counter()
    client.get(address)
    return (time.perf_counter() - begun) * 1000
