"""The books in the admin; importing a page registers it."""

from economics.admin import admission, alerts, budgets, lines, money, policy, usage

__all__ = ["admission", "alerts", "budgets", "lines", "money", "policy", "usage"]
