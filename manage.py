"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from config import embedded
from config.processes import CannotStartError


def main() -> None:
    """Run a command; where it found no server because none runs, say how to start one."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError:
        from django.conf import settings  # noqa: PLC0415 - not loaded before the command is known

        if not os.environ.get("DATABASE_URL"):
            try:
                embedded.database_url(settings.DATA_DIR)
            except CannotStartError as error:
                sys.exit(f"{error}")
        raise


if __name__ == "__main__":
    main()
