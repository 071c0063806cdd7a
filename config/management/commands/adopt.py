"""Take over the tables of a service that runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from config.adoption import reporting, running, telling, undoing
from config.adoption.shapes import shape
from config.adoption.words import Adopted, Obstacle, Step, StuckError, is_lock_of_others
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
        what.add_argument("--undo", action="store_true", help="Show how all that was added is dropped; change nothing.")
        parser.add_argument(
            "--drop",
            metavar="SCHEMA",
            default="",
            help="With --undo: do it, and drop our schema with all that is in it; rows of others stay as they are.",
        )
        parser.add_argument(
            "--register-agents",
            metavar="KIND",
            choices=["worker", "provider"],
            help="Register owners of wallets that nobody knows here as agents of this kind (worker or provider), "
            "without keys.",
        )
        parser.add_argument(
            "--from", dest="legacy", metavar="SCHEMA", default="public", help="Where the tables of others are; public."
        )
        parser.add_argument(
            "--lock-seconds",
            metavar="SECONDS",
            type=float,
            default=0.5,
            help="How long a step waits for a lock, and others behind it; 0.5.",
        )
        parser.add_argument(
            "--tries", metavar="N", type=int, default=120, help="How often a step is tried, a second apart; 120."
        )

    def handle(self, **options: Any) -> None:
        """Do it, with a line for each step."""
        schema, legacy = running.schema_name(), options["legacy"]
        tables = tuple(adopted for app in apps.get_app_configs() for adopted in getattr(app, "adopted", ()))
        if options["drop"] and not options["undo"]:
            message = "drop_without_undo: --drop goes with --undo; nothing was changed."
            raise CommandError(message)
        try:
            if options["undo"]:
                self._undo(tables, schema, legacy, options)
            elif options["report"]:
                _look_there(tables, legacy)
                self._report(tables, schema, legacy)
            else:
                self._take_over(tables, schema, legacy, options)
        except (StuckError, OperationalError) as error:
            if not isinstance(error, StuckError) and not is_lock_of_others(error):
                raise
            open_now = "".join(f"\n    {line}" for line in running.open_transactions())
            said = str(error) if isinstance(error, StuckError) else "somebody's transaction locks a table of theirs."
            message = f"lock_held: {said} Open the longest:{open_now}" if open_now else f"lock_held: {said}"
            raise CommandError(message) from None

    def _take_over(self, tables: tuple[Adopted, ...], schema: str, legacy: str, options: dict[str, Any]) -> None:
        _look_there(tables, legacy)
        found = running.obstacles(tables, schema=schema, legacy=legacy)
        self._refuse(found, "cannot_adopt")
        if options["plan"]:
            self._show([*running.planned(tables, schema=schema, legacy=legacy), *_later(schema, legacy)])
            return
        with self._alone():
            self._adopt(tables, schema, legacy, options)
        self._report(tables, schema, legacy)
        self.stdout.write("\nTaken over. Look at it: manage.py verify_schema, manage.py audit")

    def _refuse(self, found: list[Obstacle], code: str) -> None:
        """Tell what stands in the way, and end if anything does."""
        for obstacle in found:
            self.stderr.write(str(obstacle))
        if found:
            message = f"{code}: {telling.many(len(found), 'obstacle')}; nothing was changed."
            raise CommandError(message)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse to begin while another process does this; sum up in the end."""
        self._took: list[tuple[Step, float]] = []
        began = time.monotonic()
        try:
            with running.alone():
                yield
        except running.RunningError:
            message = "adoption_running: another process adopts this database, or its session has not ended yet."
            raise CommandError(message) from None
        self.stdout.write(f"\n{telling.summary(self._took, seconds=time.monotonic() - began)}")

    def _show(self, steps: list[Step]) -> None:
        for line in telling.plan(steps):
            self.stdout.write(line)

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
                made = telling.many(len(names), kind)
                self.stdout.write(f"agents: registers {made}: {telling.names(names)}")

    def _step(self, step: Step, terms: running.Terms) -> None:
        table, _name = telling.headed(step)
        if self._took and table != telling.headed(self._took[-1][0])[0]:
            self.stdout.write("")
        self.stdout.write(f"{step.name}: {step.does}")
        began = time.monotonic()
        held = running.carry_out(step, terms, lambda line: self.stdout.write(f"  {line}"))
        self._took.append((step, held))
        self.stdout.write(f"  done in {telling.duration(time.monotonic() - began)}")

    def _report(self, tables: tuple[Adopted, ...], schema: str, legacy: str) -> None:
        found = list(reporting.lines(tables, schema, legacy))
        for line in found or ["Nothing is taken over yet."]:
            self.stdout.write(line)

    def _undo(self, tables: tuple[Adopted, ...], schema: str, legacy: str, options: dict[str, Any]) -> None:
        if schema in {"", "public", legacy}:  # where others have theirs
            message = f"no_schema: DATABASE_SCHEMA is {schema or 'not set'}, which is no schema of our own."
            raise CommandError(message)
        if options["drop"] not in {"", schema}:
            message = f"other_schema: our schema is {schema}, not {options['drop']}; nothing was changed."
            raise CommandError(message)
        _look_there(tables, legacy)
        self._refuse(list(undoing.obstacles(tables, schema, legacy)), "cannot_undo")
        if not options["drop"]:
            self._show(list(undoing.steps(tables, schema, legacy)))
            self.stdout.write(f"To do it, with all that was decided and recorded here: --undo --drop {schema}")
            return
        terms = running.Terms(options["lock_seconds"], options["tries"])
        with self._alone():
            for step in undoing.steps(tables, schema, legacy):
                self._step(step, terms)
        self.stdout.write("Given back.")


def _look_there(tables: tuple[Adopted, ...], legacy: str) -> None:
    """Refuse a schema that is not the one whose tables were taken over: nothing would be found to do there."""
    if (places := running.places(tables)) and legacy not in places:
        message = f"other_from: the tables that were taken over are in {places[0]}: --from {places[0]!r}."
        raise CommandError(message)


def _later(schema: str, legacy: str) -> Iterator[Step]:
    """Yield what the apps still have to do with the tables taken over, each looked up when the one before is done."""
    hooks: list[Callable[[str, str], Iterator[Step]]] = [
        app.later_steps for app in apps.get_app_configs() if hasattr(app, "later_steps")
    ]
    for hook in hooks:
        yield from hook(schema, legacy)
