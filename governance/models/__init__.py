"""The rows of the Senate."""

from governance.models.ballots import Ballot, Elector, Vote
from governance.models.enactments import Enactment
from governance.models.evidence import Evidence
from governance.models.policy import SenatePolicy
from governance.models.proposals import Proposal

__all__ = ["Ballot", "Elector", "Enactment", "Evidence", "Proposal", "SenatePolicy", "Vote"]
