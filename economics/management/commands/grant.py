"""Grant wallet tokens to an agent or a quest."""

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from config.errors import RefusedError
from config.models import Agent
from economics import ledger
from economics.models import Account


class Command(BaseCommand):
    """Mint wallet tokens into the wallet of an agent or a quest, with a reason."""

    help = (
        "Mint wallet tokens into the wallet of an agent or, with --quest, of a quest. The wallet is opened if missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the owner, the amount and why."""
        parser.add_argument("owner", metavar="AGENT_OR_QUEST", help="The id of an agent or a quest.")
        parser.add_argument("amount", metavar="AMOUNT", type=int, help="Whole wallet tokens.")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="Why; it stays in the ledger.")
        parser.add_argument("--key", metavar="K", help="A name for this grant: the same one again moves nothing more.")
        parser.add_argument("--quest", action="store_true", help="The owner is a quest.")
        parser.add_argument("--dry-run", action="store_true", help="Check and say what would happen; write nothing.")

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        """Grant the tokens and say what the wallet then holds."""
        now = timezone.now()
        try:
            account = _wallet(options["owner"], quest=options["quest"])
            transfer = ledger.grant(
                account=account,
                amount=options["amount"],
                key=options["key"] or uuid.uuid4().hex,
                now=now,
                memo=options["reason"],
            )
        except RefusedError as refusal:
            message = f"{refusal.code}: {refusal.detail}"
            raise CommandError(message) from refusal
        account.refresh_from_db()
        wallet = f"{account} (balance {account.balance:,}, available {account.available:,})"
        if transfer.created_at != now:
            self.stdout.write(
                f"Granted before, at {transfer.created_at:%Y-%m-%d %H:%M:%S} UTC; nothing moved: {wallet}."
            )
        elif options["dry_run"]:
            transaction.set_rollback(True)
            self.stdout.write(f"Would grant {transfer.amount:,} wallet tokens, making {wallet}.")
        else:
            self.stdout.write(f"Granted {transfer.amount:,} wallet tokens as {transfer}: {wallet}.")


def _wallet(owner: str, *, quest: bool) -> Account:
    """Return the wallet of a quest or of an agent that exists."""
    if quest:
        return ledger.open_wallet(quest=owner)
    agent = Agent.objects.filter(pk=owner).first()
    if agent is None:
        message = f"unknown_agent: There is no agent {owner}; is it a quest (--quest)?"
        raise CommandError(message)
    return ledger.open_wallet(agent=agent)
