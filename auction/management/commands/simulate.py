"""Try a market out: drawn tasks under several policies, or stored days under another rule."""

import argparse
import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from auction import counterfactual, mechanism, pools
from auction.simulation import manipulation, plot, presets, report, run, world
from config import scratch
from config.errors import RefusedError
from config.processes import CannotStartError

MOST_OWNERS = 40


class Command(BaseCommand):
    """Run the real market under a virtual clock in a scratch database, beside policies without one, and compare."""

    help = (
        "Run drawn tasks through the real market (virtual clock, scratch database) and through policies without one, "
        "and print what came of it; or, with --stored-days, what the last days would have been under another rule."
    )
    requires_system_checks = ()  # those of the scratch database are the ones that count

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what is to be run and where the figures go."""
        size = world.Size()
        drawn = parser.add_argument_group("drawn tasks")
        drawn.add_argument("--policies", type=_of(run.POLICIES), default=list(run.POLICIES), metavar="A,B")
        drawn.add_argument("--preset", type=_of(tuple(presets.BY_NAME)), default=["source"], metavar="A,B")
        drawn.add_argument("--load", type=_loads, default=[0.9, 1.5, 3.0], metavar="X,Y", help="tasks per slot")
        drawn.add_argument("--seed", type=_between(0, 10**9), default=1, help="the first (1)")
        drawn.add_argument("--seeds", type=_between(1, 1000), default=4, help="how many, one after the other (4)")
        drawn.add_argument("--rounds", type=_between(1, 100_000), default=size.rounds, help=f"({size.rounds})")
        drawn.add_argument("--day", type=_between(1, 86_400), default=size.day, help=f"rounds in a day ({size.day})")
        drawn.add_argument("--quests", type=_between(1, 10_000), default=size.quests, help=f"({size.quests})")
        drawn.add_argument("--slots", type=_between(1, 1000), default=size.slots, help=f"in a round ({size.slots})")
        drawn.add_argument("--skew", type=_share_of(4), default=size.skew, help=f"of quests, 0: alike ({size.skew})")
        drawn.add_argument("--value", type=_usd, default=size.median_usd, help=f"median, USD ({size.median_usd})")
        drawn.add_argument("--csv", type=_file, metavar="FILE", help="every run with every measure")
        drawn.add_argument("--plot", type=_svg, metavar="FILE.svg", help="efficiency, prices and money")
        drawn.add_argument("--dry-run", action="store_true", help="say what would be run")
        drawn.add_argument("--hiding", action="store_true", help="instead: what hiding bids and waiting gain a quest")
        stored = parser.add_argument_group("stored days")
        stored.add_argument("--stored-days", type=_between(1, 3650), metavar="N", help="the last N days of real bids")
        stored.add_argument("--rule", choices=list(counterfactual.RULES), default="vickrey", help="(vickrey)")
        stored.add_argument("--pool", default=pools.DEFAULT, help=f"({pools.DEFAULT})")

    def handle(self, **options: Any) -> None:
        """Do what was asked; figures go to standard output, progress to standard error."""
        of_runs = [f"--{name}" for name in ("dry_run", "csv", "plot") if options[name]]
        if of_runs and (options["stored_days"] or options["hiding"]):
            message = f"{of_runs[0].replace('_', '-')} is for drawn tasks, not for --stored-days or --hiding."
            raise CommandError(message)
        try:
            if options["stored_days"]:
                self._stored(options)
            elif options["hiding"]:
                self._hiding(options)
            else:
                self._drawn(options)
        except RefusedError as refusal:
            message = f"{refusal.code}: {refusal.detail}"
            raise CommandError(message) from refusal
        except (CannotStartError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as stop:
            message = "Stopped before its end."
            raise CommandError(message, returncode=scratch.exit_code(stop)) from None

    def _drawn(self, options: dict[str, Any]) -> None:
        plan = _plan(options)
        if options["dry_run"]:
            names = ", ".join(run.label(policy, preset.name) for policy, preset in plan.variants())
            self.stdout.write(f"{len(plan)} runs of {plan.size.rounds:,} rounds: {names}")
            return
        with _quietly():
            rows = list(run.perform(plan, say=self._say))
        self.stdout.write(report.table(rows))
        if options["csv"]:
            with options["csv"].open("w", newline="") as file:
                report.write_csv(rows, file)
        if options["plot"]:
            options["plot"].write_text(plot.draw(rows))

    def _hiding(self, options: dict[str, Any]) -> None:
        seeds = range(options["seed"], options["seed"] + options["seeds"])
        plan = _plan(options)
        for rule in mechanism.Rule:
            self.stdout.write(report.hiding(rule, [manipulation.hide(seed, rule) for seed in seeds]))
            for load in plan.loads:
                worlds = [world.draw(seed, plan.size._replace(load=load)) for seed in seeds]
                gains = [dict(manipulation.patience(one, rule)) for one in worlds]
                self.stdout.write(report.waiting(load, gains))

    def _stored(self, options: dict[str, Any]) -> None:
        until = timezone.now()
        since = until - timedelta(days=options["stored_days"])
        answer = counterfactual.under(options["rule"], since=since, until=until, pool=options["pool"])
        self.stdout.write(counterfactual.table(answer, rule=options["rule"], most=MOST_OWNERS))

    def _say(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()


def _plan(options: dict[str, Any]) -> run.Plan:
    return run.Plan(
        policies=options["policies"],
        presets=[presets.BY_NAME[name] for name in options["preset"]],
        seeds=range(options["seed"], options["seed"] + options["seeds"]),
        loads=options["load"],
        size=world.Size(
            rounds=options["rounds"],
            quests=options["quests"],
            slots=options["slots"],
            median_usd=options["value"],
            day=options["day"],
            skew=options["skew"],
        ),
    )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what each tick logs from burying the progress."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(before)


def _of(names: tuple[str, ...]) -> Callable[[str], list[str]]:
    def some(text: str) -> list[str]:
        asked = [part.strip() for part in text.split(",")]
        if unknown := [name for name in asked if name not in names]:
            message = f"{', '.join(unknown)!r} is none of {', '.join(names)}"
            raise argparse.ArgumentTypeError(message)
        return list(dict.fromkeys(asked))

    return some


def _loads(text: str) -> list[float]:
    return [_share_of(100)(part) for part in text.split(",")]


def _share_of(most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 <= value <= most:
            message = f"{text!r} is not a number from 0 to {most:g}"
            raise argparse.ArgumentTypeError(message)
        return value

    return number


def _usd(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and Decimal("0.000001") <= value <= 10**6):
        message = f"{text!r} is not an amount from 0.000001 to 1000000"
        raise argparse.ArgumentTypeError(message)
    return value


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            message = f"{text!r} is not a whole number from {least} to {most}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number


def _svg(text: str) -> Path:
    if not text.endswith(".svg"):
        message = f"{text!r} does not end in .svg: plots are SVG"
        raise argparse.ArgumentTypeError(message)
    return _file(text)


def _file(text: str) -> Path:
    """Refuse what could not be written after all runs."""
    path = Path(text)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        message = f"{text!r} cannot be written"
        raise argparse.ArgumentTypeError(message)
    return path
