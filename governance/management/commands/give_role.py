"""Give a person a role."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from config.models import User
from governance import roles


class Command(BaseCommand):
    """Give a role; a generated password goes to standard output, alone, so that it can be captured."""

    help = "Give a person a role, or take it away. With --create the person is made, and the password printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the person and the role."""
        parser.add_argument("person", metavar="PERSON", help="The user name.")
        parser.add_argument("role", choices=roles.BY_NAME, help="What the person is to be.")
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--create", action="store_true", help="Make the person where it is missing.")
        either.add_argument("--take-away", action="store_true", help="Take the role away instead.")
        parser.add_argument("--dry-run", action="store_true", help="Check and say what would happen; write nothing.")

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        """Give or take the role, making the person first where asked to."""
        person, password = _person(options["person"], create=options["create"])
        deed, done = (roles.take, "no longer") if options["take_away"] else (roles.give, "now")
        changed = deed(person, options["role"])
        said = f"{person} is {done} {options['role']}" if changed else f"{person} stays as before"
        if options["dry_run"]:
            transaction.set_rollback(True)
            self.stderr.write(f"Would do: {said}.", style_func=str)
            return
        self.stderr.write(f"{said}.", style_func=str)
        if password:
            self.stdout.write(password)


def _person(name: str, *, create: bool) -> tuple[User, str]:
    """Return the person of this name; where missing and wanted a new one, with its password."""
    person = User.objects.filter(username=name).first()
    if person is not None:
        return person, ""
    if not create:
        message = f"unknown_person: There is nobody called {name}; --create makes the account."
        raise CommandError(message)
    password = secrets.token_urlsafe(12)
    person = User(username=name)
    person.set_password(password)
    try:
        person.full_clean()
    except ValidationError as error:
        message = f"invalid_person: {' '.join(error.messages)}"
        raise CommandError(message) from error
    person.save()
    return person, password
