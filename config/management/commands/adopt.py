"""Take over the tables of a service that runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.adoption import reporting, running, undoing
from config.adoption.shapes import shape
from config.adoption.words import Adopted, Step, StuckError
from config.models import Agent


class Command(BaseCommand):
    """Take over, step by step, or show what would be done, or undo it."""

    help = (
        "Take over resource_usage, allocation_proposals, token_accounts and quest_budget_allocations of a service that "
        "runs, in place and while others write. Every step is a transaction of its own; run it again after a crash."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to do, and how patient to be with transactions of others."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--plan", action="store_true", help="Print each statement and its lock; change nothing.")
        what.add_argument("--report", action="store_true", help="List the rows that are not ours, and why.")
        what.add_argument("--undo", action="store_true", help="Drop all that was added; their rows stay as they are.")
        parser.add_argument(
            "--drop", metavar="SCHEMA", default="", help="With --undo: do it, and drop this schema with all in it."
        )
        parser.add_argument(
            "--register-agents",
            metavar="KIND",
            choices=["worker", "provider"],
            help="Register owners of wallets that nobody knows here as agents of this kind, without keys.",
        )
        parser.add_argument("--from", dest="legacy", default="public", help="The schema of the others' tables.")
        parser.add_argument("--lock-seconds", type=float, default=0.5, help="How long others may wait for a step.")
        parser.add_argument("--tries", type=int, default=120, help="How often a step is tried, a second apart.")

    def handle(self, **options: Any) -> None:
        """Do it, with a line for each step."""
        schema, legacy = running.schema_name(), options["legacy"]
        tables = tuple(adopted for app in apps.get_app_configs() for adopted in getattr(app, "adopted", ()))
        if options["undo"]:
            self._undo(tables, schema, legacy, options)
            return
        if options["report"]:
            self._report(tables, schema, legacy)
            return
        found = running.obstacles(tables, schema=schema, legacy=legacy)
        for obstacle in found:
            self.stderr.write(str(obstacle))
        if found and not options["plan"]:
            message = f"cannot_adopt: {len(found)} obstacles; nothing was changed."
            raise CommandError(message)
        if options["plan"]:
            self._plan(tables, schema, legacy)
            return
        with self._alone():
            self._adopt(tables, schema, legacy, options)
        self._report(tables, schema, legacy)
        self.stdout.write("Taken over. Look at it: manage.py verify_schema, manage.py audit")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse to begin while another process does this."""
        try:
            with running.alone():
                yield
        except running.RunningError:
            message = "adoption_running: another process adopts this database, or its session has not ended yet."
            raise CommandError(message) from None

    def _plan(self, tables: tuple[Adopted, ...], schema: str, legacy: str) -> None:
        steps = [*running.planned(tables, schema=schema, legacy=legacy), *_later(schema, legacy)]
        self._show(steps)

    def _show(self, steps: list[Step]) -> None:
        for number, step in enumerate(steps, 1):
            self.stdout.write(f"{number}. {step.name}: {step.does}\n   Lock: {step.lock}")
            for statement in step.statements or step.shown:
                self.stdout.write("\n".join(f"   {line}" for line in f"{statement.strip()};".splitlines()))
        self.stdout.write(f"{len(steps)} steps; nothing was changed.")

    def _adopt(self, tables: tuple[Adopted, ...], schema: str, legacy: str, options: dict[str, Any]) -> None:
        terms = running.Terms(options["lock_seconds"], options["tries"])
        for step in running.schema_steps(schema):
            self._step(step, terms)
        for adopted in tables:
            if running.is_taken_over(adopted, schema) or shape(legacy, adopted.name) is None:
                continue
            ours = shape(schema, adopted.name)
            assert ours is not None  # noqa: S101 - the migrations made it
            # Each is looked up when the one before is done: what stands by then tells what is still to be done.
            while todo := next(running.table_steps(adopted, ours, schema=schema, legacy=legacy), None):
                self._step(todo, terms)
        if options["register_agents"]:
            self._register(options["register_agents"], schema, legacy)
        for step in _later(schema, legacy):
            self._step(step, terms)

    def _register(self, kind: str, schema: str, legacy: str) -> None:
        """Make the owners of wallets that nobody knows agents of this kind; somebody may give them keys."""
        for app in apps.get_app_configs():
            names = app.unknown_agents(schema, legacy) if hasattr(app, "unknown_agents") else []
            Agent.objects.bulk_create([Agent(id=name, kind=kind) for name in names], ignore_conflicts=True)
            if names:
                self.stdout.write(f"agents: registered {len(names)} as {kind}: {', '.join(names[:5])}, …"[:200])

    def _step(self, step: Step, terms: running.Terms) -> None:
        self.stdout.write(f"{step.name}: {step.does}")
        began = time.monotonic()
        try:
            running.carry_out(step, terms, lambda line: self.stdout.write(f"  {line}"))
        except StuckError as error:
            message = f"lock_held: {error}"
            raise CommandError(message) from None
        self.stdout.write(f"  done in {time.monotonic() - began:.2f} s")

    def _report(self, tables: tuple[Adopted, ...], schema: str, legacy: str) -> None:
        for line in reporting.lines(tables, schema, legacy):
            self.stdout.write(line)

    def _undo(self, tables: tuple[Adopted, ...], schema: str, legacy: str, options: dict[str, Any]) -> None:
        if options["drop"] != schema:
            self._show(list(undoing.steps(tables, schema, legacy)))
            self.stdout.write(f"To do it, with all that was decided and recorded here: --undo --drop {schema}")
            return
        terms = running.Terms(options["lock_seconds"], options["tries"])
        with self._alone():
            for step in undoing.steps(tables, schema, legacy):
                self._step(step, terms)
        self.stdout.write("Given back.")


def _later(schema: str, legacy: str) -> Iterator[Step]:
    """Yield what the apps still have to do with the tables taken over, each looked up when the one before is done."""
    hooks: list[Callable[[str, str], Iterator[Step]]] = [
        app.later_steps for app in apps.get_app_configs() if hasattr(app, "later_steps")
    ]
    for hook in hooks:
        yield from hook(schema, legacy)
