"""Do stored rounds again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from auction import pools, replay
from auction.models import Round
from config.errors import RefusedError


class Command(BaseCommand):
    """Replay rounds from what they stored and compare the result with what they decided."""

    help = "Replay a round, or all of them, from parameters and frontier. Exit 1 where the stored result differs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a round or all rounds, of one pool or of all."""
        parser.add_argument("round", nargs="?", type=int, metavar="ID", help="The round's id.")
        parser.add_argument("--all", action="store_true", help="Every round.")
        parser.add_argument("--pool", metavar="P", help="With --all: the rounds of this pool.")

    def handle(self, **options: Any) -> None:
        """Print price and awards of each round replayed and every difference."""
        number, everything = options["round"], options["all"]
        if (number is None) != everything or (options["pool"] and not everything):
            message = "invalid: Name one round, or --all, which --pool may narrow."
            raise CommandError(message)
        numbers = _numbers(options["pool"]) if everything else [number]
        different = sum(not self._replay(each, in_full=not everything) for each in numbers)
        if different:
            message = f"replay_differs: {different} of {len(numbers)} rounds."
            raise CommandError(message)
        self.stdout.write(f"{len(numbers):,} replayed, each as stored.")

    def _replay(self, number: int, *, in_full: bool) -> bool:
        """Print one round's replay; return whether it gives what is stored."""
        try:
            again = replay.replay_round(number)
        except Round.DoesNotExist as missing:
            message = f"unknown_round: There is no round {number}."
            raise CommandError(message) from missing
        price = "nothing sold" if again.result.market_price is None else f"price {again.result.market_price:,}"
        self.stdout.write(f"round {number}: {price}, {len(again.result.awards):,} sold")
        for award in again.result.awards if in_full else ():
            self.stdout.write(
                f"  slot {award.slot_id} to bid {award.bid_id} for {award.charge:,}, "
                f"runner-up {'none' if award.runner_up_bid_id is None else f'bid {award.runner_up_bid_id}'}"
            )
        for difference in again.differences:
            self.stdout.write(f"  differs: {difference}")
        return not again.differences


def _numbers(pool: str | None) -> list[int]:
    """Return the ids of all rounds, or of one pool's."""
    rounds = Round.objects.order_by("pk")
    if pool is not None:
        try:
            rounds = rounds.filter(pool=pools.get(pool))
        except RefusedError as refusal:
            message = f"{refusal.code}: There is no pool {pool}."
            raise CommandError(message) from refusal
    return list(rounds.values_list("pk", flat=True))
