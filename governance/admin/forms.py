"""What people fill in before the Senate: a proposal, its evidence, a vote, a confirmation."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from django import forms

from config.errors import RefusedError
from governance import bulk_votes, claims, errors, measures, queue
from governance.admin import words
from governance.models import Evidence, Proposal, Vote

FILED: Final = (
    *("measure", "entity_type", "entity_id", "resource_type", "qualifier", "window_kind", "requested_tokens"),
    *("lasts_from", "lasts_until", "terms", "justification", "gain_edges", "gain_by"),
)
_MOMENTS: Final = ("lasts_from", "lasts_until", "gain_by")
_NEEDED: Final = frozenset({"measure", "entity_type", "entity_id"})
_LONG: Final = {"rows": 6, "cols": 80}
_BETWEEN: Final = re.compile(r"[\s,;]+")


def take(form: forms.Form | forms.ModelForm[Any], refusal: RefusedError) -> None:
    """Turn a refusal of a rule into an error of the field that its pointer names, else of the form."""
    faults = refusal.missing if isinstance(refusal, errors.IncompleteProposalError) else []
    for sentence, pointer in [(one.sentence, one.pointer) for one in faults] or [(refusal.detail, refusal.pointer)]:
        form.add_error(_field(form, pointer), sentence)


def _field(form: forms.Form | forms.ModelForm[Any], pointer: str) -> str | None:
    """Return the field that a pointer names: parts of a claim are fields named after the kind of evidence, too."""
    parts = pointer.strip("/").split("/")
    if parts[0] == "claim" and len(parts) > 1:
        parts[0] = f"{form.data.get('kind', '')}__{parts[1]}"
    return parts[0] if parts[0] in form.fields else None


class ProposalForm(forms.ModelForm[Proposal]):
    """What is asked of the Senate. The rules judge it: `proposals.file` and `amend`."""

    class Meta:
        """What a person fills in."""

        model = Proposal
        fields = FILED
        widgets = {
            "measure": forms.Select(choices=Proposal.Measure.choices),
            "entity_type": forms.TextInput(attrs={"class": "vTextField", "list": "entity-types"}),
            "entity_id": forms.TextInput(attrs={"class": "vTextField"}),
            "resource_type": forms.Select(choices=list(words.CLASSES.items())),
            "qualifier": forms.TextInput(attrs={"class": "vTextField"}),
            "window_kind": forms.Select(choices=words.WINDOWS),
            "terms": forms.Textarea(attrs={"rows": 3, "cols": 80}),
            "justification": forms.Textarea(attrs=_LONG),
            **{
                name: forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
                for name in _MOMENTS
            },
        }
        labels = {
            "entity_type": "Entity type",
            "entity_id": "Entity id",
            "resource_type": "Class",
            "qualifier": "Tier or provider",
            "window_kind": "Window",
            "requested_tokens": "Change by",
            "lasts_from": "Grant from (UTC)",
            "lasts_until": "Grant until (UTC)",
            "terms": "New settings",
            "justification": "Why",
            "gain_edges": "Expected gain",
            "gain_by": "Gain expected by (UTC)",
        }
        help_texts = {
            "entity_type": "hypothesis, knowledge_gap, analysis, quest, agent…; a pool or a policy is named by the "
            "type pool or policy.",
            "entity_id": "The entity's id; the pool's name; worth or senate for a policy.",
            "qualifier": "Empty: the class as a whole.",
            "requested_tokens": "In the unit of the class, for each window; negative lowers. A grant adds.",
            "terms": 'JSON, by the names of the settings: {"reserve_tokens": 5} or {"quorum": 3}.',
            "justification": "What it is for and what it would change. Plain text; line breaks are kept.",
            "gain_edges": "Net edges of the world model that it is to bring.",
        }

    def __init__(self, *given: Any, **named: Any) -> None:
        """Ask for no more than a draft must have: what is missing is said when it is submitted."""
        super().__init__(*given, **named)
        for name, field in self.fields.items():
            field.required = name in _NEEDED

    def clean(self) -> dict[str, Any]:
        """Leave out what the measure chosen does not take, so that nothing hidden is sent; nothing is a default."""
        chosen = super().clean() or self.cleaned_data
        unused = UNUSED.get(chosen.get("measure", ""), ())
        for name in chosen:
            if name in unused or chosen[name] is None:
                column: Any = Proposal._meta.get_field(name)  # noqa: SLF001 - public
                chosen[name] = column.get_default()
        return chosen

    def _post_clean(self) -> None:
        """Let no rule of the model speak here: those of the Senate do, in words."""

    def asked(self) -> dict[str, Any]:
        """Return the terms as they were filled in."""
        return {name: self.cleaned_data[name] for name in FILED if name in self.cleaned_data}


_LINE: Final = ("resource_type", "qualifier", "window_kind", "requested_tokens")
_TIMES: Final = ("lasts_from", "lasts_until")
# What each measure does not take; its form does not show them either.
UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    "change_line": (*_TIMES, "terms"),
    "grant": ("terms",),
    "freeze": (*_LINE, *_TIMES, "terms"),
    "unfreeze": (*_LINE, *_TIMES, "terms"),
    "pool": (*_LINE, *_TIMES),
    "policy": (*_LINE, *_TIMES),
}


class EvidenceForm(forms.Form):
    """A piece of evidence of one kind: the page shows the fields of the kind that is chosen."""

    kind = forms.ChoiceField(choices=Evidence.Kind.choices)
    url = forms.CharField(
        required=False,
        max_length=claims.LONGEST_URL,
        label="Address",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Where it can be read: http or https. A benchmark needs one.",
    )
    note = forms.CharField(
        required=False,
        max_length=claims.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For the reader.",
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        """Offer the parts of every kind, each named after its kind."""
        super().__init__(*given, **named)
        for kind, shape in claims.SHAPES.items():
            for place, part in enumerate(shape.parts):
                field = _part(part)
                field.help_text = part.says if place else f"{part.says} {shape.says}"
                self.fields[f"{kind}__{part.name}"] = field
        self.order_fields(["kind", *(name for name in self.fields if "__" in name), "url", "note"])

    def clean(self) -> dict[str, Any]:
        """Read the claim of the kind that is chosen, as the rules of evidence read it."""
        chosen = super().clean() or self.cleaned_data
        kind = chosen.get("kind", "")
        chosen["claim"] = claim = {}
        for part in claims.SHAPES[kind].parts if kind in claims.SHAPES else ():
            given = chosen.get(f"{kind}__{part.name}")
            if part.name == "pmids":
                given = [pmid for pmid in _BETWEEN.split(given or "") if pmid]
            if given not in ("", None, []):
                claim[part.name] = given
        try:
            claims.checked(kind, claim, note=chosen.get("note", ""), url=chosen.get("url", ""))
        except RefusedError as refusal:
            take(self, refusal)
        return chosen


def _part(part: claims.Part) -> forms.Field:
    """Return the field of a part of a claim: a list of PMIDs, yes or no, or a text that the rules read."""
    label = part.name.replace("_", " ").capitalize().replace("Pmids", "PMIDs")
    if part.kept is True:
        return forms.BooleanField(required=False, initial=True, label=label)
    if part.name == "pmids":
        return forms.CharField(required=False, label=label, widget=forms.Textarea(attrs={"rows": 2}))
    return forms.CharField(required=False, label=label)


LESS: Final = "less"  # an approval that names its amount


class VoteForm(words.ReasonForm):
    """What a reviewer says: approve all or less, reject, or defer."""

    choice = forms.ChoiceField(
        choices=[("approve", "Approve"), (LESS, "Approve less"), ("reject", "Reject"), ("defer", "Defer")],
        widget=forms.RadioSelect,
        label="Your vote",
    )
    amount = forms.IntegerField(
        required=False, label="So much", widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
    )
    revisit_at = forms.DateField(
        required=False,
        label="Comes back on",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="At 00:00 UTC of that day it is voted on again. At most a year ahead.",
    )
    wanted = forms.CharField(
        required=False,
        label="Evidence wanted",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The evidence that would decide it.",
    )
    field_order = ("choice", "amount", "revisit_at", "wanted", "reason")

    def offer(self, proposal: Proposal, requested: int) -> None:
        """Ask for an amount only where a part can be granted, and say what the whole is."""
        if proposal.measure in measures.AMOUNTS and requested > 1:
            way = "lowering" if proposal.requested_tokens < 0 else "raising"
            field = cast("forms.IntegerField", self.fields["amount"])
            field.help_text = f"1 to {requested - 1:,}, {way} {words.line(proposal)}."
        else:
            self.offer_no_part()

    def offer_no_part(self) -> None:
        """Offer approval of the whole only."""
        choice = cast("forms.ChoiceField", self.fields["choice"])
        choice.choices = [one for one in _choices(choice) if one[0] != LESS]
        del self.fields["amount"]

    def clean(self) -> dict[str, Any]:
        """Refuse a vote that says two things: all of it, and a part."""
        chosen = super().clean() or self.cleaned_data
        amount, choice = chosen.get("amount"), chosen.get("choice")
        if choice == LESS and amount is None and not self.has_error("amount"):
            self.add_error("amount", "Say how much you approve.")
        elif choice == Vote.Choice.APPROVE and amount is not None:
            self.add_error("amount", "You approve all of it. To approve so much, choose “Approve less”.")
        return chosen

    def said(self) -> dict[str, Any]:
        """Return the vote as the rule takes it: what belongs to another choice is left out."""
        chosen, choice = self.cleaned_data, self.cleaned_data["choice"]
        defers = choice == Vote.Choice.DEFER
        day = chosen.get("revisit_at") if defers else None
        moment = None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
        return {
            "choice": Vote.Choice.APPROVE.value if choice == LESS else choice,
            "reason": chosen["reason"],
            "amount": chosen.get("amount") if choice == LESS else None,
            "revisit_at": moment,
            "wanted": chosen.get("wanted", "") if defers else "",
        }


def _choices(field: forms.ChoiceField) -> list[tuple[str, str]]:
    """Return what a field offers."""
    return [(str(value), str(text)) for value, text in cast("Iterable[tuple[str, str]]", field.choices)]


class BulkVoteForm(VoteForm):
    """One vote on several proposals, and what the reviewer was shown of each: its ballot, and what stood."""

    seen = forms.JSONField(widget=forms.HiddenInput)

    def __init__(self, *given: Any, **named: Any) -> None:
        """Offer approval of the whole only: a part of one is no part of another."""
        super().__init__(*given, **named)
        self.offer_no_part()

    def clean_seen(self) -> dict[int, bulk_votes.Seen]:
        """Return what was seen, by proposal."""
        told = self.cleaned_data["seen"]
        try:
            return {int(pk): bulk_votes.Seen(int(ballot), dict(stands)) for pk, (ballot, stands) in told.items()}
        except (AttributeError, TypeError, ValueError) as error:
            message = "Choose the proposals once more."
            raise forms.ValidationError(message) from error

    @staticmethod
    def shown(items: Iterable[queue.Waiting]) -> dict[str, Any]:
        """Return what is shown of these, for the form to carry."""
        return {str(one.proposal.pk): [one.ballot.pk, one.stands] for one in items}


class ConfirmForm(words.ReasonForm):
    """Why it should stand over a base that moved, and the base that the reviewer was shown."""

    seen = forms.JSONField(widget=forms.HiddenInput)


class WithdrawForm(words.ReasonForm):
    """Why a proposal is taken back, if the proposer says."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Ask, without insisting."""
        super().__init__(*given, **named)
        self.fields["reason"].required = False


class PieceField(forms.ModelChoiceField[Evidence]):
    """A choice among pieces of evidence, each told in words."""

    def label_from_instance(self, obj: Evidence) -> str:
        """Return number, kind and the beginning of the claim."""
        return f"No. {obj.pk}: {obj} {words.short(words.told(obj.claim))}"


class DetachForm(forms.Form):
    """Which piece of evidence is taken back."""

    piece = PieceField(Evidence.objects.none(), empty_label=None)

    def offer(self, proposal: Proposal) -> None:
        """Offer the pieces that the proposal stands on."""
        field = cast("PieceField", self.fields["piece"])
        field.queryset = Evidence.objects.filter(proposal=proposal, withdrawn_at=None).order_by("pk")
