"""A minute of real trading on a scratch folder, with a report at the end."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from auction.demo import calls, performance, stage
from config import scratch

DATA = settings.BASE_DIR.parent / "shared" / "data" / "llm_calls" / "calls.csv"


class Command(BaseCommand):
    """Start everything on a scratch data folder, let agents trade over HTTP, report, and leave nothing behind."""

    help = "Start everything on a scratch data folder, let agents trade over HTTP for a while, and report."
    requires_system_checks = ()  # those of the site it starts are the ones that count

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the data and the size."""
        parser.add_argument("--data", type=Path, help="CSV of LLM calls; default: the real ones, if they are here")
        parser.add_argument("--seconds", type=_between(5, 3600), default=40, help="how long to trade (40)")
        parser.add_argument("--agents", type=_between(2, 50), default=12, help="how many agents bid (12)")
        parser.add_argument("--seed", type=_between(0, 10**9), default=1, help="of everything drawn (1)")
        parser.add_argument("--keep", action="store_true", help="keep the data folder and say where it is")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the demo; exit 1 when anything was not as it must be."""
        try:
            data = calls.choose(options["data"], default=DATA, seed=options["seed"])
            asked = {name: options[name] for name in ("seconds", "agents", "seed", "keep")}
            succeeded = performance.perform(performance.Options(data=data, **asked), say=self._say)
        except (calls.BadDataError, stage.DemoFailedError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as stop:
            message = "Stopped before its end."
            raise CommandError(message, returncode=scratch.exit_code(stop)) from None
        if not succeeded:
            sys.exit(1)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            message = f"{text!r} is not a whole number from {least} to {most}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number
