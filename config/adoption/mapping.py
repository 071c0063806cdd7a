"""Where each column of ours stands in a table of others, and our definitions in its words."""

import re
from dataclasses import dataclass
from typing import Final

from config.adoption.shapes import INTEGERS, Shape, Trigger, quoted
from config.adoption.words import MARK, PART, PREFIX, Adopted, Places

# A string, a quoted or plain name, or any other character.
TOKEN: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[A-Za-z_]\w*|.", re.DOTALL)
_OF_ROW: Final = re.compile(r'\b(new|old)\.("?)(\w+)\2', re.IGNORECASE)
_ROW_AS_JSON: Final = re.compile(r"\bto_jsonb\((?:new|old)\)", re.IGNORECASE)
_TRIGGER: Final = re.compile(
    r"(?P<create>CREATE (?:CONSTRAINT )?TRIGGER) (?P<name>\S+) (?P<time>BEFORE|AFTER) (?P<events>.+?)"
    r" ON \{table\} (?P<options>.*?)FOR EACH (?P<level>ROW|STATEMENT) (?:WHEN \((?P<when>.*)\) )?"
    r"(?P<execute>EXECUTE FUNCTION .*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Names:
    """The columns of ours in a table of theirs: shared where the contract names them, else beside what is there."""

    ours: Shape
    theirs: Shape
    adopted: Adopted

    @property
    def key(self) -> str:
        """Return the column that our key is: theirs where it is a number, else one beside it."""
        return "id" if self.theirs.columns["id"].base in INTEGERS else f"{PREFIX}id"

    def physical(self, column: str) -> str:
        """Return what a column of ours is called in their table."""
        if column == "id":
            return self.key
        shared = column in {promised.name for promised in self.adopted.contract.columns}
        there = self.theirs.columns.get(column)
        if shared or there is None or there.comment == MARK:
            return column
        return f"{PREFIX}{column}"

    def all(self) -> dict[str, str]:
        """Return each column of ours and what it is called there, in our order."""
        return {column: self.physical(column) for column in self.ours.columns}

    def places(self, schema: str) -> Places:
        """Return where all stands."""
        return Places(schema, self.theirs.table, self.all())

    def condition(self, template: str, row: str = "") -> str:
        """Return a condition whose columns stand in braces, over the columns of a row or of the table."""
        of = f"{row}." if row else ""
        return template.format(**{column: f"{of}{quoted(place)}" for column, place in self.all().items()})

    def is_ours(self, row: str) -> str:
        """Return the condition under which a row is ours."""
        lawful = self.adopted.lawful
        return self.condition(lawful, row) if lawful else f"{row}.{PART} > 0"

    def expression(self, sql: str) -> str:
        """Return an expression over our columns in their words."""
        renamed = {column: place for column, place in self.all().items() if column != place}
        if not renamed:
            return sql
        return "".join(_renamed(token, renamed) for token in TOKEN.findall(sql))

    def of_row(self, sql: str) -> str:
        """Return code in which our columns stand as NEW.column and OLD.column in their words."""
        places = self.all()

        def replaced(match: re.Match[str]) -> str:
            place = places.get(match[3], match[3])
            return f"{match[1]}.{match[2]}{place}{match[2]}"

        return _OF_ROW.sub(replaced, self._less_of_others(sql))

    def _less_of_others(self, sql: str) -> str:
        """Return code in which a whole row as JSON has our columns by our names, and nothing that others keep there."""
        listed = ", ".join(f"('{column}', '{place}')" for column, place in self.all().items())
        return _ROW_AS_JSON.sub(
            lambda row: (
                f"(SELECT jsonb_object_agg(n.ours, {row[0]} -> n.theirs) "  # noqa: S608 - names of the catalogue
                f"FROM (VALUES {listed}) AS n(ours, theirs))"
            ),
            sql,
        )


def _renamed(token: str, names: dict[str, str]) -> str:
    bare = token.strip('"')
    return quoted(names[bare]) if not token.startswith("'") and bare in names else token


def function(trigger: Trigger, names: Names, schema: str) -> str:
    """Return the statement that makes a trigger's function work on their table, whoever writes there.

    Those who do have no rights in our schema, nor its name on their path. It has a name of its own: a migration that
    makes ours anew makes it for our tables.
    """
    head, mark, body = trigger.function_definition.partition("\nAS $")
    head = head.replace(f"FUNCTION {trigger.function}(", f"FUNCTION {_theirs(trigger)}(", 1)
    settings = "" if "SET search_path" in head else f"\n SET search_path TO {quoted(schema)}, 'pg_temp'"
    return f"{head}\n SECURITY DEFINER{settings}{mark}{names.of_row(body)}"


def triggers(trigger: Trigger, names: Names) -> list[str]:
    """Return the statements that put a trigger of ours on their table, for rows of ours alone.

    One on INSERT and on something else becomes two, for a condition sees NEW in the one and OLD in the other.
    """
    parts = _TRIGGER.fullmatch(trigger.definition.replace("{{", "{").replace("}}", "}"))
    if parts is None:
        message = f"trigger {trigger.name} is not of a form that can be taken over: {trigger.definition}"
        raise ValueError(message)
    events = [_event(event, names) for event in parts["events"].split(" OR ")]
    guarded = parts["level"] == "ROW"
    inserts, others = [e for e in events if e == "INSERT"], [e for e in events if e != "INSERT"]
    groups = [("new", inserts), ("old", others)] if guarded else [("", events)]
    when = names.of_row(parts["when"] or "")
    made: list[str] = []
    for row, group in groups:
        if not group:
            continue
        # What is inserted may turn out not to be ours: no harm is done to it, and its writer does not pay for the look.
        harmless = row == "new" and names.adopted.lawful
        guard = names.is_ours(row) if guarded and not harmless else ""
        condition = " AND ".join(f"({one})" for one in (guard, when) if one)
        name = trigger.name if len(made) == 0 else f"{trigger.name[:55]}_too"
        made.append(
            f"{parts['create']} {quoted(name)} {parts['time']} {' OR '.join(group)} ON {names.theirs.table} "
            f"{parts['options']}FOR EACH {parts['level']} {f'WHEN ({condition}) ' if condition else ''}"
            f"{_qualified(parts['execute'], trigger)}"
        )
    return made


def _event(event: str, names: Names) -> str:
    kind, of, columns = event.partition(" OF ")
    listed = ", ".join(quoted(names.physical(column.strip().strip('"'))) for column in columns.split(","))
    return f"{kind}{of}{listed}" if of else kind


def _qualified(execute: str, trigger: Trigger) -> str:
    """Return the call with the function's schema, whatever the path is."""
    return re.sub(r"EXECUTE FUNCTION [^(]+", f"EXECUTE FUNCTION {_theirs(trigger)}", execute)


def _theirs(trigger: Trigger) -> str:
    """Return what a trigger's function is called where it works on their table."""
    schema, _, name = trigger.function.rpartition(".")
    return f"{schema}.{quoted(f'{PREFIX}{name.strip(chr(34))}'[:63])}"
