"""What the tests of the market share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auction import audit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def balanced_books(db: None) -> Iterator[None]:
    """Audit the books after the test."""
    yield
    assert audit.differences_here() == []
