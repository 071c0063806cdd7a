"""The addresses of the books, each with and without a trailing slash."""

from django.urls import re_path

from config.api.root import Index
from economics.api import (
    accounts,
    alerts,
    batches,
    budgets,
    catalog,
    days,
    observations,
    outcomes,
    reports,
    reservations,
    reviews,
    scores,
    signals,
    usage,
    what_if,
)

ACCOUNT = r"(?P<account_id>[0-9]{1,18})"
ENTITY = r"(?P<entity_type>[^/\x00-\x1f]{1,64})/(?P<entity_id>[^\x00-\x1f]{1,200}?)"  # an id may have slashes
MODEL = r"(?P<name>[^\x00-\x1f]{1,200}?)"  # so may the name of a model
OUTCOME = r"(?P<outcome_id>[0-9]{1,18})"
PRICE = r"(?P<price_id>[0-9]{1,18})"
RESERVATION = r"(?P<reservation_id>[0-9]{1,18})"
REVIEW = r"(?P<review_id>[0-9]{1,18})"
USAGE = r"(?P<usage_id>[0-9]{1,18})"

COLLECTIONS = (
    *("accounts", "alerts", "budgets", "models", "observations", "outcomes", "prices", "refusals", "reservations"),
    *("reviews", "scores", "signal-sources", "signals", "tiers", "usage", "usage-days", "worth-policy"),
)

urlpatterns = [
    re_path(r"^\Z", Index.as_view(names=COLLECTIONS)),
    re_path(r"^accounts/?\Z", accounts.Accounts.as_view()),
    re_path(rf"^accounts/{ACCOUNT}/?\Z", accounts.OneAccount.as_view()),
    re_path(rf"^accounts/{ACCOUNT}/entries/?\Z", accounts.Entries.as_view()),
    re_path(r"^alerts/?\Z", alerts.Alerts.as_view()),
    re_path(r"^budgets/?\Z", budgets.Budgets.as_view()),
    re_path(r"^budgets/fleet/?\Z", budgets.Fleet.as_view()),  # an entity has two parts
    re_path(rf"^budgets/{ENTITY}/?\Z", budgets.OneBudget.as_view()),
    re_path(r"^models/?\Z", catalog.Models.as_view()),
    re_path(rf"^models/{MODEL}/?\Z", catalog.OneModel.as_view()),
    re_path(r"^outcomes/?\Z", outcomes.Outcomes.as_view()),
    re_path(rf"^outcomes/{OUTCOME}/?\Z", outcomes.OneOutcome.as_view()),
    re_path(rf"^outcomes/{OUTCOME}/correct/?\Z", outcomes.Correction.as_view()),
    re_path(r"^observations/?\Z", observations.Observations.as_view()),
    re_path(r"^observations/batch/?\Z", observations.ObservationBatch.as_view()),
    re_path(r"^prices/?\Z", catalog.Prices.as_view()),
    re_path(rf"^prices/{PRICE}/?\Z", catalog.OnePrice.as_view()),
    re_path(r"^refusals/?\Z", alerts.Refusals.as_view()),
    re_path(r"^reports/market-calibration/?\Z", reports.MarketCalibration.as_view()),
    re_path(r"^reports/score-calibration/?\Z", reports.ScoreCalibration.as_view()),
    re_path(r"^reservations/?\Z", reservations.Reservations.as_view()),
    re_path(rf"^reservations/{RESERVATION}/?\Z", reservations.OneReservation.as_view()),
    re_path(rf"^reservations/{RESERVATION}/release/?\Z", reservations.ReleaseReservation.as_view()),
    re_path(rf"^reservations/{RESERVATION}/settle/?\Z", reservations.SettleReservation.as_view()),
    re_path(r"^reviews/?\Z", reviews.Reviews.as_view()),
    re_path(r"^reviews/what-if/?\Z", what_if.WhatIf.as_view()),
    re_path(rf"^reviews/{REVIEW}/?\Z", reviews.OneReview.as_view()),
    re_path(rf"^reviews/{REVIEW}/apply/?\Z", reviews.ApplyReview.as_view()),
    re_path(rf"^reviews/{REVIEW}/discard/?\Z", reviews.DiscardReview.as_view()),
    re_path(rf"^reviews/{REVIEW}/lines/?\Z", reviews.ReviewLines.as_view()),
    re_path(r"^scores/?\Z", scores.Scores.as_view()),
    re_path(r"^signal-sources/?\Z", signals.Sources.as_view()),
    re_path(r"^signals/?\Z", signals.Signals.as_view()),
    re_path(r"^tiers/?\Z", catalog.Tiers.as_view()),
    re_path(r"^usage/?\Z", usage.UsageList.as_view()),
    re_path(r"^usage/batch/?\Z", batches.UsageBatch.as_view()),
    re_path(rf"^usage/{USAGE}/?\Z", usage.OneUsage.as_view()),
    re_path(rf"^usage/{USAGE}/correct/?\Z", usage.CorrectUsage.as_view()),
    re_path(r"^usage-days/?\Z", days.UsageDays.as_view()),
    re_path(r"^worth-policy/?\Z", scores.PresentWorthPolicy.as_view()),
    re_path(r"^worth-policy/versions/?\Z", scores.WorthPolicies.as_view()),
]
