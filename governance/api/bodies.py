"""What a proposal, its evidence and a vote are made of, as a body says it."""

from typing import Any, Final

from config.api import fields
from governance import claims, proposals
from governance.models import Evidence, Proposal, Vote
from governance.models.proposals import LONGEST_TEXT, MOST_TOKENS

# With the titles that they have in the books, so that the description of the API names each of them once.
CLASSES: Final = [
    (name, name.replace("_", " ").title()) for name in ("llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls")
]
WINDOWS: Final = [(name, name.title()) for name in ("day", "week", "month", "lifetime")]


class GiveEvidence(fields.Body):
    """One thing a proposal stands on: its kind, what is claimed (see `GET measures`), a note, where it can be read."""

    kind = fields.Choice(choices=Evidence.Kind.choices)
    claim = fields.Object(default=dict)
    note = fields.LongText(max_length=claims.LONGEST_NOTE, allow_blank=True, default="")
    url = fields.PlainText(max_length=claims.LONGEST_URL, allow_blank=True, default="")


class CheckEvidence(GiveEvidence):
    """A piece of evidence, and the entity it is about."""

    entity_type = fields.PlainText(max_length=64)
    entity_id = fields.PlainText()


class Amend(fields.Body):
    """What to change of a draft; what is not named stays. Amounts in the unit of the line, null takes a value back."""

    entity_type = fields.PlainText(max_length=64, required=False)
    entity_id = fields.PlainText(required=False)
    measure = fields.Choice(choices=Proposal.Measure.choices, required=False)
    resource_type = fields.Choice(choices=CLASSES, required=False)
    qualifier = fields.PlainText(max_length=100, allow_blank=True, required=False, help_text="Tier or provider.")
    window_kind = fields.Choice(
        choices=WINDOWS, allow_blank=True, required=False, help_text="Empty: the envelope's own window."
    )
    requested_tokens = fields.WholeNumber(min_value=-MOST_TOKENS, max_value=MOST_TOKENS, required=False)
    lasts_from = fields.Moment(allow_null=True, required=False)
    lasts_until = fields.Moment(allow_null=True, required=False)
    terms = fields.Object(required=False, help_text="New settings of a pool or policy.")
    justification = fields.LongText(max_length=LONGEST_TEXT, allow_blank=True, required=False)
    gain_edges = fields.PlainNumber(max_digits=18, decimal_places=6, min_value=0, allow_null=True, required=False)
    gain_by = fields.Moment(allow_null=True, required=False)


class FileProposal(Amend):
    """What is asked of the Senate. A draft may lack anything but the entity; `submit` puts it to the vote at once."""

    entity_type = fields.PlainText(max_length=64)
    entity_id = fields.PlainText()
    evidence = GiveEvidence(many=True, max_length=proposals.MOST_EVIDENCE, default=list)  # type: ignore[call-arg] # it makes a list
    submit = fields.Flag(default=False)


class Ask(fields.Body):
    """Pause and ask: the line and the amount follow from the refusal; `requested_tokens` asks for another amount."""

    requested_tokens = fields.WholeNumber(min_value=1, max_value=MOST_TOKENS, required=False)
    justification = fields.LongText(max_length=LONGEST_TEXT, allow_blank=True, required=False)
    gain_edges = fields.PlainNumber(max_digits=18, decimal_places=6, min_value=0, allow_null=True, required=False)
    gain_by = fields.Moment(allow_null=True, required=False)
    evidence = GiveEvidence(many=True, max_length=proposals.MOST_EVIDENCE, default=list)  # type: ignore[call-arg] # it makes a list
    submit = fields.Flag(default=False)


class Withdraw(fields.Body):
    """Why, for those who read it."""

    reason = fields.LongText(max_length=LONGEST_TEXT, allow_blank=True, default="")


class CastVote(fields.Body):
    """What a reviewer says and why. Approved is all that is asked unless an `amount` is named, in the line's unit.

    Who defers says until when, and which evidence would decide it (`wanted`).
    """

    choice = fields.Choice(choices=Vote.Choice.choices)
    reason = fields.LongText(max_length=LONGEST_TEXT)
    amount = fields.WholeNumber(min_value=1, max_value=MOST_TOKENS, allow_null=True, required=False)
    revisit_at = fields.Moment(allow_null=True, required=False)
    wanted = fields.LongText(max_length=LONGEST_TEXT, allow_blank=True, required=False)


class Reason(fields.Body):
    """Why."""

    reason = fields.LongText(max_length=LONGEST_TEXT)


class Confirm(Reason):
    """Why it is carried out all the same, and over what: `seen` is the `stands` of the proposal as it was read."""

    seen = fields.Object()


class ChangePolicy(fields.Body):
    """What to change of the Senate's policy, of which version, and why."""

    expected_version = fields.WholeNumber(min_value=1)
    reason = fields.PlainText(max_length=500)
    quorum = fields.WholeNumber(min_value=1, max_value=1000, required=False)
    voting_hours = fields.WholeNumber(min_value=1, max_value=8760, required=False)
    most_requested = fields.WholeNumber(min_value=1, max_value=MOST_TOKENS, required=False)


def given(evidence: list[dict[str, Any]]) -> list[proposals.Given]:
    """Return pieces of evidence as the rules take them."""
    return [proposals.Given(**one) for one in evidence]
