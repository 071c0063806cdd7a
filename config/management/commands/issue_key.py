"""Issue a key to an agent."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from config import keys
from config.models import Agent


class Command(BaseCommand):
    """Issue a key; the secret goes to standard output, alone, so that it can be captured."""

    help = "Issue a key to an agent. Prints the secret, this one time, on standard output; all else on standard error."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the agent and the terms of its key."""
        parser.add_argument("agent", metavar="AGENT", help="The agent's id.")
        parser.add_argument("--create", action="store_true", help="Make the agent where it is missing.")
        parser.add_argument("--kind", choices=Agent.Kind.values, help="The kind of an agent made (default: worker).")
        parser.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            metavar="SCOPE",
            help="Repeat for several (default: all of its kind).",
        )
        parser.add_argument("--days", type=int, default=keys.LIFETIME.days, help="Lifetime (default: %(default)s).")
        parser.add_argument("--label", default="", help="Where the key will live.")
        parser.add_argument("--dry-run", action="store_true", help="Check and say what would happen; write nothing.")

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        """Issue the key, making the agent first where asked to."""
        agent = _agent(options["agent"], create=options["create"], kind=options["kind"])
        try:
            key, secret = keys.issue(
                agent=agent,
                scopes=options["scopes"],
                lifetime=timedelta(days=min(options["days"], keys.LONGEST.days + 1)),
                label=options["label"],
                now=timezone.now(),
            )
        except keys.KeyRefusedError as refusal:
            message = f"{refusal.code}: {refusal.detail}"
            raise CommandError(message) from refusal
        terms = f"{agent} ({agent.kind}) with {', '.join(key.scopes)}, until {key.expires_at:%Y-%m-%d %H:%M} UTC"
        if options["dry_run"]:
            transaction.set_rollback(True)
            self.stderr.write(f"Would issue a key to {terms}.", style_func=str)
            return
        self.stderr.write(f"Issued key {key} to {terms}.", style_func=str)
        self.stdout.write(secret)


def _agent(name: str, *, create: bool, kind: str | None) -> Agent:
    """Return the agent of this name, made when missing and wanted."""
    agent = Agent.objects.filter(pk=name).first()
    if agent is None and not create:
        message = f"unknown_agent: There is no agent {name}; --create makes it."
        raise CommandError(message)
    if agent is not None:
        if kind not in {None, agent.kind}:
            message = f"kind_is_fixed: {agent} is a {agent.kind} and stays one."
            raise CommandError(message)
        return agent
    agent = Agent(id=name, kind=kind or Agent.Kind.WORKER)
    try:
        agent.full_clean()
    except ValidationError as error:
        message = f"invalid_agent: {' '.join(error.messages)}"
        raise CommandError(message) from error
    agent.save(force_insert=True)
    return agent
