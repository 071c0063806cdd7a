"""What may be wrong with an item of a batch: a code each, with its sentence."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple, NoReturn, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

_MOST: Final = 20  # of one item: an answer is not to be made of them

SENTENCES: Final = {
    "malformed_json": "This is not JSON that is taken here: {reason}",
    "not_an_object": "An object is expected.",
    "required": "This field is required.",
    "unknown_field": "This field is not known here.",
    "not_text": "Text is expected.",
    "blank": "This text is empty; leave the field out instead.",
    "too_long": "At most {max_length} characters are taken.",
    "control_character": "Control characters are not allowed.",
    "unknown_resource_type": "One of llm_tokens, cpu_seconds, storage_gb_hours and api_calls is expected.",
    "unknown_outcome": (
        "One of edges_gained, edges_removed, papers, hypotheses_improved and artifact_quality is expected."
    ),
    "not_positive": "A number above 0 is expected.",
    "unknown_kind": "One of paper, debate, replication, kg_link, vote, comment and bounty is expected.",
    "not_a_number": "A number is expected, without an exponent where it is written as text.",
    "not_whole": "A whole number is expected.",
    "negative": "A number of 0 or more is expected.",
    "too_large": "A number below 10^15 is expected.",
    "too_precise": "At most {places} decimals are taken.",
    "sum_differs": "The amount of LLM tokens is input_tokens + output_tokens.",
    "cache_exceeds_input": "Tokens read from or written to a cache are part of the input tokens, which are fewer.",
    "not_of_this_class": "Only LLM tokens have such parts.",
    "not_a_time": "An ISO 8601 time is expected, as 2030-01-31T12:00:00Z.",
    "zone_missing": "The time must name its zone, as in 2030-01-31T12:00:00Z.",
    "too_old": "The time lies before the year 2000.",
    "from_the_future": "The time lies more than five minutes ahead.",
    "end_before_start": "The end lies before the start.",
    "unknown_version": "Version 1.0 of CloudEvents is expected.",
    "not_a_name": "Only letters, digits and . _ : @ + = ~ - are taken, at most 200 of them.",
    "not_names": "A list of ids of tasks is expected.",
    "too_many": "At most {most} are taken.",
    "not_a_share": "A number from 0 to 1 is expected.",
    "unknown_state": "One of open, done and cancelled is expected.",
    "half_an_entity": "entity_type and entity_id come together or not at all.",
    "value_and_parts": "State the expected value or what it is made of, not both.",
    "parts_without_value": "A chance and a cost are parts of value_if_works_usd, which is missing.",
    "cost_without_model": "Expected LLM tokens are priced by a model, which is missing.",
    "needs_itself": "A task cannot wait for itself.",
    "sums_other_calls": "This sums up calls that report themselves; if they do not, send it without OpenTelemetry.",
}
_CODES: Final = {  # what pydantic calls them
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "dict_type": "not_an_object",
    "string_type": "not_text",
    "string_too_short": "blank",
    "string_too_long": "too_long",
    "string_pattern_mismatch": "control_character",
    "string_unicode": "control_character",
    "int_type": "not_a_number",
    "greater_than_equal": "negative",
    "less_than": "too_large",
}


class Fault(NamedTuple):
    """Why an item is no event: a stable code, a sentence, and where in the item (a JSON pointer)."""

    code: str
    detail: str
    pointer: str


Faults: TypeAlias = list[Fault]


def fault(code: str, pointer: str, **figures: object) -> Fault:
    """Return a fault with the sentence of its code."""
    return Fault(code, SENTENCES[code].format(**figures), pointer)


def faults_of(error: ValidationError, **literals: str) -> Faults:
    """Return what pydantic found in one object; `literals` names the code of each field that is one of a few words."""
    return [_found(details, literals) for details in error.errors(include_url=False)[:_MOST]]


def _found(details: ErrorDetails, literals: Mapping[str, str]) -> Fault:
    kind, value, where = details["type"], details["input"], "/".join(map(str, details["loc"][:1]))
    code = _CODES.get(kind, kind)  # a code of ours is its own name
    if value is None and code != "unknown_field":
        code = "required"
    elif kind == "literal_error":
        code = literals[where]
    elif kind == "int_type" and isinstance(value, Decimal):
        code = "not_whole"
    return fault(code, f"/{where.replace('~', '~0').replace('/', '~1')}", **details.get("ctx", {}))


def refuse(code: LiteralString, **figures: object) -> NoReturn:
    """Refuse a value inside a validator."""
    raise PydanticCustomError(code, code, figures)
