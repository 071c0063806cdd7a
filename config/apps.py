"""The app of the house itself: users, agents and what every interface shares."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class HouseConfig(AppConfig):
    """Users, agents, keys and remembered requests."""

    name = "config"
    verbose_name = "House"

    def ready(self) -> None:
        """Put every law in force after a migrate: each trigger it makes lets a setting of the session switch it off."""
        post_migrate.connect(_enforce, sender=self)


def _enforce(**_options: object) -> None:
    from config import laws  # noqa: PLC0415 - apps are not ready when this module loads

    laws.enforce()
