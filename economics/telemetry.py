"""OpenTelemetry's names for a call of a language model, and what they are called here."""

from collections.abc import Mapping
from typing import Any, Final

_PREFIX: Final = "gen_ai."

# The present name first, then those older instrumentations still send; of the two models, that of the response.
_NAMES: Final = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
    ),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
}
# What no attribute says may stand beside the attributes under our own name.
_BESIDE: Final = (
    *("entity_type", "entity_id", "tier", "artifact_type", "artifact_id", "slot_id", "reported_cost"),
    *("started_at", "ended_at"),
)
OPERATION: Final = "gen_ai.operation.name"
# What these use is the sum of calls that report themselves.
SUMS: Final = ("invoke_agent", "invoke_workflow")


def speaks(data: Mapping[str, Any]) -> bool:
    """Tell whether this is a call in OpenTelemetry's names: its attributes, flat or under `attributes`."""
    return "attributes" in data or any(name.startswith(_PREFIX) for name in data)


def translated(data: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a call's values under our names, and for each of ours the attribute it stands in.

    Attributes that say nothing about usage are left out. Where only one of the two token counts was sent the other
    is 0: embeddings have no output. The model is the one the response names: it did the work and stands on the bill
    and in price lists ("gpt-4o-2024-08-06"), while a request may name a deployment or a router's alias. The request's
    stands in only where the response names none, and is left out otherwise.
    """
    values = {name: data[name] for name in _BESIDE if name in data}
    origins = {"amount": _NAMES["input_tokens"][0], **{name: candidates[0] for name, candidates in _NAMES.items()}}
    for name, candidates in _NAMES.items():
        for candidate in candidates:
            if attributes.get(candidate) not in (None, ""):
                values[name], origins[name] = attributes[candidate], candidate
                break
    if "input_tokens" in values or "output_tokens" in values:
        values = {"input_tokens": 0, "output_tokens": 0, **values}
    return {**values, "resource_type": "llm_tokens"}, origins
