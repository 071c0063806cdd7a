"""Strict JSON: exact where it is taken, a reason where it is not."""

from decimal import Decimal

import pytest

from config import strict_json


def test_fractions_are_exact_and_integers_are_integers() -> None:
    read = strict_json.parse(b'[0.1234567890123456789012345678901234567890, 1.10, 1e3, 7, "\\ud83d\\ude00"]')
    assert [repr(value) for value in read[:4]] == [
        "Decimal('0.1234567890123456789012345678901234567890')",
        "Decimal('1.10')",
        "Decimal('1E+3')",
        "7",
    ]
    assert read[4] == "😀"
    assert read[1] == Decimal("1.1")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Expecting value (line 1, column 1)."),
        (b"[1,]", "Expecting value (line 1, column 4)."),
        (b"[1] 2", "Extra data (line 1, column 5)."),
        (b"\xef\xbb\xbf1", "Expecting value (line 1, column 1)."),
        (b'"\xff"', "its text is not valid Unicode."),
        (b'"\\ud800"', "its text is not valid Unicode."),
        (b"[NaN]", "NaN is not a number."),
        (b"-Infinity", "-Infinity is not a number."),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "a key is given twice in one object."),
        (b"[" * 100_000, "it is nested too deeply."),
        (b"9" * 5_000, "a number in it is too long."),
        (b"1e99999999999999999999", "a number in it is too long."),
        (b"0e-99999999999999999999", "a number in it is too long."),
    ],
)
def test_what_is_no_json_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(strict_json.NotJSONError) as refusal:
        strict_json.parse(raw)
    assert str(refusal.value) == reason
