"""How long rows are kept, in the admin: changed under the person's name, and never below a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import history
from config.models import RetentionPolicy
from tests import reviewers
from tests.reviewers import page, staff

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
DAYS = {"bids_days": 90, "rounds_days": 90, "refusals_days": 90, "answers_days": 7, "feed_days": 30}


def test_a_change_is_signed_and_told(client: Client) -> None:
    root = reviewers.root(client)
    sent = {**DAYS, "feed_days": 14, "reason": "the disk is small"}
    assert root.post(page(RetentionPolicy, 1), sent).status_code == 302
    change = history.of(RetentionPolicy, 1)[0]
    assert (change.who, change.why, change.changes) == ("root", "the disk is small", {"feed_days": [30, 14]})
    assert "the disk is small" in root.get(page(RetentionPolicy, 1, kind="history")).content.decode()


@pytest.mark.parametrize("days", [0, -1, "", 36_501])
def test_nothing_goes_before_a_day_is_over(client: Client, days: object) -> None:
    root = reviewers.root(client)
    response = root.post(page(RetentionPolicy, 1), {**DAYS, "bids_days": days})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == ["bids_days"]
    assert RetentionPolicy.objects.get().bids_days == 90


def test_it_is_changed_only_by_those_who_may(client: Client) -> None:
    reader = staff(client, "config.view_retentionpolicy")
    assert reader.get(page(RetentionPolicy, 1)).status_code == 200
    assert reader.post(page(RetentionPolicy, 1), {**DAYS, "bids_days": 1}).status_code == 403
    assert reader.get(page(RetentionPolicy, kind="add")).status_code == 403
    assert RetentionPolicy.objects.get().bids_days == 90
