"""Every page of the house over few and over many rows: how long the server takes, with caches empty and warm."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest import mock

from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from config.models import User
from economics.models import Envelope
from tests import addresses
from tests.benchmarks import house
from tests.benchmarks.report import Report, middle
from tests.reviewers import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOWN: Final = 15
OF_A_REVIEWER: Final = {"index", "governance_queue"}  # what they see there is their own
MOST: Final = 300  # milliseconds
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
    report.bound(f"milliseconds of the slowest dashboard, its figures kept, {dashboard[1]}", dashboard[0], most=MOST)
    fresh = max((after[address].cold, address) for address in kept)
    report.say(f"  the slowest dashboard, its figures made anew: {fresh[0]:.0f} ms, {fresh[1]}")
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
        found = {}
        for name, client, address in _asked(root, reviewer):
            if _is_page(client, address):
                times = [
                    (_taken(client, address, clear=True), _taken(client, address, clear=False)) for _ in range(runs)
                ]
                found[name] = Times(*(middle(part) for part in zip(*times, strict=True)))
        logging.disable(logging.NOTSET)
    return found


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
