"""Filters that are filled in: what they keep, and that they are applied together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auction.models import Bid
from economics.models import Score
from tests import factories, reviewers
from tests.reviewers import page

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    """Sign a superuser in."""
    return reviewers.root(client)


def test_ranges_and_choices_are_applied_together(root: Client) -> None:
    owner, pool = factories.wallet(1_000), factories.pool()
    bids = [factories.bid(owner, price, pool) for price in (10, 20, 30)]
    for query, found in (
        ({"max_price_tokens_from": "20"}, bids[1:]),
        ({"max_price_tokens_from": "10", "max_price_tokens_to": "20"}, bids[:2]),
        ({"status__exact": ["open", "won"]}, bids),
        ({"status__exact": "won"}, []),
        ({"status__exact": "open", "max_price_tokens_to": "10"}, bids[:1]),
        ({"max_price_tokens_from": "nonsense"}, bids),
    ):
        response = root.get(page(Bid), query, follow=True)
        shown = response.context["cl"].result_list
        assert (query, sorted(bid.pk for bid in shown)) == (query, [bid.pk for bid in found])


def test_a_list_whose_filters_are_filled_in_has_a_button_to_apply_them(root: Client) -> None:
    assert [">Apply</button>" in root.get(page(model)).content.decode() for model in (Bid, Score)] == [True, False]
