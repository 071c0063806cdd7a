"""The app of the house itself: users, agents and what every interface shares."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class HouseConfig(AppConfig):
    """Users, agents, keys and remembered requests."""

    name = "config"
    verbose_name = "House"

    def ready(self) -> None:
        """Make the house's fixtures after every migrate, and put every law in force.

        Each trigger that a migrate makes lets a setting of the session switch it off.
        """
        pre_migrate.connect(_make_room, sender=self)
        post_migrate.connect(_follow, sender=self)  # before all fixtures: they are rows of the tables taken over
        post_migrate.connect(_make_fixtures, sender=self)
        connection_created.connect(_group_by_all_columns)


def _group_by_all_columns(connection: Any, **_options: object) -> None:
    """Let no sum by rows rely on a key: an adopted table is a view, of which PostgreSQL knows none."""
    connection.features.allows_group_by_selected_pks = not settings.DATABASE_SCHEMA


def _make_room(**options: Any) -> None:
    """Let migrations change our own tables where views stand in their places."""
    from config.adoption import migrating  # noqa: PLC0415 - apps are not ready when this module loads

    migrating.make_room(options["plan"])


def _follow(**_options: object) -> None:
    """Bring tables taken over to the shape that ours have after migrations."""
    from config.adoption import migrating  # noqa: PLC0415 - as above

    migrating.follow()


def _make_fixtures(**options: object) -> None:
    """Enforce the laws, and create the policy of retention where it is missing."""
    from config import laws, retention  # noqa: PLC0415 - apps are not ready when this module loads

    laws.enforce()
    if options.get("plan") and all(backwards for _migration, backwards in options["plan"]):  # type: ignore[attr-defined]
        return
    retention.ensure()
