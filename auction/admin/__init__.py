"""The market in the admin; importing a page registers it."""

from auction.admin import book, pools, results

__all__ = ["book", "pools", "results"]
