"""The rows of the books."""

from economics.models.money import Account, DailyIssue, MonetaryPolicy, Transfer
from economics.models.usage import Usage

__all__ = ["Account", "DailyIssue", "MonetaryPolicy", "Transfer", "Usage"]
