"""Make the first admin."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand

from config.models import User


class Command(BaseCommand):
    """Make the superuser `admin` where there is none, and print its password, this once."""

    help = "Make the superuser `admin` where there is no superuser, and print its generated password once."

    def handle(self, *_: Any, **__: Any) -> None:
        """Do nothing when any superuser exists."""
        if User.objects.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser("admin", password=password)
        self.stdout.write(f"  First admin: admin, password {password} (shown this once; change it in the admin)")
