"""The history of rows that the database itself writes: which tables have one, and what became of a row."""

from typing import TYPE_CHECKING, Any

import pgtrigger
from django.apps import apps
from django.db.models import Model, QuerySet

if TYPE_CHECKING:  # models say here that they have a history: when this module loads there are none yet
    from config.models import Change

# Changes that touch no recorded column call no function: the condition is part of the trigger.
_RECORD = """
    PERFORM config_record_change(TG_TABLE_NAME, TG_OP, coalesce(NEW."{key}", OLD."{key}")::text,
                                 to_jsonb(OLD), to_jsonb(NEW), ARRAY[{ignored}]::text[]);
    RETURN NULL;
"""


class _Recorder(pgtrigger.Trigger):
    """A trigger that writes a `Change`."""

    def __init__(self, name: str, ignored: tuple[str, ...], **when: Any) -> None:
        """Record but for these columns."""
        quoted = ", ".join(f"'{column}'" for column in ignored)
        func = pgtrigger.Func(_RECORD.replace("{key}", "{meta.pk.column}").replace("{ignored}", quoted))
        super().__init__(name=name, when=pgtrigger.After, func=func, **when)


def recorded(name: str, *ignored: str) -> tuple[pgtrigger.Trigger, ...]:
    """Return the triggers that keep the history of a model's rows, but for columns that are hot or follow others.

    An UPDATE that changes only ignored columns leaves no trace and calls no function.
    """
    changed = pgtrigger.AnyChange(exclude=list(ignored))
    return (
        _Recorder(f"{name}_comes_and_goes_on_record", ignored, operation=pgtrigger.Insert | pgtrigger.Delete),
        _Recorder(f"{name}_changes_on_record", ignored, operation=pgtrigger.Update, condition=changed),
    )


def is_kept(model: type[Model]) -> bool:
    """Tell whether the database keeps a history of this model's rows."""
    return any(isinstance(trigger, _Recorder) for trigger in getattr(model._meta, "triggers", ()))  # noqa: SLF001 - public in all but name


def of(of_what: type[Model] | str, key: object) -> "QuerySet[Change]":
    """Return what became of one row, the newest change first: of a model, or of a table by its name."""
    table = of_what if isinstance(of_what, str) else of_what._meta.db_table  # noqa: SLF001 - public
    changes: QuerySet[Change] = apps.get_model("config", "Change")._default_manager.all()  # noqa: SLF001 - public
    return changes.filter(table_name=table, key=str(key)).order_by("-pk")
