"""The admin site and the bases its pages stand on."""

from typing import Any, TypeVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

ModelT = TypeVar("ModelT", bound=models.Model)


class HouseAdminSite(admin.AdminSite):
    """The reviewers' and operators' door."""

    site_title = "Research compute economy"
    site_header = "Research compute economy"
    index_title = "The house"


class ReadOnlyAdmin(admin.ModelAdmin[ModelT]):
    """A page for rows that a law of the database protects: to be read, never edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: such rows come from deeds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: such rows are changed by deeds only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: such rows never vanish."""
        return False
