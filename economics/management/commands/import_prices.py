"""Import list prices, after showing what they would change."""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.utils import timezone

from config.errors import RefusedError
from economics import genai_list, price_sources, price_words, pricelists, revisions
from economics.price_sources import PriceList

_SHOWN: Final = 10
_WHO: Final = "manage.py import_prices"
_MOST_BYTES: Final = 64 * 1024 * 1024
_NOT_UNDERSTOOD: Final = 3
_EXIT_CODES: Final = """
exit codes:
  0  imported, or nothing to import, or a dry run
  1  refused, not confirmed, or a file that cannot be read; nothing was written
  2  the command was not understood
  3  as 0, but some rows were not understood and left out
"""


class _Help(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the exit codes."""


class Command(BaseCommand):
    """Show what a list of prices would change in the catalogue, and change it when told so."""

    help = (
        "Import list prices of language models: from a CSV file of dated prices (USD; columns asof_date, model,\n"
        "provider, input_cost_per_token, output_cost_per_token, ...) or from the installed package genai-prices.\n"
        "Shows what would change and asks. Prices count from their day on; what is priced already stays as it is."
    )

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Tell the exit codes at the end of the help."""
        options = {"epilog": _EXIT_CODES, "formatter_class": _Help, **options}
        return super().create_parser(prog_name, subcommand, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the list, what of it, and whether to ask."""
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("file", nargs="?", metavar="FILE", type=Path, help="A CSV file of dated prices.")
        source.add_argument("--genai", action="store_true", help="The list inside the package genai-prices.")
        parser.add_argument(
            "--only", action="append", default=[], metavar="PATTERN", help="Only models of such names, as 'gpt-4*'."
        )
        parser.add_argument(
            "--skip", action="append", default=[], metavar="PATTERN", help="No models of such names, as 'openrouter/*'."
        )
        parser.add_argument(
            "--tier",
            action="append",
            default=[],
            metavar="MODEL=TIER",
            help="The tier of a new model, if not the one shown; may be repeated.",
        )
        parser.add_argument("--all", action="store_true", help=f"Show every change, not the first {_SHOWN} of a kind.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would change; write nothing.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, **options: Any) -> None:
        """Show, ask, apply."""
        now = timezone.now()
        try:
            listing = _list(options["file"]).narrowed(only=options["only"], skip=options["skip"])
            tiers = dict(map(_model_and_tier, options["tier"]))
            found = pricelists.diff(listing, now=now, tiers=tiers)
            for line in price_words.lines(found, most=None if options["all"] else _SHOWN):
                self.stdout.write(line)
            self.stdout.write("")
            if found.is_empty:
                self.stdout.write("The catalogue says all this already; nothing to import.")
            elif options["dry_run"]:
                self.stdout.write("A dry run: nothing was written.")
            else:
                _confirm(asks=not options["yes"])
                with revisions.signed(revisions.Author(_WHO, listing.title), now=now):
                    pricelists.apply(listing, digest=found.digest, who=_WHO, now=now, tiers=tiers)
                self.stdout.write(f"Imported {len(found.models):,} models and {len(found.changes):,} prices.")
                self.stdout.write("Usage that waited for one of them is priced by the next tick.")
        except RefusedError as refusal:
            message = f"{refusal.code}: {options['file'] or 'genai-prices'}: {refusal.detail}"
            raise CommandError(message) from refusal
        if found.faults:
            message = f"{len(found.faults):,} rows were not understood and left out."
            raise CommandError(message, returncode=_NOT_UNDERSTOOD)


def _list(file: Path | None) -> PriceList:
    """Return the list from a file, or the packaged one."""
    if file is None:
        return genai_list.read_genai()
    try:
        if file.stat().st_size > _MOST_BYTES:
            message = f"{file}: more than {_MOST_BYTES // 1024**2} MB; this is no list of prices."
            raise CommandError(message)
        return price_sources.read_csv(file.read_bytes(), title=file.name)
    except OSError as error:
        message = f"{file}: {error.strerror}."
        raise CommandError(message) from error


def _model_and_tier(text: str) -> tuple[str, str]:
    model, equals, tier = text.rpartition("=")
    if not equals:
        message = f"--tier {text}: say MODEL=TIER."
        raise CommandError(message)
    return model, tier


def _confirm(*, asks: bool) -> None:
    """Ask whoever sits at the terminal; refuse where nobody does and nobody said --yes."""
    if not asks:
        return
    if not sys.stdin.isatty():
        message = "Nobody to ask: say --yes to import, or --dry-run to look. Nothing was written."
        raise CommandError(message)
    if input("Import this? [y/N] ").strip().lower() not in {"y", "yes"}:
        message = "Not confirmed; nothing was written."
        raise CommandError(message)
