"""Make all scores anew now, or say why one is what it is."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from economics import score_words, scores


class Command(BaseCommand):
    """The same recomputation that the beat makes."""

    help = (
        "Make the scores of all entities anew by the policy of worth in force, as the beat does, and set the priority "
        "of their envelopes; say how many changed and which moved most."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether anything is to be written, or which score is to be explained."""
        parser.add_argument("--dry-run", action="store_true", help="Say what would change; write nothing.")
        parser.add_argument("--explain", metavar="TYPE/ID", help="Say why the present score of this entity is so.")

    def handle(self, **options: Any) -> None:
        """Recompute, or explain."""
        if options["explain"]:
            self._explain(options["explain"])
            return
        now = timezone.now()
        done = scores.preview(now=now) if options["dry_run"] else scores.recompute(now=now, wait=True)
        told = "Dry run: nothing is written. " if options["dry_run"] else ""
        envelopes = "" if options["dry_run"] else f"; envelopes set: {done.envelopes:,}"
        self.stdout.write(f"{told}Entities scored: {done.scored:,}; scores changed: {done.changed:,}{envelopes}.")
        for move in done.moves:
            before, after = score_words.plain(move.before), score_words.plain(move.after)
            self.stdout.write(f"  {move.entity_type}/{move.entity_id} {before} to {after}")

    def _explain(self, name: str) -> None:
        kind, slash, entity = name.partition("/")
        if not slash:
            msg = f"{name} is no entity; one is written TYPE/ID, as in hypothesis/h1."
            raise CommandError(msg, returncode=2)
        score = scores.present(kind, entity)
        if score is None:
            msg = f"{name} has no score: nothing is observed or judged of it, or no score was made since (see `score`)."
            raise CommandError(msg)
        for sentence in score_words.explain(score):
            self.stdout.write(sentence)
