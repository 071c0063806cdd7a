"""What the Senate refuses, each with its stable code."""

from config.errors import InvalidError, NotFoundError, RefusedError


class UnknownProposalError(NotFoundError):
    """There is no such proposal, or it is a draft of somebody else."""

    code = "unknown_proposal"


class InvalidProposalError(InvalidError):
    """This cannot be proposed as it stands; the message says why."""

    code = "invalid_proposal"


class InvalidEvidenceError(InvalidError):
    """This cannot be evidence; the message says why."""

    code = "invalid_evidence"


class UnknownEvidenceError(NotFoundError):
    """This proposal has no such evidence."""

    code = "unknown_evidence"


class IncompleteProposalError(InvalidError):
    """The proposal stays a draft: something is missing."""

    code = "incomplete_proposal"

    def __init__(self, missing: "list[Missing]") -> None:
        """Name all that is missing at once."""
        self.missing = missing
        super().__init__(
            "The proposal stays a draft. " + " ".join(one.sentence for one in missing),
            pointer=missing[0].pointer if missing else "",
            missing=[one.code for one in missing],
        )

    def faults(self) -> list[dict[str, str]]:
        """Return each thing that is missing."""
        return [{"code": one.code, "detail": one.sentence, "pointer": one.pointer} for one in self.missing]


class Missing:
    """One thing that a draft lacks: a stable code, the pointer of the field and a sentence."""

    def __init__(self, code: str, pointer: str, sentence: str) -> None:
        """Keep them."""
        self.code, self.pointer, self.sentence = code, pointer, sentence


class NotYourProposalError(RefusedError):
    """Only its proposer does this."""

    code = "not_your_proposal"
    status = 403


class ProposalStateError(RefusedError):
    """The proposal is past this: its state does not allow it."""

    code = "proposal_state"


class QuorumOutOfReachError(RefusedError):
    """Fewer people may vote on this than its quorum takes."""

    code = "quorum_out_of_reach"


class VotingClosedError(RefusedError):
    """Voting on this proposal is over."""

    code = "voting_closed"


class NoElectorError(RefusedError):
    """You have no vote on this: you were no reviewer when voting opened, or the proposal is your own affair."""

    code = "no_elector"
    status = 403


class InvalidVoteError(InvalidError):
    """This is no vote; the message says why."""

    code = "invalid_vote"


class NotAsSeenError(RefusedError):
    """It has changed since you looked: read it once more, and vote on its card."""

    code = "not_as_seen"


class NotLowRiskError(RefusedError):
    """Only what is low risk is voted on together with others; the message says why this is more."""

    code = "not_low_risk"


class StaleBaseError(RefusedError):
    """What the proposal would change has changed since voting opened; a reviewer looks at it and confirms."""

    code = "stale_base"


class ChairNeededError(RefusedError):
    """A measure of policy is enacted by the chair."""

    code = "chair_needed"


class MeasureRefusedError(RefusedError):
    """The measure cannot be carried out as things stand; the message says why."""

    code = "measure_refused"


class UnknownRefusalError(NotFoundError):
    """There is no such refusal of yours."""

    code = "unknown_refusal"


class SenatePolicyInvalidError(InvalidError):
    """The Senate's policy cannot be as asked; the message says why."""

    code = "invalid_senate_policy"


class StaleSenatePolicyError(RefusedError):
    """The Senate's policy was changed by somebody else since you looked."""

    code = "stale_senate_policy"
