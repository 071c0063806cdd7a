"""The Senate in the admin: proposals read and decided by people, and the rules of voting."""

from governance.admin import policy, proposals, rows

__all__ = ["policy", "proposals", "rows"]
