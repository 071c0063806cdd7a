"""The Senate: proposals with evidence, votes on them, and decisions that take effect once."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from governance import adoption, contract


class GovernanceConfig(AppConfig):
    """The Senate."""

    name = "governance"
    verbose_name = "Senate"
    contract = contract.TABLES
    adopted = adoption.ADOPTED_TABLES

    def ready(self) -> None:
        """Make the Senate's policy and the roles after every migrate: a flushed or new database has none."""
        post_migrate.connect(_make_fixtures, sender=self)


def _make_fixtures(**options: object) -> None:
    """Create the policy where it is missing and give every role its rights."""
    if options.get("plan") and all(backwards for _migration, backwards in options["plan"]):  # type: ignore[attr-defined]
        return
    from governance import policy, roles  # noqa: PLC0415 - models are not ready when this module loads

    policy.ensure()
    roles.ensure()
