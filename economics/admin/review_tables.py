"""Reviews as tables that a person reads: what moves in each pool, by rule and by line, and what a day came to."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.site import table
from economics import rebalancing, review_totals, review_words
from economics.admin import figures
from economics.models import Review, ReviewLine, ReviewPool

POOL_HEADS: Final = (
    "In a window",
    "Lines",
    "May gain",
    "Before",
    "Freed",
    "Placed",
    "After",
    "Reserve",
    "Reserve after",
)
_LINE_HEADS: Final = ("Entity", "Line", "Rule", "Before", "After", "Change", "Why")
_RULES: Final = (
    ("reduce", "reduced", "Reduced", "lines whose ROI was low twice"),
    ("reclaim", "reclaimed", "Reclaimed", "lines that were idle"),
    ("gain", "gained", "Gained", "lines with a good ROI and a market weight above 0"),
    ("keep", "kept", "Kept", "lines that stay as they are"),
)
_ENVELOPES: Final = (
    ("capped", "Capped", "envelopes that no market weight lifts from now on"),
    ("released", "Released", "capped envelopes whose ROI is not low any more"),
    ("proven", "Proven", "envelopes whose ROI can be told"),
    ("envelopes", "Envelopes", "looked at"),
)
_COMPARED: Final = {"Freed": "freed", "Placed": "placed", "Reserve after": "reserve_after", "May gain": "gainers"}
_DAY: Final = (
    ("usd", "Spent", "USD that day"),
    ("usd_cap", "Cap of the fleet", "USD a day"),
    ("llm_tokens", "LLM tokens used", "that day"),
    ("unpriced_llm_tokens", "of these without a price", "they cost nothing until there is one"),
    ("events", "Uses recorded", "that day"),
    ("refused", "Reservations refused", "that day"),
    ("alerts", "Alerts raised", "that day"),
    ("frozen_by_the_check", "Envelopes frozen by checks", "when this was made"),
    ("frozen_by_a_person", "Envelopes frozen by people", "when this was made"),
)
_CHECK: Final = (
    ("raised", "Alerts raised", "by the check made just before this review"),
    ("rearmed", "Alerts armed again", "by that check"),
    ("frozen", "Envelopes frozen", "by that check"),
    ("lifted", "Freezes lifted", "by that check"),
)


def signed(amount: Decimal) -> str:
    """Return a change with its sign; nothing for none."""
    return f"{amount.normalize():+,f}" if amount else figures.NONE


def pools(found: Iterable[ReviewPool | rebalancing.Pool]) -> SafeString:
    """Return what moves in each pool."""
    rows = [
        (
            pool_title(pool),
            f"{pool.lines:,}",
            f"{pool.gainers:,}",
            figures.number(pool.before),
            signed(-pool.freed),
            signed(pool.placed),
            figures.number(pool.after),
            figures.number(pool.reserve_before),
            figures.number(pool.reserve_after),
        )
        for pool in found
    ]
    if not rows:
        return format_html("<p>{}</p>", "There is no line of LLM tokens with a ceiling in a day, week or month.")
    return table(POOL_HEADS, rows)


def types(found: Iterable[review_totals.OfType]) -> SafeString:
    """Return what moves by type of entity."""
    rows = [
        (
            one.entity_type,
            pool_title(one),
            f"{one.lines:,}",
            f"{one.moved:,}",
            figures.number(one.before),
            signed(-one.freed),
            signed(one.placed),
            figures.number(one.after),
        )
        for one in found
    ]
    heads = ("Type of entity", "In a window", "Lines", "Move", "Before", "Freed", "Placed", "After")
    return table(heads, rows, frozenset({1}))


def pool_title(pool: ReviewPool | rebalancing.Pool | review_totals.OfType) -> str:
    """Return tier and window."""
    return " ".join(part for part in (pool.qualifier, f"per {pool.window_kind}") if part)


def moved(found: Iterable[ReviewPool | rebalancing.Pool]) -> str:
    """Return in words what is taken and given, window by window; tiers where they move."""
    told = [
        f"{pool_title(pool)}: {figures.number(pool.freed)} freed, {figures.number(pool.placed)} placed"
        for pool in found
        if pool.freed or pool.placed
    ]
    return "; ".join(told) or "nothing"


def counts(found: Mapping[str, Any], *, review: Review | None = None) -> SafeString:
    """Return how many lines each rule fires on, leading to them when they are those of a review."""
    rows = [(title, _led(f"{found[name]:,}", review, rule__exact=rule), why) for rule, name, title, why in _RULES]
    rows += [(title, f"{found[name]:,}", why) for name, title, why in _ENVELOPES]
    rows.append(("Largest step", f"{Decimal(found['largest_step']):.1%}", "of a line's base"))
    return table(("Rule", "Number", "What it counts"), rows, frozenset({2}))


def pools_beside(present: Iterable[rebalancing.Pool], changed: Iterable[rebalancing.Pool]) -> SafeString:
    """Return what moves in each pool now and then, a column of each beside the other."""
    heads = ("In a window", *(f"{what}, {when}" for what in _COMPARED for when in ("now", "then")))
    then = {(pool.window_kind, pool.qualifier): pool for pool in changed}
    rows = [
        (
            pool_title(pool),
            *(
                figure
                for name in _COMPARED.values()
                for figure in _two(getattr(pool, name), getattr(then[pool.window_kind, pool.qualifier], name))
            ),
        )
        for pool in present
    ]
    return table(heads, rows)


def counts_beside(present: rebalancing.Counts, changed: rebalancing.Counts) -> SafeString:
    """Return how many lines each rule fires on, now and then."""
    rows = [(title, *_two(getattr(present, name), getattr(changed, name)), why) for _rule, name, title, why in _RULES]
    rows += [(title, *_two(getattr(present, name), getattr(changed, name)), why) for name, title, why in _ENVELOPES]
    step = f"{changed.largest_step:.1%}"
    rows.append(("Largest step", f"{present.largest_step:.1%}", step, "of a line's base"))
    return table(("Rule", "Now", "Then", "What it counts"), rows, frozenset({3}))


def _two(now: Decimal | int, then: Decimal | int) -> tuple[str, str | SafeString]:
    """Return two figures, the second marked where it differs."""
    told = figures.number(then)
    return figures.number(now), told if now == then else format_html("<strong>{}</strong>", told)


def _led(text: str, review: Review | None, **query: str) -> str | SafeString:
    return text if review is None else format_html('<a href="{}">{}</a>', lines_address(review, **query), text)


def lines_address(review: Review, **query: str) -> str:
    """Return the address of the list of a review's lines."""
    asked = urlencode({"review__id__exact": review.pk, **query})
    return f"{reverse('admin:economics_reviewline_changelist')}?{asked}"


