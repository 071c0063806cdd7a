"""The books: wallets, the ledger of wallet tokens, and what was used."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from economics import adoption, contract


class EconomicsConfig(AppConfig):
    """Money and usage."""

    name = "economics"
    verbose_name = "Books"
    contract = contract.TABLES
    adopted = adoption.ADOPTED_TABLES
    later_steps = staticmethod(adoption.later_steps)
    unknown_agents = staticmethod(adoption.unknown_agents)

    def ready(self) -> None:
        """Make the house's fixtures after every migrate: a flushed or new database has no others."""
        post_migrate.connect(_make_fixtures, sender=self)


def _make_fixtures(**options: object) -> None:
    """Create the house accounts, the policies and the tiers where they are missing."""
    if options.get("plan") and all(backwards for _migration, backwards in options["plan"]):  # type: ignore[attr-defined]
        return
    from economics import budget_policy, catalog, ledger, mint, worth_policy  # noqa: PLC0415 - models are not ready when this module loads

    ledger.ensure_house_accounts()
    mint.ensure_policy()
    budget_policy.ensure()
    catalog.ensure_tiers()
    worth_policy.ensure()
