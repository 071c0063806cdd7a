"""The rows of the books."""

from economics.models.admission import Alert, Refusal, Reservation
from economics.models.budgets import (
    BudgetPolicy,
    Counter,
    DefaultEnvelope,
    Envelope,
    Grant,
    Line,
    Pause,
    Revision,
    Window,
)
from economics.models.catalog import LanguageModel, Price, Tier
from economics.models.money import Account, DailyIssue, MonetaryPolicy, Transfer
from economics.models.usage import Usage, UsageDay

__all__ = [
    "Account",
    "Alert",
    "BudgetPolicy",
    "Counter",
    "DailyIssue",
    "DefaultEnvelope",
    "Envelope",
    "Grant",
    "LanguageModel",
    "Line",
    "MonetaryPolicy",
    "Pause",
    "Price",
    "Refusal",
    "Reservation",
    "Revision",
    "Tier",
    "Transfer",
    "Usage",
    "UsageDay",
    "Window",
]
