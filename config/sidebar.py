"""The menu of the house: every page in a named group, shown to those who may open it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


class Entry(NamedTuple):
    """A line of the menu: what it says, its symbol (of Material Symbols), its address by name and who may see it."""

    title: str
    icon: str
    name: str
    right: str = ""  # a permission, as `app.codename`; empty: everybody who may sign in


class Group(NamedTuple):
    """A named part of the menu; folded unless it `is_open` or holds the page that is shown."""

    title: str
    entries: Sequence[Entry]
    is_open: bool = False


def _rows(label: str, title: str, icon: str) -> Entry:
    """Return the line of the list of a model, for those who may view its rows."""
    app, model = label.split(".")
    return Entry(title, icon, f"admin:{app}_{model}_changelist", f"{app}.view_{model}")


# A page of one's own is one `Entry` here. An address that no app serves is left out.
GROUPS: Sequence[Group] = (
    Group(
        "",
        [
            Entry("Home", "home", "admin:index"),
            Entry("My queue", "inbox", "admin:governance_queue"),
            Entry("Resources", "monitoring", "resources"),
        ],
    ),
    Group(
        "Senate",
        [
            _rows("governance.proposal", "Proposals", "how_to_vote"),
            Entry("Follow-up", "trending_up", "admin:governance_proposal_follow_up", "governance.view_proposal"),
            _rows("governance.ballot", "Ballots", "ballot"),
            _rows("governance.vote", "Votes", "thumbs_up_down"),
            _rows("governance.elector", "Electors", "group"),
            _rows("governance.evidence", "Evidence", "fact_check"),
            _rows("governance.enactment", "Enactments", "gavel"),
            _rows("governance.senatepolicy", "Rules of voting", "balance"),
        ],
        is_open=True,
    ),
    Group(
        "Budgets",
        [
            _rows("economics.envelope", "Envelopes", "account_balance_wallet"),
            _rows("economics.line", "Lines", "reorder"),
            _rows("economics.grant", "Grants", "redeem"),
            _rows("economics.alert", "Alerts", "notifications"),
            _rows("economics.refusal", "Refusals", "block"),
            _rows("economics.pause", "Pauses", "pause_circle"),
            _rows("economics.revision", "Revisions", "edit_note"),
            _rows("economics.counter", "Counters", "speed"),
            _rows("economics.defaultenvelope", "Default envelopes", "draft"),
            _rows("economics.budgetpolicy", "Policy of budgets", "tune"),
        ],
    ),
    Group(
        "Usage",
        [
            _rows("economics.usage", "Usage", "receipt_long"),
            _rows("economics.usageday", "Days of usage", "calendar_month"),
            _rows("economics.keptfigures", "Kept figures", "timer"),
            _rows("economics.arrival", "Usage to count", "hourglass_top"),
            _rows("economics.reservation", "Reservations", "bookmark"),
            _rows("economics.price", "Prices", "sell"),
            _rows("economics.languagemodel", "Language models", "neurology"),
            _rows("economics.tier", "Tiers", "layers"),
        ],
    ),
    Group(
        "Worth",
        [
            _rows("economics.score", "Scores", "leaderboard"),
            _rows("economics.observation", "Observations", "visibility"),
            _rows("economics.assessment", "Assessments", "rate_review"),
            _rows("economics.outcome", "Outcomes", "science"),
            _rows("economics.signal", "Signals", "sensors"),
            _rows("economics.signalsource", "Sources of signals", "rss_feed"),
            _rows("economics.worthpolicy", "Policy of worth", "tune"),
        ],
    ),
    Group(
        "Reviews",
        [
            _rows("economics.review", "All reviews", "event_repeat"),
            Entry("What if…", "psychology_alt", "admin:economics_review_what_if", "economics.view_review"),
            _rows("economics.reviewline", "Lines of reviews", "format_list_bulleted"),
            _rows("economics.reviewpool", "Pools of reviews", "pie_chart"),
            _rows("economics.reserve", "Reserves", "savings"),
        ],
    ),
    Group(
        "Auction",
        [
            _rows("auction.pool", "Pools", "dns"),
            _rows("auction.slot", "Slots", "memory"),
            Entry("Order book", "candlestick_chart", "admin:auction_book", "auction.view_bid"),
            _rows("auction.bid", "Bids", "local_offer"),
            _rows("auction.clear", "Clears", "task_alt"),
            _rows("auction.round", "Rounds", "sync"),
            _rows("auction.payout", "Payouts", "payments"),
            _rows("auction.auditrun", "Audits", "verified"),
            _rows("auction.fallback", "Fallbacks", "emergency_home"),
            _rows("auction.fallbackshare", "Fallback shares", "percent"),
        ],
    ),
    Group(
        "Money",
        [
            _rows("economics.account", "Wallets and accounts", "wallet"),
            _rows("economics.transfer", "Transfers", "swap_horiz"),
            _rows("economics.dailyissue", "Daily issues", "today"),
            _rows("auction.stipendday", "Stipend days", "event_available"),
            _rows("economics.monetarypolicy", "Monetary policy", "tune"),
        ],
    ),
    Group(
        "Quests",
        [
            _rows("auction.quest", "Quests", "flag"),
            _rows("auction.task", "Tasks", "checklist"),
            _rows("auction.need", "Needs", "account_tree"),
            _rows("auction.member", "Members", "diversity_3"),
            _rows("auction.questallocation", "Allocations", "pie_chart"),
            _rows("auction.bidcycle", "Cycles of the bidder", "autoplay"),
        ],
    ),
    Group(
        "Agents and keys",
        [
            _rows("config.agent", "Agents", "smart_toy"),
            _rows("config.agentkey", "Keys", "key"),
            _rows("config.user", "People", "person"),
            _rows("auth.group", "Groups", "groups"),
        ],
    ),
    Group(
        "Schedules",
        [
            _rows("django_celery_beat.periodictask", "Timetable", "schedule"),
            _rows("django_celery_beat.intervalschedule", "Intervals", "timer"),
            _rows("django_celery_beat.crontabschedule", "Crontabs", "calendar_clock"),
            _rows("django_celery_beat.clockedschedule", "Clocked", "alarm"),
            _rows("django_celery_beat.solarschedule", "Solar events", "wb_twilight"),
        ],
    ),
    Group(
        "Records",
        [
            _rows("config.change", "Changes", "history"),
            _rows("config.feedentry", "Feed", "dynamic_feed"),
            _rows("config.idempotentrequest", "Remembered requests", "replay"),
            _rows("config.retentionpolicy", "Retention", "auto_delete"),
            Entry("API docs", "api", "docs"),
            Entry("Health", "monitor_heart", "healthz"),
        ],
    ),
)


def list_title(opts: Any) -> str:
    """Return what the list of a model (its `_meta`) is called: its line of the menu, or else the plural of its name."""
    name = f"admin:{opts.app_label}_{opts.model_name}_changelist"
    titles = (entry.title for group in GROUPS for entry in group.entries if entry.name == name)
    return next(titles, str(opts.verbose_name_plural).capitalize())


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu for this person, as unfold wants it: no query but those for the person's permissions."""
    if not request.user.is_authenticated:
        return []
    groups = [_group(group, request.user.has_perm) for group in GROUPS]
    _mark([item for group in groups for item in group["items"]], request.path)
    for group in groups:
        group["is_open"] = group["is_open"] or any(item["active"] for item in group["items"])
    return [group for group in groups if group["items"]]


def _group(group: Group, may: Callable[[str], bool]) -> dict[str, Any]:
    shown = ((entry, _address(entry)) for entry in group.entries if not entry.right or may(entry.right))
    items = [{"title": entry.title, "icon": entry.icon, "link": link, "active": False} for entry, link in shown if link]
    return {"title": group.title, "items": items, "is_open": group.is_open}


def _address(entry: Entry) -> str:
    try:
        return reverse(entry.name)
    except NoReverseMatch:
        return ""


def _mark(items: list[dict[str, Any]], path: str) -> None:
    """Mark the line whose address is the longest beginning of the page's: a page below a list belongs to it."""
    home = reverse("admin:index")
    below = [item for item in items if item["link"] != home and path.startswith(item["link"])]
    inside = below or [item for item in items if path == item["link"]]
    if inside:
        max(inside, key=lambda item: len(item["link"]))["active"] = True
