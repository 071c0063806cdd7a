"""The rows of others that are not ours, and why: left as they are, and in no total."""

from collections.abc import Iterator, Sequence

from config.adoption import telling
from config.adoption.running import is_taken_over
from config.adoption.shapes import Shape, rows, shape
from config.adoption.words import PART, PREFIX, Adopted


def faults(adopted: Adopted, theirs: Shape, schema: str) -> str:
    """Return the SQL that tells why a row of theirs is not ours: a code, or NULL."""
    names = {
        name: f'b."{PREFIX}{name}"' if f"{PREFIX}{name}" in theirs.columns else f'b."{name}"'
        for name in (*theirs.columns, *(column.name for column in adopted.contract.columns), "corrects_id")
    }
    # Last, for columns of theirs may be called so.
    return adopted.fault.format_map({**names, "table": theirs.table, "schema": schema})


def counts(adopted: Adopted, theirs: Shape, schema: str) -> list[tuple[str, int, list[str]]]:
    """Return each code, how many rows it holds for, and the keys of a few."""
    fault = faults(adopted, theirs, schema)
    theirs_alone = "" if adopted.lawful else f"WHERE b.{PART} = 0"
    return rows(
        f"SELECT fault, count(*), (array_agg(key ORDER BY key))[1:3] FROM ("  # noqa: S608 - names of the catalogue
        f"SELECT b.id::text AS key, {fault} AS fault FROM {theirs.table} AS b {theirs_alone}) AS f "
        f"WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault"
    )


def _number_of(table: str) -> int:
    return int(rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - as above


def lines(tables: Sequence[Adopted], schema: str, legacy: str) -> Iterator[str]:
    """Yield the report."""
    for adopted in tables:
        theirs = shape(legacy, adopted.name)
        if theirs is None or not is_taken_over(adopted, schema):
            continue
        found = counts(adopted, theirs, schema)
        odd = sum(number for _code, number, _examples in found)
        total = _number_of(theirs.table)
        ours = total - odd if adopted.lawful else _number_of(f"{schema}.{adopted.name}")
        parts = [(ours, "ours"), (total - ours - odd, "theirs"), (odd, "not understood")]
        said = ", ".join(f"{number:,} {what}" for number, what in parts if number)
        yield f"{adopted.name}: {telling.many(total, 'row')}{f', of them {said}' if said else ''}"
        for code, number, examples in found:
            yield f"  {code}: {number:,}, such as id {', '.join(examples)}"
