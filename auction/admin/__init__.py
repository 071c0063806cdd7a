"""The market in the admin; importing a page registers it."""

from auction.admin import backlog, book, pools, quests, results, shares

__all__ = ["backlog", "book", "pools", "quests", "results", "shares"]
