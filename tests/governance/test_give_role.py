"""The command that gives a person a role."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from config.models import User
from governance import roles

pytestmark = pytest.mark.django_db


def _give(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("give_role", *arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue().strip()


def test_a_person_is_made_with_a_password_shown_once() -> None:
    password, said = _give("ada", "reviewer", "--create")
    ada = User.objects.get(username="ada")
    assert ada.check_password(password)
    assert (ada.is_staff, ada.is_superuser, said) == (True, False, "ada is now reviewer.")
    assert ada.has_perm("governance.vote_proposal")
    assert _give("ada", "reviewer") == ("", "ada stays as before.")


def test_a_role_is_taken_away() -> None:
    _give("ada", "chair", "--create")
    assert _give("ada", "chair", "--take-away") == ("", "ada is no longer chair.")
    assert not User.objects.get(username="ada").groups.filter(name=roles.CHAIR).exists()


def test_nothing_is_written_when_it_is_only_tried() -> None:
    assert _give("ada", "auditor", "--create", "--dry-run") == ("", "Would do: ada is now auditor.")
    assert not User.objects.filter(username="ada").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("ada", "reviewer"), "unknown_person"),
        (("ada lovelace", "reviewer", "--create"), "invalid_person"),
        (("ada", "queen", "--create"), "invalid choice"),
        (("ada", "chair", "--create", "--take-away"), "not allowed with"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        _give(*arguments)
    assert not User.objects.filter(username__startswith="ada").exists()
