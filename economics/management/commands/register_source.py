"""Register a source of signals."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.errors import RefusedError
from config.models import Agent
from economics import revisions, signals
from economics.models import SignalSource


class Command(BaseCommand):
    """The same that the admin does, for a terminal."""

    help = "Register a source of signals: a market or forecast. What it is never changes afterwards."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what the source is."""
        parser.add_argument("name", metavar="NAME", help="Its lasting name: letters, digits, - and _.")
        parser.add_argument("--kind", choices=SignalSource.Kind.values, required=True, help="What its values are.")
        parser.add_argument(
            "--by-rank", action="store_true", help="Its prices are no probabilities: they count by their rank."
        )
        parser.add_argument("--agent", metavar="NAME", help="The exchange that posts. Without: the house, from files.")
        parser.add_argument("--title", default="", help="What people read.")

    def handle(self, **options: Any) -> None:
        """Register it and say what it is."""
        agent = None
        if options["agent"] and (agent := Agent.objects.filter(pk=options["agent"]).first()) is None:
            msg = f"There is no agent {options['agent']}."
            raise CommandError(msg)
        try:
            source = signals.register(
                options["name"],
                kind=options["kind"],
                is_probability=not options["by_rank"],
                agent=agent,
                title=options["title"],
                author=revisions.Author("register_source"),
                now=timezone.now(),
            )
        except RefusedError as refusal:
            msg = f"{refusal.code}: {refusal.detail}"
            raise CommandError(msg) from refusal
        values = "probabilities" if source.is_probability else "values that count by their rank"
        feeds = f"posted by {source.agent_id}" if source.agent_id else "imported by the house"
        self.stdout.write(f"Registered {source.pk}: {source.get_kind_display().lower()}s, {values}, {feeds}.")
