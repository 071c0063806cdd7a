"""Scores, observations, judgements and the policy of worth in the admin: explained, withdrawn, judged, changed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry
from django.utils.html import escape

from economics import scores, worth_policy
from economics.admin import worth_form
from economics.models import Assessment, Observation, Score, WorthPolicy
from tests import factories, reviewers
from tests.factories import NOON, REVIEWER, after
from tests.reviewers import offered, page, press, said, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


# Scores


def test_a_score_is_explained_on_its_page(root: Client) -> None:
    factories.assessment("h1", why="a new mechanism")
    scores.recompute(now=after(1))
    shown = root.get(page(Score, Score.objects.get().pk)).content.decode()
    assert "as ada judged it on 2026-03-02: a new mechanism" in shown
    assert escape("economics/observation/?entity_type__exact=hypothesis&entity_id__exact=h1") in shown


def test_scores_of_the_past_are_shown_when_asked(root: Client) -> None:
    for second in (1, 2):
        factories.observation("h1")
        scores.recompute(now=after(second))
    old, new = Score.objects.order_by("pk")

    def listed(**query: str) -> list[Score]:
        return list(root.get(page(Score), query).context["cl"].result_list)

    assert listed() == [new]
    assert listed(time="past") == [old]
    assert listed(time="all", entity_type__exact="hypothesis", entity_id__exact="h1") == [new, old]


# Observations


def test_withdraw_asks_first_and_then_withdraws_for_good(root: Client) -> None:
    first, second, third = (factories.observation("h1") for _ in range(3))
    assert press(root, "withdraw", first, second).status_code == 200
    assert Observation.objects.filter(withdrawn_at=None).count() == 3
    press(root, "withdraw", first, second, confirmed="yes")
    assert list(Observation.objects.filter(withdrawn_at=None)) == [third]
    assert Observation.objects.get(pk=first.pk).withdrawn_by == "root"
    assert said(press(root, "withdraw", second, third, confirmed="yes"))[-1] == (
        "Observations withdrawn: 1; withdrawn before: 1."
    )
    assert LogEntry.objects.count() == 3
    assert list(root.get(page(Observation), {"live": "yes"}).context["cl"].result_list) == []


def test_withdraw_takes_a_right(client: Client) -> None:
    factories.observation("h1")
    reader = staff(client, "economics.view_observation")
    assert offered(reader, Observation) == []


# Judgements


def test_a_reviewer_judges_a_component(root: Client) -> None:
    said_so = {"entity_type": "hypothesis", "entity_id": "h1", "component": "novelty", "reason": "new"}
    assert root.post(page(Assessment, kind="add"), {**said_so, "value": "0.75"}).status_code == 302
    assert root.post(page(Assessment, kind="add"), {**said_so, "value": ""}).status_code == 302
    made = Assessment.objects.order_by("pk").values_list("value", "assessed_by", "reason")
    assert list(made) == [(Decimal("0.75"), "root", "new"), (None, "root", "new")]
    assert root.get(page(Assessment, Assessment.objects.latest("pk").pk)).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"), [("value", "1.1"), ("value", "0.0000001"), ("entity_id", "x" * 201), ("reason", "")]
)
def test_what_is_no_judgement_is_said_on_the_page(root: Client, field: str, value: str) -> None:
    fields = {"entity_type": "hypothesis", "entity_id": "h1", "component": "novelty", "value": "1", "reason": "new"}
    response = root.post(page(Assessment, kind="add"), {**fields, field: value})
    assert (response.status_code, list(response.context["adminform"].form.errors)) == (200, [field])
    assert Assessment.objects.count() == 0


# The policy


def _form(**changes: object) -> dict[str, object]:
    present = worth_policy.get()
    terms = {name: value for name, value in worth_policy.terms(present).items() if not isinstance(value, bool)}
    return {**terms, "saw": present.version, "reason": "as voted", **changes}


def test_every_term_stands_in_the_form_once() -> None:
    named = [name for _title, names in worth_form.GROUPS for name in names]
    assert sorted(named) == sorted(worth_policy.TERMS)


def test_the_form_begins_with_what_is_in_force_and_makes_the_next_version(root: Client) -> None:
    worth_policy.change(author=REVIEWER, now=NOON, gain=Decimal("0.8"))
    form = root.get(page(WorthPolicy, kind="add")).context["form"]
    assert (form.initial["gain"], form.initial["saw"]) == (Decimal("0.8"), 2)
    weights = "Evidence weight 0.35 → 0.4; Novelty weight 0.25 → 0.2"
    changes = {"evidence_weight": "0.4", "novelty_weight": "0.2", "auto_apply": "on"}
    response = root.post(page(WorthPolicy, kind="add"), _form(**changes))
    assert response.status_code == 302
    assert said(response) == [f"Version 3 of the policy is in force: {weights}; Auto apply no → yes."]
    policy = worth_policy.get()
    assert (policy.version, policy.made_by, policy.reason, policy.gain) == (3, "root", "as voted", Decimal("0.8"))
    shown = root.get(page(WorthPolicy)).content.decode()
    assert "Gain 1 → 0.8" in shown
    assert weights in shown
    assert "Evidence weight 0.35 → 0.4" in root.get(page(WorthPolicy, 3)).content.decode()
    assert "the first version" in root.get(page(WorthPolicy, 1)).content.decode()


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        (
            {"evidence_weight": "0.4"},
            "__all__",
            "The four weights sum to 1; these sum to 0.4 + 0.25 + 0.2 + 0.2 = 1.05.",
        ),
        ({"gain": "1.5"}, "gain", "Ensure this value is less than or equal to 1."),
        ({"half_life_days": "0"}, "half_life_days", "Ensure this value is greater than or equal to 0.01."),
        (
            {"low_quantile": "0.6"},
            "low_quantile",
            "The quantile below which an ROI is low cannot lie above the good one.",
        ),
        ({"reason": ""}, "reason", "This field is required."),
        (
            {"saw": "7"},
            "__all__",
            "Somebody changed the policy while you looked; begin again from what is in force now.",
        ),
        ({}, "__all__", "Nothing was changed."),
    ],
)
def test_what_no_policy_may_be_is_said_on_the_page(
    root: Client, changes: dict[str, object], field: str, sentence: str
) -> None:
    response = root.post(page(WorthPolicy, kind="add"), _form(**changes))
    assert (response.status_code, dict(response.context["form"].errors)) == (200, {field: [sentence]})
    assert worth_policy.get().version == 1


def test_a_version_is_never_edited_and_changing_takes_a_right(root: Client, client: Client) -> None:
    assert root.post(page(WorthPolicy, 1), _form(gain="0.5")).status_code == 403
    reader = staff(client, "economics.view_worthpolicy")
    assert "Change the policy" not in reader.get(page(WorthPolicy)).content.decode()
    assert reader.get(page(WorthPolicy, kind="add")).status_code == 403
