"""What the laws of the Senate protect, to be read: evidence, ballots, electors, votes and enactments."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.site import LargeTableAdmin, figure
from governance.admin import grounds, vote_rows, words
from governance.models import Ballot, Elector, Enactment, Evidence, Vote


def to(proposal_id: int) -> SafeString:
    """Lead to a proposal."""
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:governance_proposal_change", args=[proposal_id]), proposal_id
    )


class OfAProposal(LargeTableAdmin[Any]):
    """A page for rows that belong to a proposal, found by its number."""

    search_fields: ClassVar[tuple[str, ...]] = ("proposal_id__exact",)
    search_help_text = "The number of a proposal, whole."

    @admin.display(description="proposal")
    def on(self, row: Any) -> SafeString:
        """Lead to the proposal."""
        return to(row.proposal_id)


class OfABallot(LargeTableAdmin[Any]):
    """A page for rows that belong to a ballot, found by the number of its proposal."""

    search_fields: ClassVar[tuple[str, ...]] = ("ballot__proposal_id__exact",)
    search_help_text = "The number of a proposal, whole."
    list_select_related = ("ballot",)

    @admin.display(description="proposal")
    def on(self, row: Any) -> SafeString:
        """Lead to the proposal, and say which of its ballots it was."""
        return format_html("{}, {}", to(row.ballot.proposal_id), row.ballot)


@admin.register(Evidence)
class EvidenceAdmin(OfAProposal):
    """What proposals stand on, and what the system found when it looked."""

    list_display = ("id", "on", "kind", "claimed", "check_state", "check_says")
    list_filter = ("kind", "check_state")

    @admin.display(description="claim")
    def claimed(self, evidence: Evidence) -> str:
        """Return the claim in one line."""
        return words.short(words.told(grounds.in_order(evidence)))


@admin.register(Ballot)
class BallotAdmin(OfAProposal):
    """Each time a proposal is voted on: by whose votes, until when, and how it ended."""

    class Media:
        """The sheet of rows that are only read."""

        css: ClassVar[dict[str, list[str]]] = {"all": ["config/senate.css"]}

    list_display = ("id", "on", "voted", figure("requested"), figure("granted"), "ended")
    list_filter = ("outcome",)
    inlines = (vote_rows.OfABallot, vote_rows.Electors)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count the votes that stand."""
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(live=Count("votes", filter=Q(votes__superseded_at=None)))
        return counted

    @admin.display(description="proposal")
    def on(self, row: Any) -> SafeString:
        """Lead to the proposal, and say which of its ballots it was."""
        return format_html("{}, {}", to(row.proposal_id), row)

    @admin.display(description="outcome")
    def ended(self, ballot: Ballot) -> str:
        """Return how and when it ended, or until when votes are taken."""
        if ballot.closed_at is None:
            return f"open until {words.moment(ballot.closes_at)}"
        return f"{ballot.outcome} {words.moment(ballot.closed_at)}"

    @admin.display(description="votes")
    def voted(self, ballot: Any) -> str:
        """Return how many votes stand, and the quorum."""
        return f"{ballot.live} of {ballot.quorum}"


@admin.register(Elector)
class ElectorAdmin(OfABallot):
    """Who may vote in a ballot, as it was when voting opened."""

    list_display = ("id", "on", "name")
    search_fields: ClassVar[tuple[str, ...]] = ("ballot__proposal_id__exact", "name__exact")
    search_help_text = "The number of a proposal or the name of a reviewer, whole."


@admin.register(Vote)
class VoteAdmin(OfABallot):
    """What reviewers said and why; a vote that was superseded stays on record."""

    list_display = ("id", "on", "voter_name", "said", figure("amount"), "why", "cast_at")
    list_filter = ("choice",)
    search_fields: ClassVar[tuple[str, ...]] = ("ballot__proposal_id__exact", "voter_name__exact")
    search_help_text = "The number of a proposal or the name of a reviewer, whole."

    @admin.display(description="vote")
    def said(self, vote: Vote) -> str:
        """Return the choice, and whether a later vote took its place."""
        return f"{vote.choice}, superseded" if vote.superseded_at else vote.choice

    @admin.display(description="reason")
    def why(self, vote: Vote) -> str:
        """Return the beginning of the reason."""
        return words.short(vote.reason)


@admin.register(Enactment)
class EnactmentAdmin(OfAProposal):
    """What took effect: over which base, and what it became."""

    list_display = ("id", "on", "enacted_at", "enacted_by", figure("granted"), "stood", "stands", "confirmed_because")

    @admin.display(description="before")
    def stood(self, enactment: Enactment) -> str:
        """Return what stood."""
        return words.told(enactment.before)

    @admin.display(description="after")
    def stands(self, enactment: Enactment) -> str:
        """Return what it became."""
        return words.told(enactment.after)
