"""Votes as rows of the page they belong to: of a proposal's card, and of a ballot with its electors."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from config import dressed
from governance.admin import grounds, votes, words
from governance.models import Ballot, Elector, Proposal, Vote


class _Read(admin.options.InlineModelAdmin[Any, Any]):
    """Rows to be read, never edited: they come from deeds."""

    template = "admin/read_inline.html"
    nothing = "None yet."
    extra = 0
    can_delete = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002 - Django's signature
        """Return all that is shown."""
        return self.fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False


class _Votes(_Read):
    """Votes: who said what, when and why, the last first."""

    verbose_name_plural = "Votes, the last first"
    nothing = "No vote yet."
    fields: ClassVar[tuple[str, ...]] = ("reviewer", "said", "why", "cast", "in_ballot")

    @admin.display(description="reviewer")
    def reviewer(self, vote: Vote) -> str:
        """Return who voted, by the name of then."""
        return vote.voter_name

    @admin.display(description="vote")
    def said(self, vote: Vote) -> SafeString:
        """Return the choice with its amount, or with when to look again and what is wanted."""
        return votes.said(vote.ballot.proposal, vote)

    @admin.display(description="why")
    def why(self, vote: Vote) -> SafeString:
        """Return the reason, inert."""
        return grounds.prose(vote.reason)

    @admin.display(description="when")
    def cast(self, vote: Vote) -> str:
        """Return when it was cast."""
        return words.moment(vote.cast_at)

    @admin.display(description="ballot")
    def in_ballot(self, vote: Vote) -> str:
        """Return which ballot it was cast in."""
        return str(vote.ballot.number)


class OfAProposal(_Votes, dressed.NonrelatedTabularInline[Vote, Proposal]):
    """All votes on a proposal, in whichever ballot."""

    model = Vote

    def get_form_queryset(self, obj: Proposal) -> QuerySet[Vote]:
        """Return the votes of all its ballots."""
        return Vote.objects.filter(ballot__proposal=obj).select_related("ballot__proposal").order_by("-pk")


class OfABallot(_Votes, dressed.TabularInline[Vote, Ballot]):
    """The votes of one ballot."""

    model = Vote
    fields: ClassVar[tuple[str, ...]] = ("reviewer", "said", "why", "cast")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Vote]:
        """Return the rows with what they are told by."""
        return super().get_queryset(request).select_related("ballot__proposal").order_by("-pk")


class Electors(_Read, dressed.TabularInline[Elector, Ballot]):
    """Who may vote in a ballot."""

    model = Elector
    verbose_name_plural = "Electors"
    fields: ClassVar[tuple[str, ...]] = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Elector]:
        """Return them by name."""
        return super().get_queryset(request).order_by("name")
