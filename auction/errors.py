"""What the market refuses, each with its stable code."""

from config.errors import InvalidError, NotFoundError, RefusedError, RetryableError


class UnknownPoolError(NotFoundError):
    """There is no such pool."""

    code = "unknown_pool"


class UnknownTaskError(NotFoundError):
    """There is no such task."""

    code = "unknown_task"


class UnknownQuestError(NotFoundError):
    """There is no such quest, or it is not yours to see."""

    code = "unknown_quest"


class UnknownBidError(NotFoundError):
    """There is no such bid of yours."""

    code = "unknown_bid"


class UnknownWalletError(NotFoundError):
    """There is no such wallet."""

    code = "unknown_wallet"


class UnknownSlotError(NotFoundError):
    """There is no such slot, or it is not yours."""

    code = "unknown_slot"


class PoolStoppedError(RefusedError):
    """The pool is stopped: it neither sells nor takes bids."""

    code = "pool_stopped"


class InvalidOfferError(InvalidError):
    """The offer of a slot cannot stand as asked."""

    code = "invalid_offer"


class InvalidTaskError(InvalidError):
    """The task cannot be filed as asked."""

    code = "invalid_task"


class InvalidQuestError(InvalidError):
    """The quest cannot stand as asked."""

    code = "invalid_quest"


class UnknownNeedError(InvalidError):
    """A task needs tasks of its own backlog only, and this is none."""

    code = "unknown_need"


class NeedsCircleError(InvalidError):
    """A task would wait for itself."""

    code = "needs_circle"


class PriceOutOfBoundsError(InvalidError):
    """max_price_tokens lies outside what the pool takes."""

    code = "price_out_of_bounds"


class TtlOutOfBoundsError(InvalidError):
    """ttl_at is past or further ahead than the pool allows."""

    code = "ttl_out_of_bounds"


class InvalidValueError(InvalidError):
    """expected_value_usd is a number of USD, 0 or more, below 10^15."""

    code = "invalid_value"


class BatchTooLargeError(InvalidError):
    """A batch holds 1 to 1,000 bids."""

    code = "batch_too_large"


class GradersDoNotTradeError(RefusedError):
    """A grader owns no wallet, runs no slot and files no task."""

    code = "grader_may_not_trade"


class TaskIdTakenError(RefusedError):
    """Another task has this id."""

    code = "task_id_taken"


class QuestIdTakenError(RefusedError):
    """Another programme has a quest or a wallet of this id."""

    code = "quest_id_taken"


class NotYourQuestError(RefusedError):
    """Only its programme's agent, or a person, changes a quest and its backlog."""

    code = "not_your_quest"
    status = 403


class QuestHasOpenBidsError(RefusedError):
    """A quest with open bids stays in its pool: make it inactive first, and its bids are withdrawn."""

    code = "quest_has_open_bids"


class NotYourTaskError(RefusedError):
    """Only the task's own wallet bids for it."""

    code = "not_your_task"
    status = 403


class TaskNotOpenError(RefusedError):
    """The task is taken, done or cancelled."""

    code = "task_not_open"


class TaskBlockedError(RefusedError):
    """The task waits for others that are not done."""

    code = "task_blocked"


class NoEnvelopeError(RefusedError):
    """The task states what it will cost, and its entity has no envelope to take that from."""

    code = "no_envelope"


class EnvelopeFrozenError(RefusedError):
    """The envelope of the task's entity is frozen: nothing of it is spent, so nothing is bid for it."""

    code = "envelope_frozen"


class EnvelopeExhaustedError(RefusedError):
    """The envelope of the task's entity has no room for what the task is expected to use."""

    code = "envelope_exhausted"


class TaskHasOpenBidError(RefusedError):
    """A task has at most one open bid: cancel it first."""

    code = "task_has_open_bid"


class TaskRepeatedError(RefusedError):
    """The batch names this task twice."""

    code = "task_repeated_in_batch"


class InsufficientTokensError(RefusedError):
    """The wallet has fewer available tokens than the bid would hold."""

    code = "insufficient_tokens"


class BidNotOpenError(RefusedError):
    """The bid is no longer open."""

    code = "bid_not_open"


class CyclePassedError(RefusedError):
    """A later cycle was cleared already; missed cycles are not made up."""

    code = "cycle_passed"


class SlotNotSoldError(RefusedError):
    """The slot is not in a state that allows this."""

    code = "slot_state"


class StartDeadlinePassedError(RefusedError):
    """The slot was not started in time and is forfeited."""

    code = "start_deadline_passed"


class LeaseEndedError(RefusedError):
    """No heartbeat came in time: the lease has ended and the slot lapses."""

    code = "lease_ended"


class HoldNotStuckError(RefusedError):
    """These tokens are held for something that still stands: they are released when that ends."""

    code = "hold_not_stuck"


class ClaimStandsError(RefusedError):
    """A runner has claimed the slot and may still start it."""

    code = "claim_stands"


class OfferedAgainError(RefusedError):
    """The slot was offered again already."""

    code = "offered_again"


class OfferOverError(RefusedError):
    """Its provider offered the slot until then, and no longer."""

    code = "offer_over"


class CapacityReachedError(RefusedError):
    """The pool has all the slots of its own that its capacity names: another would be withdrawn at once."""

    code = "capacity_reached"


class SettledOtherwiseError(RefusedError):
    """The slot was settled before with another value."""

    code = "settled_otherwise"


class InvalidSettlementError(InvalidError):
    """A cost is a whole number of LLM tokens >= 0, an impact a number of USD >= 0."""

    code = "invalid_settlement"


class BookMovedError(RetryableError):
    """A row changed outside the market's locks while it was being sold; nothing was written."""

    code = "book_moved"
