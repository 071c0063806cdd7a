"""The books in the admin; importing a page registers it."""

from economics.admin import (
    admission,
    alerts,
    budgets,
    catalog,
    lines,
    money,
    outcomes,
    policy,
    prices,
    retention,
    review_lines,
    reviews,
    scores,
    signals,
    usage,
    worth,
)

__all__ = [
    "admission",
    "alerts",
    "budgets",
    "catalog",
    "lines",
    "money",
    "outcomes",
    "policy",
    "prices",
    "retention",
    "review_lines",
    "reviews",
    "scores",
    "signals",
    "usage",
    "worth",
]
