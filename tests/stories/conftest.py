"""Stories are told in a transaction that is rolled back; at the end of each the books balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auction import audit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def balanced_books(db: None) -> Iterator[None]:
    """Audit the books when the story has ended."""
    yield
    assert audit.differences_here() == []
