"""The addresses of the Senate, each with and without a trailing slash."""

from django.urls import re_path

from config.api.root import Index
from governance.api import policy, proposals, reports, votes

EVIDENCE = r"(?P<evidence_id>[0-9]{1,18})"
PROPOSAL = r"(?P<proposal_id>[0-9]{1,18})"
REFUSAL = r"(?P<refusal_id>[0-9]{1,18})"

COLLECTIONS = ("measures", "policy", "proposals")

urlpatterns = [
    re_path(r"^\Z", Index.as_view(names=COLLECTIONS)),
    re_path(r"^evidence/check/?\Z", proposals.CheckEvidence.as_view()),
    re_path(r"^measures/?\Z", policy.Measures.as_view()),
    re_path(r"^policy/?\Z", policy.Policy.as_view()),
    re_path(r"^policy/versions/?\Z", policy.PolicyVersions.as_view()),
    re_path(r"^proposals/?\Z", proposals.Proposals.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/?\Z", proposals.OneProposal.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/amend/?\Z", proposals.AmendProposal.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/changes/?\Z", proposals.Changes.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/close/?\Z", votes.CloseVoting.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/confirm/?\Z", votes.ConfirmProposal.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/enact/?\Z", votes.EnactProposal.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/evidence/?\Z", proposals.GiveEvidence.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/evidence/{EVIDENCE}/?\Z", proposals.OneEvidence.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/submit/?\Z", proposals.SubmitProposal.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/votes/?\Z", votes.Votes.as_view()),
    re_path(rf"^proposals/{PROPOSAL}/withdraw/?\Z", proposals.WithdrawProposal.as_view()),
    re_path(r"^reports/follow-up/?\Z", reports.FollowUp.as_view()),
    re_path(r"^reports/proposers/?\Z", reports.Proposers.as_view()),
    re_path(r"^reports/reviewers/?\Z", reports.Reviewers.as_view()),
    re_path(rf"^refusals/{REFUSAL}/ask/?\Z", proposals.AskAfterRefusal.as_view()),
]
