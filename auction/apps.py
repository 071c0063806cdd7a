"""The market: pools of execution slots, bids for them, rounds and what came of them."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from auction import adoption, contract


class AuctionConfig(AppConfig):
    """The compute auction."""

    name = "auction"
    verbose_name = "Auction"
    contract = contract.TABLES
    adopted = adoption.ADOPTED_TABLES

    def ready(self) -> None:
        """Make the default pool after every migrate: a flushed or new database has none."""
        post_migrate.connect(_make_fixtures, sender=self)


def _make_fixtures(**options: object) -> None:
    """Create the default pool where it is missing."""
    if options.get("plan") and all(backwards for _migration, backwards in options["plan"]):  # type: ignore[attr-defined]
        return
    from auction import pools  # noqa: PLC0415 - models are not ready when this module loads

    pools.ensure_default()
