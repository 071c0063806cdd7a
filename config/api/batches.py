"""Several things in one body, each judged by itself: how what became of them is answered, alike for all."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rest_framework import serializers


class ItemFault(serializers.Serializer[object]):
    """What is wrong with an item of a batch, and where in it (JSON pointer; empty: the item as a whole)."""

    code = serializers.CharField()
    detail = serializers.CharField()
    pointer = serializers.CharField()


class RecordedCounts(serializers.Serializer[object]):
    """How many items of a batch became what: recorded, known already, known with other figures, refused."""

    recorded = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    refused = serializers.IntegerField()


class UpsertedCounts(serializers.Serializer[object]):
    """How many items of a batch became what: created, changed, as they were, refused."""

    created = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    refused = serializers.IntegerField()


def answer(results: Sequence[dict[str, Any]], statuses: Sequence[str]) -> dict[str, Any]:
    """Return what became of each item, in the order given, after how many there are of each status."""
    counts = Counter(result["status"] for result in results)
    return {"counts": {status: counts[status] for status in statuses}, "results": results}


def why(faults: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Return `code` and `errors` of an item with these faults (code, sentence, pointer); those of one code share it."""
    codes = {code for code, _detail, _pointer in faults}
    return {
        "code": codes.pop() if len(codes) == 1 else "invalid" if codes else None,
        "errors": [{"code": code, "detail": detail, "pointer": pointer} for code, detail, pointer in faults],
    }
