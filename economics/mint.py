"""The daily issue: how many new wallet tokens the mint gives the treasury."""

from datetime import date, datetime, timedelta

from django.db import transaction

from economics import ledger
from economics.models import Account, DailyIssue, MonetaryPolicy, Transfer


def ensure_policy() -> None:
    """Create the monetary policy with its defaults where it is missing."""
    MonetaryPolicy.objects.get_or_create(pk=1)


def policy() -> MonetaryPolicy:
    """Return the monetary policy."""
    return MonetaryPolicy.objects.get(pk=1)


def issue(*, bucket: int, supply_cap: int, supply: int) -> int:
    """Return the tokens to issue: max(0, min(bucket, supply_cap - supply)); design, section 4 "Daily issue"."""
    return max(0, min(bucket, supply_cap - supply))


def issued(*, after: date | None) -> list[tuple[date, int]]:
    """Return the days after this one (None: all) that were issued for, and the tokens of each, the oldest first."""
    days = DailyIssue.objects.order_by("day").values_list("day", "amount")
    return list(days if after is None else days.filter(day__gt=after))


def issue_daily(*, now: datetime) -> list[DailyIssue]:
    """Issue for today (UTC) and for every day missed since the last issue, each once; return the new rows."""
    today = now.date()
    last = DailyIssue.objects.order_by("-day").values_list("day", flat=True).first()
    if last is not None and last >= today:
        return []
    return _issue_until(today, now=now)


@transaction.atomic
def _issue_until(today: date, *, now: datetime) -> list[DailyIssue]:
    rules = policy()
    # The mint's row is the lock: a second worker waits here and then finds today's row.
    treasury, mint = ledger.locked(
        Account.objects.filter(owner_type="house", owner_id__in=[ledger.TREASURY, ledger.MINT]).values_list(
            "pk", flat=True
        )
    )
    last = DailyIssue.objects.order_by("-day").values_list("day", flat=True).first()
    supply = -mint.balance
    issued = []
    for day in _days(last, today):
        amount = issue(bucket=rules.daily_token_bucket, supply_cap=rules.supply_cap, supply=supply)
        transfer = _mint(mint, treasury, amount, day=day, now=now)
        issued.append(
            DailyIssue.objects.create(day=day, amount=amount, supply_before=supply, transfer=transfer, created_at=now)
        )
        supply += amount
    return issued


def _days(last: date | None, today: date) -> list[date]:
    """Return the days to issue for: today alone at the first issue, else every day after the last."""
    first = today if last is None else last + timedelta(days=1)
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]


def _mint(mint: Account, treasury: Account, amount: int, *, day: date, now: datetime) -> Transfer | None:
    if not amount:
        return None
    return ledger.post(
        debit=mint.pk, credit=treasury.pk, amount=amount, reason="issue", key=f"issue:{day.isoformat()}", now=now
    )
