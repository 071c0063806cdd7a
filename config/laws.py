"""Triggers that more than one table needs: columns that never change, rows that are never truncated."""

import pgtrigger


def fixed(name: str, *columns: str) -> pgtrigger.Trigger:
    """Refuse any change of these columns. It fires only when an UPDATE names one, so hot updates do not pay for it."""
    return pgtrigger.Protect(
        name=name, operation=pgtrigger.UpdateOf(*columns), condition=pgtrigger.AnyChange(*columns)
    )


def never_truncated(name: str) -> pgtrigger.Trigger:
    """Refuse TRUNCATE, which row triggers do not see."""
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func="RAISE EXCEPTION 'the rows of % never vanish', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';",
    )
