"""What an operator reads of an adoption: plans, times, and what it came to."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from config.adoption.mapping import TOKEN
from config.adoption.words import Step

_WIDTH: Final = 110
_OURS: Final = "our schema"
_HARD: Final = ("ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE")  # somebody who writes waits for these


def plan(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the lines of a plan: each step under its table, with its lock and its statements."""
    before = ""
    for number, step in enumerate(steps, 1):
        table, name = headed(step)
        if table != before:
            yield f"\n{table}"
            before = table
        yield f"{number:4}. {name}: {step.does}"
        yield f"      Lock: {step.lock}"
        for statement in step.statements or step.shown:
            for line in wrapped(f"{statement.strip()};"):
                yield f"        {line}"
    yield f"\n{many(len(steps), 'step')}; nothing was changed."


def headed(step: Step) -> tuple[str, str]:
    """Return what a step is about, a table of others or our own schema, and what is done there."""
    table, of_table, name = step.name.partition(": ")
    return (table, name) if of_table else (_OURS, step.name)


def wrapped(statement: str) -> Iterator[str]:
    """Yield a statement in lines that can be read, broken at blanks outside of quotes, so that it means the same."""
    words, whole = [""], []
    for part in TOKEN.findall(statement):
        if part == "\n":
            whole.append(words)
            words = [""]
        elif part.isspace() and words[-1].strip():
            words.append("")
        else:
            words[-1] += part
    for words_of_line in (*whole, words):
        yield from _filled(words_of_line)


def _filled(words: list[str]) -> Iterator[str]:
    line = words[0]
    for before, word in itertools.pairwise(words):
        begins = before.endswith(",") and word in {"ADD", "DROP"}  # one of many columns
        if begins or len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = f"    {word}"
        else:
            line = f"{line} {word}"
    yield line


def summary(took: Sequence[tuple[Step, float]], *, seconds: float) -> str:
    """Return how much was done in which time, and the longest that somebody who writes may have waited for a step."""
    text = f"{many(len(took), 'step')} in {duration(seconds)}"
    hard = [(held, step.name) for step, held in took if step.lock.startswith(_HARD)]
    if not hard:
        return f"{text}; no table of others was locked."
    held, name = max(hard)
    return f"{text}; the longest that anybody could not write: {duration(held)} ({name})."


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - as exact as is of use
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def many(number: int, what: str) -> str:
    """Return a number and what it is of, in the singular for one."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def names(found: Sequence[str], *, most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most:,} more"
