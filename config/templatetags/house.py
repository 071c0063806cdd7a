"""What templates of the house ask for by name."""

from typing import Any

from django import template

from config import sidebar

register = template.Library()


@register.filter
def list_title(opts: Any) -> str:
    """Return what the list of a model (its `_meta`) is called: as in the menu, so that one page has one name."""
    return sidebar.list_title(opts)
