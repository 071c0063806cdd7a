"""The rows of the market."""

from auction.models.market import Bid, Pool, Slot, Task
from auction.models.results import AuditRun, Clear, Payout, Round

__all__ = ["AuditRun", "Bid", "Clear", "Payout", "Pool", "Round", "Slot", "Task"]
