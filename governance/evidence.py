"""Evidence: what a proposal stands on, checked in form, and in fact where the system itself has the facts."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import transaction

from economics import market, observations, outcomes, returns
from governance import claims, errors
from governance.models import Evidence

GAP: Final = "knowledge_gap"  # the type of entity that a gap is
NEAR: Final = Decimal("0.02")  # how far above the market a claimed confidence may lie
SHARE: Final = Decimal("0.9")  # of a claimed yield that must be found
_TOLD: Final = 5  # of many PMIDs
_State = Evidence.Check


class Found(NamedTuple):
    """What the system found of a claim: a value of `Evidence.Check`, a sentence, and the figures (jsonb-able)."""

    state: str
    says: str
    figures: dict[str, Any]


class _About(NamedTuple):
    """What a look is about: the entity, the claim as it is kept, its address, and the moment."""

    entity_type: str
    entity_id: str
    claim: Mapping[str, Any]
    url: str
    now: datetime


def is_in_form(row: Evidence) -> bool:
    """Tell whether a row is evidence of a typed kind, in the form of its kind; another program may write any."""
    if row.kind == Evidence.Kind.NOTE:
        return False
    try:
        claims.checked(row.kind, row.claim, note=row.note, url=row.url)
    except errors.InvalidEvidenceError:
        return False
    return True


def look(  # noqa: PLR0913 - a claim has this many parts
    entity_type: str, entity_id: str, kind: str, claim: Mapping[str, Any], *, now: datetime, url: str = ""
) -> Found:
    """Return what the system itself knows of a claim about an entity now. It only reads, in one or two statements.

    `holds`: the record says the same. `partly`: some of it, or something like it. `contradicted`: the record says
    otherwise. `unknown`: nothing here can tell; so are notes, and claims that another program wrote out of form.
    """
    if kind == Evidence.Kind.NOTE:
        return Found(_State.UNKNOWN, "A note: nothing to look up.", {})
    try:
        kept = claims.kept(kind, claim)
    except errors.InvalidEvidenceError as refusal:
        return Found(_State.UNKNOWN, f"Not in the form of its kind: {refusal.detail}", {})
    return _LOOKS[kind](_About(entity_type, entity_id, kept, url, now))


@transaction.atomic
def check(proposal_id: int, *, now: datetime) -> None:
    """Look at all evidence of a proposal that was not taken back, and write down what was found, and when.

    Whoever calls it holds the proposal (`proposals.locked`), whose list of evidence follows these rows.
    """
    rows = list(
        Evidence.objects.filter(proposal=proposal_id, withdrawn_at=None)
        .select_related("proposal")
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )
    for row in rows:
        on = row.proposal
        found = look(on.entity_type, on.entity_id, row.kind, row.claim, now=now, url=row.url)
        row.check_state, row.check_says, row.check_found, row.checked_at = *found, now
    Evidence.objects.bulk_update(rows, ["check_state", "check_says", "check_found", "checked_at"])


def _pmids(about: _About) -> Found:
    pmids = about.claim["pmids"]
    known = observations.papers(about.entity_type, about.entity_id, pmids)
    found, taken_back, elsewhere = ([p for p in pmids if known.get(p) == one] for one in observations.Known)
    missing = [p for p in pmids if p not in known]
    figures = {"found": found, "withdrawn": taken_back, "elsewhere": elsewhere, "missing": missing}
    said = [f"{len(found)} of {len(pmids)} on record as papers of this entity."]
    if taken_back:
        said.append(f"Withdrawn: {_listed(taken_back)}.")
    if elsewhere:
        said.append(f"On record for another entity only: {_listed(elsewhere)}.")
    if missing:
        said.append(f"Not on record here: {_listed(missing)}.")
    state = _State.HOLDS if len(found) == len(pmids) else _State.PARTLY if found else _State.UNKNOWN
    return Found(_State.CONTRADICTED if taken_back else state, " ".join(said), figures)


def _listed(pmids: list[str]) -> str:
    more = len(pmids) - _TOLD
    return ", ".join(pmids[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _confidence(about: _About) -> Found:
    claimed = Decimal(about.claim["confidence"])
    said = market.said(about.entity_type, about.entity_id, now=about.now)
    if not said.signals:
        return Found(_State.UNKNOWN, "No signals on this entity are on record.", {"signals": 0})
    confidence = round(said.confidence, 4)
    figures = {"signals": said.signals, "confidence": _plain(confidence), "claimed": _plain(claimed)}
    state = _State.HOLDS if said.confidence >= claimed - NEAR else _State.CONTRADICTED
    says = f"The market says {_plain(confidence)} by {_counted(said.signals, 'signal')}; claimed {_plain(claimed)}."
    return Found(state, says, figures)


def _yield(about: _About) -> Found:
    edges, tokens, days = Decimal(about.claim["edges"]), about.claim["tokens"], about.claim["days"]
    found = returns.yielded(about.entity_type, about.entity_id, days=days, now=about.now)
    when = f"from {found.first_day} to {found.last_day} (whole days)"
    if found.edges is None and not found.tokens:
        return Found(_State.UNKNOWN, f"Nothing on record {when}.", {})
    gained = found.edges or Decimal(0)
    figures = {"edges": _plain(gained), "tokens": _plain(found.tokens)}
    figures |= {"first_day": str(found.first_day), "last_day": str(found.last_day)}
    if not found.tokens:
        return Found(_State.UNKNOWN, f"No LLM tokens on record {when}, and {gained:+,.6g} net edges.", figures)
    # The quotients are compared by their cross products, which are exact.
    state = _State.HOLDS if gained * tokens >= SHARE * edges * found.tokens else _State.CONTRADICTED
    figures |= {"edges_per_million": _per_million(gained, found.tokens)}
    figures |= {"claimed_per_million": _per_million(edges, Decimal(tokens))}
    says = (
        f"{_plain(gained)} net edges by {found.tokens:,.0f} LLM tokens {when}: {figures['edges_per_million']} per "
        f"million; claimed {figures['claimed_per_million']}."
    )
    return Found(state, says, figures)


def _per_million(edges: Decimal, tokens: Decimal) -> str:
    return _plain(round(edges * 1_000_000 / tokens, 3))


def _benchmark(about: _About) -> Found:
    named = about.claim["benchmark"]
    points = outcomes.points(about.entity_type, about.entity_id, [named, about.url])
    figures = {"points": [_plain(one) for one in points]}
    value = Decimal(about.claim["value"])
    if not points:
        return Found(_State.UNKNOWN, f"No artifact of this name or address is graded here: {named}.", figures)
    if not any(points):
        return Found(_State.CONTRADICTED, "What graders recorded of it was taken back.", figures)
    said = f"Graded here with {', '.join(_plain(one) for one in points[-_TOLD:])}; claimed {_plain(value)}."
    return Found(_State.HOLDS if value in points else _State.PARTLY, said, figures)


def _gap(about: _About) -> Found:
    gap = about.claim["gap"]
    total = outcomes.totals(GAP, gap, until=about.now)
    if not total.outcomes:
        return Found(_State.UNKNOWN, f"Nothing came of the gap {gap} on record.", {"outcomes": 0})
    figures = {"outcomes": total.outcomes, "edges": _plain(total.edges), "hypotheses": _plain(total.hypotheses)}
    says = (
        f"On record of the gap: {_plain(total.edges)} net edges, {_plain(total.hypotheses)} improved hypotheses. "
        "How far it is resolved nobody measures here."
    )
    is_progress = total.edges > 0 or total.hypotheses > 0
    return Found(_State.PARTLY if is_progress else _State.CONTRADICTED, says, figures)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s'[: number != 1]}"


_LOOKS: Final[Mapping[str, Callable[[_About], Found]]] = {
    Evidence.Kind.NEW_PMIDS: _pmids,
    Evidence.Kind.MARKET_CONFIDENCE: _confidence,
    Evidence.Kind.KG_YIELD: _yield,
    Evidence.Kind.BENCHMARK_RESULT: _benchmark,
    Evidence.Kind.GAP_RESOLUTION: _gap,
}
