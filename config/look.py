"""What django-unfold is told of the house: its name, its own files and its menu."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _style(_request: HttpRequest) -> str:
    return static("config/house.css")


def _charts(_request: HttpRequest) -> str:
    return static("config/charts.css")


def _script(_request: HttpRequest) -> str:
    return static("config/house.js")


def _icon(_request: HttpRequest) -> str:
    return static("config/house.svg")


# Colours stand in our own style sheet: unfold writes those named here into every page as an inline style, which the
# pages' security policy forbids. `search_models` stays off: it would search every model's rows at every key press.
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Research compute economy",
    "SITE_HEADER": "Compute economy",
    "SITE_SUBHEADER": "The reviewers' house",
    "SITE_URL": None,
    "SITE_SYMBOL": "account_balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "STYLES": [_style, _charts],
    "SCRIPTS": [_script],
    "COMMAND": {"search_models": False, "show_history": False},
    "DASHBOARD_CALLBACK": "governance.admin.home.dashboard",  # a name: config imports no app
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "config.sidebar.navigation"},
}
