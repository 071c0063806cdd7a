"""The roles of the house: groups with their rights, made after every migrate."""

from collections.abc import Collection, Mapping
from typing import Final

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from config.models import User

REVIEWER: Final = "Senate reviewer"
CHAIR: Final = "Senate chair"
AUDITOR: Final = "Auditor"
OPERATOR: Final = "Operator"
BY_NAME: Final[Mapping[str, str]] = {
    "reviewer": REVIEWER,
    "chair": CHAIR,
    "auditor": AUDITOR,
    "operator": OPERATOR,
}

# What anybody with a role may see: everything but the keys of agents and the accounts of people.
_UNSEEN: Final = frozenset({"config.view_user", "config.view_agentkey", "config.view_idempotentrequest"})
_OF_A_REVIEWER: Final = frozenset(
    {
        *("governance.add_proposal", "governance.vote_proposal", "governance.confirm_proposal"),
        *("economics.change_review", "economics.change_alert"),
    }
)
_OF_AN_OPERATOR: Final = frozenset(
    {
        *("config.view_user", "config.view_agentkey", "config.add_agent", "config.change_agent"),
        *("config.add_agentkey", "config.change_agentkey"),
        *("auction.add_pool", "auction.change_pool", "auction.add_quest", "auction.change_quest"),
        "config.change_retentionpolicy",
        *("economics.add_pause", "economics.change_pause", "economics.change_alert"),
        *("economics.add_languagemodel", "economics.change_languagemodel", "economics.add_tier"),
        *("economics.change_tier", "economics.add_price", "economics.change_price"),
        *("economics.add_signalsource", "economics.change_signalsource"),
        *("economics.add_account", "economics.change_reservation", "auction.add_auditrun"),
        *("django_celery_beat.view_periodictask", "django_celery_beat.change_periodictask"),
    }
)
_PACKAGES: Final = ("auth", "django_celery_beat")
_APPS: Final = ("config", "economics", "auction", "governance")


def rights() -> Mapping[str, frozenset[str]]:
    """Return the rights of each role, as `app.codename`."""
    seen, beside = _views(_APPS), _views(_PACKAGES)
    return {
        REVIEWER: (seen - _UNSEEN) | _OF_A_REVIEWER,
        CHAIR: (seen - _UNSEEN)
        | _OF_A_REVIEWER
        | {"governance.close_proposal", "governance.enact_policy", "governance.add_senatepolicy"},
        AUDITOR: seen | beside,  # who does what with which rights and when, too
        OPERATOR: (seen - _UNSEEN) | _OF_AN_OPERATOR,
    }


def _views(apps_of: Collection[str]) -> frozenset[str]:
    """Return the rights to see the rows of these apps."""
    found = Permission.objects.filter(content_type__app_label__in=apps_of, codename__startswith="view_")
    return frozenset(f"{app}.{code}" for app, code in found.values_list("content_type__app_label", "codename"))


def ensure() -> None:
    """Make every role where it is missing and give it exactly its rights.

    Rights themselves are made after each app's migrations, of some only after this: they are made here first.
    """
    for app in (*_APPS, *_PACKAGES):
        create_permissions(apps.get_app_config(app), verbosity=0)
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.filter(
            content_type__app_label__in=(*_APPS, *_PACKAGES)
        ).values_list("pk", "content_type__app_label", "codename")
    }
    for name, granted in rights().items():
        role, _ = Group.objects.get_or_create(name=name)
        role.permissions.set([known[right] for right in granted if right in known])


def give(person: User, role: str) -> bool:
    """Give a person a role (a name of `BY_NAME`), and a place on the staff; return whether that changed anything."""
    group = Group.objects.get(name=BY_NAME[role])
    before = person.is_staff and person.groups.filter(pk=group.pk).exists()
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    person.groups.add(group)
    return not before


def take(person: User, role: str) -> bool:
    """Take a role from a person, who stays on the staff; return whether that changed anything."""
    group = Group.objects.get(name=BY_NAME[role])
    had = person.groups.filter(pk=group.pk).exists()
    person.groups.remove(group)
    return had
