"""The rows of the books."""

from economics.models.admission import Alert, Refusal, Reservation
from economics.models.arrivals import Arrival
from economics.models.budget_policy import BudgetPolicy, DefaultEnvelope
from economics.models.budgets import (
    Counter,
    Envelope,
    Grant,
    Line,
    Pause,
    Revision,
)
from economics.models.catalog import LanguageModel, Price, Tier
from economics.models.ceilings import Window
from economics.models.exchange import Signal, SignalSource
from economics.models.figures import KeptFigures
from economics.models.money import Account, DailyIssue, MonetaryPolicy, Transfer
from economics.models.returns import Outcome
from economics.models.reviews import Reserve, Review, ReviewLine, ReviewPool
from economics.models.usage import Usage, UsageDay
from economics.models.worth import Assessment, Observation, Score, WorthPolicy

__all__ = [
    "Account",
    "Alert",
    "Arrival",
    "Assessment",
    "BudgetPolicy",
    "Counter",
    "DailyIssue",
    "DefaultEnvelope",
    "Envelope",
    "Grant",
    "KeptFigures",
    "LanguageModel",
    "Line",
    "MonetaryPolicy",
    "Observation",
    "Outcome",
    "Pause",
    "Price",
    "Refusal",
    "Reservation",
    "Reserve",
    "Review",
    "ReviewLine",
    "ReviewPool",
    "Revision",
    "Score",
    "Signal",
    "SignalSource",
    "Tier",
    "Transfer",
    "Usage",
    "UsageDay",
    "Window",
    "WorthPolicy",
]
