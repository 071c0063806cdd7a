"""The addresses of the market, each with and without a trailing slash."""

from django.urls import re_path

from auction.api import bids

urlpatterns = [
    re_path(r"^bids/?\Z", bids.Bids.as_view()),
]
