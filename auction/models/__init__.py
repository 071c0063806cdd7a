"""The rows of the market."""

from auction.models.book import Bid, Task
from auction.models.market import Pool, Slot
from auction.models.quests import BidCycle, Member, Need, Quest
from auction.models.results import AuditRun, Clear, Payout, Round
from auction.models.shares import Fallback, FallbackShare, QuestAllocation, StipendDay

__all__ = [
    "AuditRun",
    "Bid",
    "BidCycle",
    "Clear",
    "Fallback",
    "FallbackShare",
    "Member",
    "Need",
    "Payout",
    "Pool",
    "Quest",
    "QuestAllocation",
    "Round",
    "Slot",
    "StipendDay",
    "Task",
]