def lines(found: Iterable[ReviewLine], *, led: bool = True) -> SafeString:
    """Return lines with what becomes of them and why, in words; `led` leads to each line's own page."""
    rows = [
        (
            format_html(
                '<a href="{}">{}</a>', reverse("admin:economics_envelope_change", args=[one.envelope_id]), one.envelope
            ),
            title(one),
            _to(one) if led else rule(one),
            figures.number(one.before),
            figures.number(one.after),
            signed(one.after - one.before),
            review_words.reason(one),
        )
        for one in found
        if one.moves
    ]
    if not rows:
        return format_html("<p>{}</p>", "No line moves.")
    return table(_LINE_HEADS, rows, frozenset({1, 2, 6}))


def of_entity(found: Iterable[ReviewLine]) -> SafeString:
    """Return what reviews made of the lines of one entity, the newest first; each row leads to its review."""
    rows = [
        (
            format_html(
                '<a href="{}">{}</a>',
                reverse("admin:economics_review_change", args=[one.review_id]),
                f"{one.review.period}, {one.review.state}",
            ),
            title(one),
            _to(one),
            figures.number(one.before),
            figures.number(one.after),
            signed(one.after - one.before),
            review_words.reason(one),
        )
        for one in found
    ]
    return table(("Week of", *_LINE_HEADS[1:]), rows, frozenset({1, 2, 6}))


def _to(line: ReviewLine) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("admin:economics_reviewline_change", args=[line.pk]), rule(line))


def title(line: ReviewLine) -> str:
    """Return tier and window of a line; all are of LLM tokens."""
    return " ".join(part for part in (line.line.qualifier, f"per {line.line.window_kind}") if part)


def rule(line: ReviewLine) -> str:
    """Return the rule, and the state of the envelope where it changes."""
    return line.rule if line.state_before == line.state_after else f"{line.rule}, {line.state_after}"


def judged_by(line: ReviewLine) -> SafeString:
    """Return every figure that a line was judged by, each with what it is."""
    lies, lay = ("below it" if low else "not below it" for low in (line.is_low, line.was_low))
    rows = (
        ("Before", figures.number(line.before), "LLM tokens in a window"),
        ("After", figures.number(line.after), f"at most {line.step:.0%} away, and not taken below {line.floor:,f}"),
        ("Net edges", figures.number(line.edges), "over the days that ROI looks back"),
        ("LLM tokens used", figures.number(line.tokens), "in the same days"),
        ("ROI", review_words.roi(line.roi), "net edges per million LLM tokens, pulled towards the yield of its type"),
        ("Low quantile", review_words.roi(line.low_below), f"of its type: {lies}; in the review before {lay}"),
        ("Good quantile", review_words.roi(line.good_from), "of the ROI of its type"),
        ("Judged", f"{line.judged:,}", "entities of its type with a proven ROI"),
        ("Priority score", figures.number(line.priority_score), "what gains are shared by"),
        ("Market weight", figures.number(line.market_weight), "above 0 for a gain"),
        ("Used last", review_words.share(line.used_last), "of its base, in the last full window"),
        ("Used before", review_words.share(line.used_before), "of its base, in the one before"),
    )
    return table(("Figure", "Number", "What it is"), rows, frozenset({2}))


def day(found: Mapping[str, Any]) -> SafeString:
    """Return what a day came to."""
    rows = [(title, _figure(found.get(name)), unit) for name, title, unit in _DAY]
    check = found.get("check", {})
    rows += [(title, _figure(check.get(name)), who) for name, title, who in _CHECK]
    return table(("Figure", "Number", ""), rows, frozenset({2}))


def spent_most(found: Mapping[str, Any]) -> SafeString:
    """Return who spent most in a day."""
    most = found.get("spent_most", [])
    if not most:
        return format_html("<p>{}</p>", "Nobody used anything that day.")
    rows = [(one["entity"], _figure(one["usd"]), _figure(one["llm_tokens"])) for one in most]
    return table(("Entity", "USD", "LLM tokens"), rows)


def exact(value: object) -> Decimal | None:
    """Return a figure of a review's record, which is text or a number."""
    return None if value is None else Decimal(str(value))


def _figure(value: object) -> str:
    return figures.number(exact(value))
