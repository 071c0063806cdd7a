"""The deeds of a card as dialogs on it: each form is the one that its page of confirmation asks by."""

from typing import Any, Final, NamedTuple

from django import forms as django_forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME

from governance import measures
from governance.admin import card, forms, words
from governance.models import Proposal

OUTCOME: Final = (
    "The votes cast so far decide, as at the deadline; fewer than the quorum and it expires. Nobody votes on this "
    "ballot any more."
)
CONFIRMS: Final = (
    "It was approved over what stood when voting opened. If you confirm it takes effect over what stands now."
)
ENDS: Final = "A vote that is open on it ends."
_MOVED: Final = "What it would change has changed since voting opened: read it on the card."


class Dialog(NamedTuple):
    """A deed in a dialog: its names are those of house/dialog.html."""

    id: str
    text: str
    title: str
    form: django_forms.Form
    button: str
    names: dict[str, str]
    warning: str = ""
    first: bool = False


class Tool(NamedTuple):
    """A deed of a card: by its name, and as a dialog where it is asked in one."""

    name: str
    text: str
    dialog: Dialog | None


def tools(deeds: list[tuple[str, str]], proposal: Any) -> list[Tool]:
    """Return the deeds of a card, those of the Senate as dialogs; each needs no query that the card has not made."""
    return [Tool(name, text, _dialog(name, text, proposal.card)) for name, text in deeds]


def _dialog(name: str, text: str, shown: card.Card) -> Dialog | None:
    proposal = shown.proposal
    auto_id = f"{name}_%s"
    about = f"proposal {proposal.pk}"
    reason = words.ReasonForm(auto_id=auto_id)
    asked: dict[str, tuple[str, django_forms.Form, str, str]] = {
        "vote": (f"Vote on {about}", reason, "Cast this vote", _MOVED if shown.is_stale else ""),
        "close_early": (f"Close the vote on {about}", reason, "Close the vote", OUTCOME),
        "confirm": (f"Confirm {about} over what has changed", reason, "Let exactly this take effect", CONFIRMS),
        "enact": (f"Enact {about}", reason, "Let exactly this take effect", ""),
        "withdraw": (f"Withdraw {about}", forms.WithdrawForm(auto_id=auto_id), "Withdraw it for good", ENDS),
    }
    if name not in asked:
        return None
    title, form, button, warning = asked[name]
    if name == "vote":
        form = _vote(proposal, auto_id)
        title = f"{title}: {words.short(words.asked(proposal))}"
    elif name == "confirm":
        form = forms.ConfirmForm(auto_id=auto_id, initial={"seen": shown.base})
    names = {"action": name, ACTION_CHECKBOX_NAME: str(proposal.pk)}
    return Dialog(f"{name}-{proposal.pk}", text, title, form, button, names, warning, first=name in {"vote", "confirm"})


def _vote(proposal: Proposal, auto_id: str) -> forms.VoteForm:
    form = forms.VoteForm(auto_id=auto_id)
    form.offer(proposal, measures.asked(proposal))
    return form
