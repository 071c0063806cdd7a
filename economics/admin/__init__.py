"""The books in the admin; importing a page registers it."""

from economics.admin import money, usage

__all__ = ["money", "usage"]
