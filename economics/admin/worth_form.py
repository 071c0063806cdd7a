"""The form by which people put a new version of the policy of worth in force."""

from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from economics import scoring, worth_policy
from economics.models import WorthPolicy

_REVIEWS: Final = ("review_step", "floor_tokens", "fewest_judged", "low_quantile", "good_quantile", "idle_share")
_AUTO: Final = ("auto_apply", "auto_most_step", "auto_most_share")
_POINTS: Final = tuple(f"{kind}_points" for kind in (*scoring.EVIDENCE, *scoring.INTEREST))
_EDGES: Final = ("paper_edges", "hypothesis_edges", "artifact_edges")
GROUPS: Final = (
    ("Scores: the weights of their components, which sum to 1", scoring.WEIGHTS),
    ("Scores: what counts as evidence", (*_POINTS[:4], "evidence_scale")),
    ("Scores: what counts as interest", (*_POINTS[4:], "interest_scale")),
    ("The market", ("gain", "half_life_days", "most_daily_step", "score_threshold")),
    ("ROI", ("roi_days", "roi_prior_tokens", "roi_fewest_tokens", *_EDGES)),
    ("Weekly reviews", _REVIEWS),
    ("Reviews that apply by themselves", _AUTO),
)
_BOUNDS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys((*_POINTS, *_EDGES), ("0", "1000")),
    **dict.fromkeys(("evidence_scale", "interest_scale"), ("0.001", "100000")),
    **dict.fromkeys((*scoring.WEIGHTS, "gain", "most_daily_step", "score_threshold", *_AUTO[1:]), ("0", "1")),
    **dict.fromkeys(("low_quantile", "good_quantile", "idle_share"), ("0", "1")),
    **dict.fromkeys(("roi_prior_tokens", "floor_tokens"), ("0", "1e15")),
    "half_life_days": ("0.01", "365"),
    "roi_days": ("1", "366"),
    "roi_fewest_tokens": ("1", "1e15"),
    "review_step": ("0", "0.5"),
    "fewest_judged": ("1", "1e9"),
}


class WorthPolicyForm(forms.Form):
    """All terms, as they are in force until they are changed here; why; and which version its author saw."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record.")
    saw = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *given: Any, present: WorthPolicy, **named: Any) -> None:
        """Fill in what is in force, and bound each number as its law does."""
        terms = worth_policy.terms(present).items()
        plain = {name: Decimal(f"{v.normalize():f}") if isinstance(v, Decimal) else v for name, v in terms}
        super().__init__(*given, **{"initial": {**plain, "saw": present.version}, **named})
        self.present = present
        # Not a form of the model: that would name the laws, which `clean` puts in words.
        self.fields = {**forms.fields_for_model(WorthPolicy, worth_policy.TERMS), **self.fields}
        for name, (least, most) in _BOUNDS.items():
            field = self.fields[name]
            field.validators += [MinValueValidator(Decimal(least)), MaxValueValidator(Decimal(most))]
            field.help_text = f"{field.help_text} {plain_number(Decimal(least))} to {plain_number(Decimal(most))}."
        for name, field in self.fields.items():
            field.label = label(name)

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the terms by subject."""
        return [(title, [self[name] for name in names]) for title, names in GROUPS]

    def clean(self) -> dict[str, Any]:
        """Refuse what the laws of the policy would refuse, in words, and a version that is not in force any more."""
        chosen = self.cleaned_data
        weights = [chosen[name] for name in scoring.WEIGHTS if name in chosen]
        if len(weights) == len(scoring.WEIGHTS) and sum(weights) != 1:
            told = " + ".join(plain_number(weight) for weight in weights)
            self.add_error(None, f"The four weights sum to 1; these sum to {told} = {plain_number(sum(weights))}.")
        if chosen.get("low_quantile", 0) > chosen.get("good_quantile", 1):
            self.add_error("low_quantile", "The quantile below which an ROI is low cannot lie above the good one.")
        if "saw" in chosen and chosen["saw"] != self.present.version:
            self.add_error(None, "Somebody changed the policy while you looked; begin again from what is in force now.")
        return chosen

    def changes(self) -> dict[str, Any]:
        """Return the terms that differ from those in force."""
        return {name: self.cleaned_data[name] for name in worth_policy.TERMS if name in self.changed_data}


def label(term: str) -> str:
    """Return the name of a term as people read it."""
    words = term.replace("_", " ").replace("roi", "ROI").replace("kg", "KG")
    return words[:1].upper() + words[1:]


def plain_number(number: Decimal) -> str:
    """Return a number without trailing zeros, thousands set apart."""
    return f"{number.normalize():,f}"
