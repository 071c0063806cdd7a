"""What the books refuse, each with its stable code."""

from config.errors import InvalidError, RefusedError


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
