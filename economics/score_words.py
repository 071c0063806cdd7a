"""Why a score is what it is, in sentences that a person can check."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from economics import scoring
from economics.models import Assessment, Score, WorthPolicy

_TITLES: Final = ("Evidence", "Novelty", "Strategic alignment", "Community interest")
_PLURALS: Final = {
    "paper": "papers",
    "debate": "debates",
    "replication": "replications",
    "kg_link": "links in the knowledge graph",
    "vote": "votes",
    "comment": "comments",
    "bounty": "bounties",
}
_SINGULARS: Final = {"kg_link": "link in the knowledge graph"}
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_SCALES: Final = {"evidence_strength": "evidence_scale", "community_interest": "interest_scale"}


def explain(score: Score) -> list[str]:
    """Return the score in sentences: one for each component, then their sum."""
    (sentences,) = explain_many([score])
    return sentences


def explain_many(scores: Sequence[Score], *, named: bool = True) -> list[list[str]]:
    """Return many scores in sentences, in their order, with two queries for all of them.

    Unless `named`, who judged stays unsaid.
    """
    policies = WorthPolicy.objects.in_bulk({score.policy_id for score in scores})
    parts = [part for score in scores for part in score.inputs.values()]
    judged = Assessment.objects.in_bulk({part["assessment"] for part in parts if part["from"] == "given"})
    words = {pk: _given(one, named=named) for pk, one in judged.items()}
    return [_sentences(score, policies[score.policy_id], words) for score in scores]


def _sentences(score: Score, policy: WorthPolicy, judged: Mapping[int, str]) -> list[str]:
    found, terms = [], []
    for title, component, weight in zip(_TITLES, scoring.COMPONENTS, scoring.WEIGHTS, strict=True):
        value, share, part = getattr(score, component), getattr(score, weight), score.inputs[component]
        if value is None:
            found.append(f"{title} is missing: nothing speaks for it, so it counts 0.")
            continue
        why = judged[part["assessment"]] if part["from"] == "given" else _observed(component, part, policy)
        found.append(f"{title} {plain(value)} {_TIMES} {plain(share)} = {plain(value * share)}: {why}")
        terms.append(plain(value * share))
    whole = f"{' + '.join(terms)} = " if len(terms) > 1 else ""
    return [
        *found,
        f"Score {whole}{plain(score.score)}, by {policy} of the policy of worth, {score.at:%Y-%m-%d %H:%M} UTC.",
    ]


def _given(one: Assessment, *, named: bool) -> str:
    judge = f"as {one.assessed_by} judged it" if named else "as judged"
    return f"{judge} on {one.at:%Y-%m-%d}: {one.reason}"


def _observed(component: str, part: Mapping[str, Any], policy: WorthPolicy) -> str:
    """Return what was counted, what it is worth and the function that makes a share of it."""
    counted = ", ".join(_count(kind, part[kind], policy) for kind in _PLURALS if part.get(kind))
    points, scale = plain(Decimal(str(part["points"]))), plain(getattr(policy, _SCALES[component]))
    noun = "point" if points == "1" else "points"
    return f"{counted}: {points} {noun} in all, 1 - exp(-{points} / {scale})."


def _count(kind: str, number: int, policy: WorthPolicy) -> str:
    word = _SINGULARS.get(kind, kind) if number == 1 else _PLURALS[kind]
    return f"{number:,} {word} at {plain(getattr(policy, f'{kind}_points'))}"


def plain(number: Decimal) -> str:
    """Return a number without trailing zeros."""
    return f"{number.normalize():f}"
