"""What each kind of evidence claims: its parts, what they may be, and how they are kept. It knows no facts."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

from governance import errors

MOST_PMIDS: Final = 100
MOST_DAYS: Final = 366
LONGEST_NAME: Final = 200
LONGEST_NOTE: Final = 2_000
LONGEST_URL: Final = 2_000
_MOST: Final = Decimal(10) ** 15
_PLACES: Final = 12
_PMID: Final = re.compile(r"[1-9]\d{0,7}", re.ASCII)
_PLAIN_NUMBER: Final = re.compile(r"-?\d{1,16}(\.\d{1,40})?", re.ASCII)
_UNREADABLE: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
_NO_TEXT: Final = re.compile(rf"[{_UNREADABLE}]")
_NO_LINE: Final = re.compile(rf"[\t\n\r{_UNREADABLE}]")
# Blanks, what cannot be seen or turns the writing round, and what ends an address in careless programs.
_NO_URL: Final = re.compile(r"[\s\x00-\x20\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\\<>\"]")
_HOST: Final = re.compile(r"[^\W_]")  # a letter or a digit of any script


class Part(NamedTuple):
    """One part of a claim: its name, how it is read (value, pointer → what is kept), and what it is to be, in words.

    `kept` stands where it is not given; a part without it must be.
    """

    name: str
    read: Callable[[object, str], Any]
    says: str
    needed: bool = True
    kept: object = None


class Shape(NamedTuple):
    """What a kind of evidence claims: its parts, whether it needs an address, and what the system makes of it."""

    parts: tuple[Part, ...]
    says: str
    url_needed: bool = False


def refuse(detail: str, pointer: str) -> NoReturn:
    """Refuse a part of what is given as evidence."""
    raise errors.InvalidEvidenceError(detail, pointer=pointer)


def _pmids(value: object, pointer: str) -> list[str]:
    if not isinstance(value, list | tuple):
        refuse("A list of PMIDs is expected.", pointer)
    if not 1 <= len(value) <= MOST_PMIDS:
        refuse(f"1 to {MOST_PMIDS} PMIDs are expected, not {len(value):,}.", pointer)
    found: dict[str, int] = {}
    for place, given in enumerate(value):
        text = str(given) if type(given) is int and 0 < given < 10**8 else given
        if not isinstance(text, str) or not _PMID.fullmatch(text):
            refuse("A PMID is a number of 1 to 8 digits that does not begin with 0.", f"{pointer}/{place}")
        if found.setdefault(text, place) != place:
            refuse(f"PMID {text} is given twice.", f"{pointer}/{place}")
    return list(found)


def _decimal(value: object, pointer: str) -> Decimal:
    """Return a number as exactly as it is written: a JSON number, or plain decimal text. True is no number."""
    is_text = isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value)
    if type(value) not in (int, float, Decimal) and not is_text:
        refuse("A number is expected, without an exponent where it is written as text.", pointer)
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):  # an integer of thousands of digits
        refuse("This number is too long.", pointer)
    if not number.is_finite():
        refuse("A number is expected.", pointer)
    return number


def _number(value: object, pointer: str, *, least: Decimal = -_MOST, most: Decimal = _MOST) -> str:
    """Return a number as the text that is kept."""
    number = _decimal(value, pointer)
    if not least <= number <= most:
        refuse(f"A number from {least:,f} to {most:,f} is expected.", pointer)
    if -int(number.as_tuple().exponent) > _PLACES:
        refuse(f"At most {_PLACES} decimals are taken.", pointer)
    return f"{number.normalize():f}" if number else "0"  # not a minus zero


def _whole(value: object, pointer: str, *, most: int) -> int:
    number = _decimal(value, pointer)
    if not 1 <= number <= most or number != number.to_integral_value():
        refuse(f"A whole number from 1 to {most:,} is expected.", pointer)
    return int(number)


def _name(value: object, pointer: str) -> str:
    if not isinstance(value, str) or not value.strip():
        refuse("Text is expected.", pointer)
    if len(value) > LONGEST_NAME:
        refuse(f"At most {LONGEST_NAME} characters are taken.", pointer)
    if _NO_LINE.search(value):
        refuse("Control characters are not allowed.", pointer)
    return value.strip()


def _flag(value: object, pointer: str) -> bool:
    if not isinstance(value, bool):
        refuse("true or false is expected.", pointer)
    return value


_share = partial(_number, least=Decimal(0), most=Decimal(1))
_NOTE: Final = "note"
SHAPES: Final[Mapping[str, Shape]] = {
    "new_pmids": Shape(
        (Part("pmids", _pmids, f"1 to {MOST_PMIDS} PMIDs: numbers of 1 to 8 digits, each once."),),
        "New papers. Looked up among the papers observed of the entity.",
    ),
    "market_confidence": Shape(
        (
            Part("confidence", _share, "How sure the market is, 0 to 1."),
            Part("source", _name, "Which market says so.", needed=False),
        ),
        "What the market says. Compared with what the signals on the entity come to.",
    ),
    "kg_yield": Shape(
        (
            Part("edges", partial(_number, least=Decimal(0)), "Net edges brought in, 0 or more."),
            Part("tokens", partial(_whole, most=int(_MOST)), "LLM tokens they took, above 0."),
            Part("days", partial(_whole, most=MOST_DAYS), f"In how many whole days up to today, 1 to {MOST_DAYS}."),
        ),
        "What tokens brought in. Compared with the outcomes and usage of the entity in these days.",
    ),
    "benchmark_result": Shape(
        (
            Part("benchmark", _name, "Which benchmark."),
            Part("metric", _name, "What is measured."),
            Part("value", _number, "The result."),
            Part("baseline", _number, "What it is better than.", needed=False),
            Part("higher_is_better", _flag, "Whether more is better.", needed=False, kept=True),
        ),
        "A result that can be read at an address. Looked up among the artifacts graded for the entity.",
        url_needed=True,
    ),
    "gap_resolution": Shape(
        (
            Part("gap", _name, "The id of the knowledge gap."),
            Part("before", _share, "How far it was resolved, 0 to 1."),
            Part("after", _share, "How far it is resolved now, above that, to 1."),
        ),
        "Progress on a knowledge gap. Looked up among the outcomes of the gap.",
    ),
    _NOTE: Shape((), "Words or an address for the reader. It proves nothing."),
}


def checked(kind: object, claim: object, *, note: object = "", url: object = "") -> dict[str, Any]:
    """Return a claim as it is kept (see `kept`), having looked at what goes with it.

    Refuses besides an address that is not of the web, a result without one, and a note that says nothing. The pointer
    of a refusal begins at `/kind`, `/claim`, `/note` or `/url`.
    """
    found = kept(kind, claim)
    words, address = _note(note), _url(url)
    if SHAPES[str(kind)].url_needed and not address:
        refuse("Say where the result can be read.", "/url")
    if kind == _NOTE and not words.strip() and not address:
        refuse("A note says something, or where it can be read.", "/note")
    return found


def kept(kind: object, claim: object) -> dict[str, Any]:
    """Return a claim as it is kept: exact numbers as plain text, PMIDs as text, what is not said left out.

    Null is the same as not given. Refuses an unknown kind, parts that are missing, unknown or not what they should
    be, a result no better than its own baseline, and a gap that did not move.
    """
    if not isinstance(kind, str) or kind not in SHAPES:
        refuse(f"One of {', '.join(SHAPES)} is expected.", "/kind")
    found = _claim(SHAPES[kind], {} if claim is None else claim)
    if kind == "benchmark_result":
        _check_better(found)
    if kind == "gap_resolution" and Decimal(found["after"]) <= Decimal(found["before"]):
        refuse("A gap that was resolved further is expected: after above before.", "/claim/after")
    return found


def _claim(shape: Shape, claim: object) -> dict[str, Any]:
    if not isinstance(claim, Mapping):
        refuse("An object is expected.", "/claim")
    names = [part.name for part in shape.parts]
    for name in claim:
        if name not in names:
            known = f"Known: {', '.join(names)}." if names else "It has no parts."
            refuse(f"This is not known of such a claim. {known}", f"/claim/{_escaped(str(name))}")
    found = {}
    for part in shape.parts:
        value = claim.get(part.name)
        if value is not None:
            found[part.name] = part.read(value, f"/claim/{part.name}")
        elif part.needed:
            refuse(f"Say {part.name}. {part.says}", f"/claim/{part.name}")
        elif part.kept is not None:
            found[part.name] = part.kept
    return found


def _escaped(name: str) -> str:
    shown = _NO_LINE.sub("\N{REPLACEMENT CHARACTER}", name[:LONGEST_NAME])
    return shown.replace("~", "~0").replace("/", "~1")


def _check_better(claim: Mapping[str, Any]) -> None:
    if "baseline" not in claim:
        return
    value, baseline = Decimal(claim["value"]), Decimal(claim["baseline"])
    if (value <= baseline) if claim["higher_is_better"] else (value >= baseline):
        refuse("The result is no better than its own baseline.", "/claim/value")


def _note(note: object) -> str:
    if not isinstance(note, str):
        refuse("Text is expected.", "/note")
    if len(note) > LONGEST_NOTE:
        refuse(f"At most {LONGEST_NOTE:,} characters are taken.", "/note")
    if _NO_TEXT.search(note):
        refuse("Control characters are not allowed.", "/note")
    return note


def _url(url: object) -> str:
    """Return an address of the web that a reader may be led to; empty: none."""
    if not isinstance(url, str):
        refuse("Text is expected.", "/url")
    if not url:
        return url
    if len(url) > LONGEST_URL:
        refuse(f"At most {LONGEST_URL:,} characters are taken.", "/url")
    try:
        parts = urlsplit(url)
        is_good = not _NO_URL.search(url) and parts.scheme in {"http", "https"} and "@" not in parts.netloc
        is_good = is_good and _HOST.search(parts.hostname or "") is not None and parts.port != 0
    except ValueError:  # brackets or a port that are none
        is_good = False
    if not is_good:
        refuse("An address of the web is expected: http:// or https://, a host, and no blanks.", "/url")
    return url
