"""Money in the admin: wallets, transfers, monetary policy, daily issues."""

import secrets
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from config.admin import AgentAdmin
from config.models import Agent
from config.site import LargeTableAdmin, ReadOnlyAdmin, figure
from economics import ledger
from economics.admin import signed
from economics.models import Account, DailyIssue, MonetaryPolicy, Transfer

admin.site.unregister(Agent)


@admin.register(Agent)
class WalletedAgentAdmin(AgentAdmin):
    """An agent's page as the books see it: with its wallet, and the deed that opens one."""

    list_display: tuple[str, ...] = (*AgentAdmin.list_display, "wallet")
    actions: tuple[str, ...] = (*AgentAdmin.actions, "open_wallets")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Add the wallet's id and available tokens."""
        own = Account.objects.filter(agent=OuterRef("pk"))
        found = super().get_queryset(request)
        return found.annotate(wallet=Subquery(own.values("pk")), wallet_available=Subquery(own.values("available")))

    @admin.display(description="wallet: available", ordering="wallet_available")
    def wallet(self, agent: Any) -> str | None:
        """Return the available tokens, leading to the wallet."""
        if agent.wallet is None:
            return None
        address = reverse("admin:economics_account_change", args=[agent.wallet])
        return format_html('<a href="{}">{}</a>', address, f"{agent.wallet_available:,}")

    def has_open_wallet_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may open wallets."""
        return request.user.has_perm("economics.add_account")

    @admin.action(description="Open a wallet", permissions=["open_wallet"])
    def open_wallets(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Open an empty wallet for each agent that has none; it gives nobody anything, so it asks nothing."""
        for agent in queryset:
            with self.done(request, lambda agent=agent: f"Agent {agent} has a wallet."):  # type: ignore[misc]
                ledger.open_wallet(agent=agent)


class GrantForm(forms.Form):
    """How much is granted and why. `key` names the grant, so a form sent twice grants once."""

    key = forms.RegexField(r"^[0-9a-f]{32}$", widget=forms.HiddenInput)
    amount = forms.IntegerField(label="Wallet tokens for each", min_value=1, max_value=ledger.LARGEST_TRANSFER)
    reason = forms.CharField(max_length=ledger.LONGEST_MEMO, widget=forms.Textarea(attrs={"rows": 2}))


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin[Account]):
    """Wallets and house accounts; balances move by transfers only."""

    hidden = ("lock_rank",)
    extra = ("statement", "transfers")
    list_display = ("owner", figure("balance"), figure("held"), figure("available"), "statement", "created_at")
    list_filter = ("owner_type",)
    search_fields = ("owner_id",)
    actions = ("grant",)

    @admin.display(description="owner", ordering="owner_id")
    def owner(self, account: Account) -> str:
        """Return type and id of the owner."""
        return str(account)

    @admin.display(description="statement")
    def statement(self, account: Account) -> str:
        """Lead to its statement, and to what it holds for bids and slots, which a higher app tells."""
        return format_html('<a href="{}">statement</a>', reverse("admin:auction_wallet", args=[account.pk]))

    @admin.display(description="transfers")
    def transfers(self, account: Account) -> str:
        """Lead to the transfers in and out."""
        address = reverse("admin:economics_transfer_changelist")
        return format_html(
            '<a href="{0}?credit_account__exact={1}">in</a> · <a href="{0}?debit_account__exact={1}">out</a>',
            address,
            account.pk,
        )

    def has_grant_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may mint tokens."""
        return request.user.has_perm("economics.add_transfer")

    @admin.action(description="Grant tokens…", permissions=["grant"])
    def grant(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Ask how much and why, then mint the tokens into each account, all or none."""
        form = self.asked(request, GrantForm, key=secrets.token_hex(16))
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                deed="grant",
                title="Grant wallet tokens",
                button="Grant",
                form=form,
                warning="Each of these accounts gets the full amount, newly minted.",
            )
        accounts, chosen, now = list(queryset), form.cleaned_data, timezone.now()
        made: list[Transfer] = []
        with self.done(request, lambda: _granted(len(made), chosen["amount"])):
            granted = ledger.grant_all(
                accounts=accounts, amount=chosen["amount"], key=chosen["key"], now=now, memo=chosen["reason"]
            )
            made += [transfer for transfer in granted if transfer.created_at == now]
            for transfer in made:  # what the same form did before is on record already
                self.log_change(request, transfer.credit_account, f"Granted {transfer.amount:,}: {chosen['reason']}")
        return None


def _granted(accounts: int, amount: int) -> str:
    if not accounts:
        return "This form was sent before: nothing more is granted."
    return f"Granted {amount:,} wallet tokens each; accounts: {accounts}."


class ReasonFilter(admin.SimpleListFilter):
    """Why tokens moved; the reasons are known, so nobody has to look through the table for them."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the reasons that the rules write."""
        return [(r, r) for r in ("grant", "issue", "capture", "sweep", "reward", "reversal")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transfer]) -> QuerySet[Transfer]:  # noqa: ARG002
        """Keep the transfers of the reason chosen."""
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(Transfer)
class TransferAdmin(LargeTableAdmin[Transfer]):
    """Every movement of wallet tokens, for good."""

    list_display = ("id", "created_at", "reason", "debit_account", "credit_account", figure("amount"), "key", "memo")
    list_filter = (ReasonFilter, "created_at")
    list_select_related = ("debit_account", "credit_account")
    search_fields = ("key__startswith",)
    search_help_text = "The beginning of a key, such as capture:, grant: or reward:."
    sortable_by: ClassVar[tuple[str, ...]] = ("created_at",)


@admin.register(MonetaryPolicy)
class MonetaryPolicyAdmin(signed.SignedAdmin[MonetaryPolicy]):
    """How many wallet tokens there may be: one row, to be changed only."""

    list_display = (
        "__str__",
        figure("daily_token_bucket"),
        figure("supply_cap"),
        "stipend_share",
        figure("wallet_cap"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: there is one policy."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: MonetaryPolicy | None = None) -> bool:  # noqa: ARG002
        """Refuse: there is always a policy."""
        return False


@admin.register(DailyIssue)
class DailyIssueAdmin(ReadOnlyAdmin[DailyIssue]):
    """What the mint issued, day by day."""

    list_display = ("day", figure("amount"), figure("supply_before"), "transfer", "created_at")
    list_select_related = ("transfer",)
