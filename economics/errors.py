"""What the books refuse, each with its stable code."""

from config.errors import InvalidError, NotFoundError, RefusedError, RetryableError


class InsufficientTokensError(RefusedError):
    """The wallet has fewer available tokens than asked."""

    code = "insufficient_tokens"


class TransferKeyReusedError(RefusedError):
    """This key already names another transfer."""

    code = "transfer_key_reused"


class AlreadyReversedError(RefusedError):
    """This transfer was already reversed."""

    code = "already_reversed"


class InvalidTransferError(InvalidError):
    """A transfer moves a positive whole number of tokens, at most 10^15, between two accounts."""

    code = "invalid_transfer"


class GradersOwnNoWalletError(RefusedError):
    """A grader owns no wallet, runs no slot and files no task."""

    code = "grader_may_not_trade"


class ExchangesOwnNoWalletError(RefusedError):
    """An exchange tells what the market says; it owns no wallet and has no stake."""

    code = "exchange_may_not_trade"


class BudgetInvalidError(InvalidError):
    """A ceiling, window or grant cannot be as asked; the message says why."""

    code = "invalid_budget"


class EnvelopeExistsError(RefusedError):
    """This entity has an envelope already."""

    code = "envelope_exists"


class UnknownEnvelopeError(NotFoundError):
    """This entity has no envelope."""

    code = "unknown_envelope"


class StaleEnvelopeError(RefusedError):
    """The envelope was changed by somebody else since you looked."""

    code = "stale_envelope"


class AlreadyPausedError(RefusedError):
    """It is paused already."""

    code = "already_paused"


class InvalidAskError(InvalidError):
    """What is asked for cannot be reserved as it stands; the message says why."""

    code = "invalid_ask"


class AdmissionRefusedError(RefusedError):
    """The reservation is refused and the refusal is on record."""

    code = "reservation_refused"


class FleetPausedError(AdmissionRefusedError):
    """Somebody has paused the whole fleet."""

    code = "fleet_paused"


class AgentPausedError(AdmissionRefusedError):
    """Somebody has paused this agent."""

    code = "agent_paused"


class NoEnvelopeError(AdmissionRefusedError):
    """This entity has no envelope, and none is given to its type by default."""

    code = "no_envelope"


class EnvelopeFrozenError(AdmissionRefusedError):
    """The entity's envelope is frozen."""

    code = "envelope_frozen"


class UnknownModelError(AdmissionRefusedError):
    """The catalogue does not know this model."""

    code = "unknown_model"


class ModelDisabledError(AdmissionRefusedError):
    """This model may not be used at present."""

    code = "model_disabled"


class WrongTierError(AdmissionRefusedError):
    """The catalogue has this model in another tier."""

    code = "wrong_tier"


class NoPriceError(AdmissionRefusedError):
    """There is no list price for this; free would be an explicit price of 0."""

    code = "no_price"


class LifetimeTooLongError(AdmissionRefusedError):
    """A reservation may not be held for so long."""

    code = "lifetime_too_long"


class RequestTooLargeError(AdmissionRefusedError):
    """One reservation may not ask for so much."""

    code = "request_too_large"


class BudgetExhaustedError(AdmissionRefusedError):
    """A line of the envelope has no room for this."""

    code = "budget_exhausted"


class FleetBudgetExhaustedError(AdmissionRefusedError):
    """The fleet's USD of the day have no room for this."""

    code = "fleet_budget_exhausted"


class UnknownReservationError(NotFoundError):
    """There is no such reservation of yours."""

    code = "unknown_reservation"


class ReservationReleasedError(RefusedError):
    """This reservation was released; report what was used all the same as usage."""

    code = "reservation_released"


class ReservationSettledError(RefusedError):
    """This reservation was settled already."""

    code = "reservation_settled"


class SettledOtherwiseError(RefusedError):
    """This reservation was settled with other figures."""

    code = "reservation_settled_otherwise"


class UnknownUsageError(NotFoundError):
    """There is no such usage of yours."""

    code = "unknown_usage"


class UnknownTierError(InvalidError):
    """There is no such tier."""

    code = "unknown_tier"


class EventConflictError(RefusedError):
    """This event was recorded before, with other figures."""

    code = "event_conflict"


class CorrectionTooLargeError(RefusedError):
    """No more can be taken back than was recorded and not taken back before."""

    code = "correction_too_large"


class NotCorrectableError(RefusedError):
    """A correction cannot itself be corrected; record the usage again."""

    code = "not_correctable"


class BatchTooLargeError(InvalidError):
    """A batch has at most so many events."""

    code = "batch_too_large"


class ModelNotListedError(InvalidError):
    """The catalogue has no model of this name."""

    code = "model_not_listed"


class ModelExistsError(RefusedError):
    """The catalogue has this model already."""

    code = "model_exists"


class InvalidModelError(InvalidError):
    """A model needs a name that can be written down; the message says why this is none."""

    code = "invalid_model"


class InvalidPriceError(InvalidError):
    """This cannot be a price; the message says why."""

    code = "invalid_price"


class InvalidPriceListError(InvalidError):
    """This is not a list of prices that can be read; the message says where and why."""

    code = "invalid_price_list"


class StalePriceListError(RefusedError):
    """The catalogue, the list or the day has changed since this was reviewed; review it again."""

    code = "stale_price_list"


class MalformedBatchError(InvalidError):
    """A batch is lines of JSON, an array of events, an object {"events": array}, or an array of CloudEvents."""

    code = "malformed_batch"


class UnreadableFileError(InvalidError):
    """The file is not of the form it should be; the message says where and why."""

    code = "unreadable_file"


class PolicyInvalidError(InvalidError):
    """The policy of worth cannot be as asked; the message says why."""

    code = "invalid_policy"


class StalePolicyError(RefusedError):
    """The policy was changed by somebody else since you looked."""

    code = "stale_policy"


class UnknownSourceError(NotFoundError):
    """There is no such source of signals, or another posts to it."""

    code = "unknown_source"


class SourceInactiveError(RefusedError):
    """This source is inactive: it posts nothing, and what it posted counts for nothing."""

    code = "source_inactive"


class InvalidSourceError(InvalidError):
    """This cannot be a source of signals; the message says why."""

    code = "invalid_source"


class SourceExistsError(RefusedError):
    """There is a source of this name already."""

    code = "source_exists"


class SourceHasAStakeError(RefusedError):
    """Who posts a signal has no stake in the entity it is about."""

    code = "source_has_a_stake"


class InvalidSignalError(InvalidError):
    """This cannot be a signal; the message says why."""

    code = "invalid_signal"


class InvalidScoreError(InvalidError):
    """This cannot go into a score; the message says why."""

    code = "invalid_score"


class UnknownOutcomeError(NotFoundError):
    """There is no such outcome of yours."""

    code = "unknown_outcome"


class InvalidOutcomeError(InvalidError):
    """This cannot be an outcome; the message says why."""

    code = "invalid_outcome"


class UnknownReviewError(NotFoundError):
    """There is no such review."""

    code = "unknown_review"


class ReviewDecidedError(RefusedError):
    """This review was decided already."""

    code = "review_decided"


class ReviewExistsError(RefusedError):
    """There is a review of this week already."""

    code = "review_exists"


class StaleReviewError(RefusedError):
    """Envelopes this review would move have moved since it was drafted; discard it and draft another."""

    code = "stale_review"


class UnknownEntityError(NotFoundError):
    """Nothing is on record about this entity."""

    code = "unknown_entity"


class WhatIfBusyError(RetryableError):
    """Somebody else is looking ahead; one at a time judges the whole fleet. Ask again."""

    code = "what_if_busy"
