"""What a new house needs before anything can be spent or sold, and what of it is there already."""

from typing import Final, NamedTuple

from django.core.cache import cache
from django.db.models import Count, Exists, Subquery, Value
from django.http import HttpRequest
from django.urls import reverse

from auction import quests
from config.models import AgentKey, User
from economics import overview
from governance import ballots
from governance.models import SenatePolicy

_BEGUN: Final = "house:begun"
_REMEMBERED: Final = 3600


class Step(NamedTuple):
    """A thing to do, why, and where; `link` is empty for who may not do it."""

    title: str
    why: str
    link: str
    is_done: bool


def left(request: HttpRequest) -> list[Step]:
    """Return the steps of a new house, done or not; none once all are done, or for who could do none of them."""
    if cache.get(_BEGUN):
        return []
    rights = [right for _title, _why, _page, right in _STEPS]
    if not any(request.user.has_perm(right) for right in rights):
        return []
    done = _done()
    if all(done):
        cache.set(_BEGUN, True, _REMEMBERED)  # noqa: FBT003 - Django's
        return []
    return [
        Step(title, why, reverse(page) if request.user.has_perm(right) else "", is_done)
        for (title, why, page, right), is_done in zip(_STEPS, done, strict=True)
    ]


_STEPS: Final = (
    (
        "Enter what models cost",
        "No call is admitted on a model without a price.",
        "admin:economics_price_changelist",
        "economics.add_price",
    ),
    (
        "Cap what the fleet may spend in a day",
        "No cap binds the fleet as a whole as it is delivered.",
        "admin:economics_budgetpolicy_changelist",
        "economics.change_budgetpolicy",
    ),
    (
        "Give envelopes",
        "To an entity, or to its type by default: who has none is refused.",
        "admin:economics_envelope_changelist",
        "economics.add_envelope",
    ),
    (
        "Name the reviewers",
        "As many as the quorum, or no proposal can pass.",
        "admin:config_user_changelist",
        "config.change_user",
    ),
    (
        "Give agents their keys",
        "Agents ask, report and bid over the API.",
        "admin:config_agent_changelist",
        "config.add_agentkey",
    ),
    (
        "Open a quest and file its backlog",
        "Quests bid for slots by themselves.",
        "admin:auction_quest_changelist",
        "auction.add_quest",
    ),
)


def _done() -> tuple[bool, ...]:
    """Return which of the steps are done, in their order."""
    books = overview.begun()
    return (
        books.has_prices,
        books.has_cap,
        books.has_envelopes,
        *_people_and_keys(),
        quests.are_open(),
    )


def _people_and_keys() -> tuple[bool, bool]:
    """Tell whether there are as many reviewers as the quorum, and any key; in one query."""
    reviewers = User.objects.with_perm(ballots.RIGHT, include_superusers=False).filter(is_staff=True)
    counted = reviewers.order_by().values(all=Value(1)).annotate(number=Count("pk", distinct=True)).values("number")
    keys = AgentKey.objects.filter(revoked_at=None)
    policy = SenatePolicy.objects.annotate(reviewers=Subquery(counted), has_keys=Exists(keys)).latest("version")
    return (policy.reviewers or 0) >= policy.quorum, policy.has_keys
