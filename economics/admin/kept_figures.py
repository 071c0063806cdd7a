"""Figures that the clock keeps, in the admin: which there are, of what moment, and how long each took."""

from typing import ClassVar

from django.contrib import admin

from config.site import ReadOnlyAdmin
from economics.models import KeptFigures


@admin.register(KeptFigures)
class KeptFiguresAdmin(ReadOnlyAdmin[KeptFigures]):
    """What the pages of the whole house show."""

    list_display = ("name", "as_of", "took")
    ordering: ClassVar[tuple[str, ...]] = ("pk",)

    @admin.display(description="made in", ordering="seconds")
    def took(self, kept: KeptFigures) -> str:
        """Return how long they took to make."""
        return f"{kept.seconds:,.2f} s"
