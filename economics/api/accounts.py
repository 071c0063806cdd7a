"""One's own wallet and what moved on it, to be read."""

from django.db.models import Q, QuerySet
from rest_framework import serializers

from config.api import views
from config.errors import NotFoundError
from economics.models import Account, Transfer


class UnknownAccountError(NotFoundError):
    """There is no such account of yours."""

    code = "unknown_account"


class AccountShown(serializers.ModelSerializer[Account]):
    """A wallet, in wallet tokens: `available` is what may still be promised, `held` what open bids and slots hold."""

    class Meta:
        """What is shown."""

        model = Account
        fields = ("id", "owner_type", "owner_id", "balance", "held", "available", "created_at")


class EntryShown(serializers.ModelSerializer[Transfer]):
    """A transfer as the wallet sees it: tokens in are positive, tokens out negative. The other side stays unnamed."""

    amount_tokens = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Transfer
        fields = ("id", "created_at", "amount_tokens", "reason", "key", "memo")

    def get_amount_tokens(self, transfer: Transfer) -> int:
        """Return the amount with the sign of its direction."""
        credited = transfer.credit_account_id == int(self.context["view"].kwargs["account_id"])
        return transfer.amount if credited else -transfer.amount


class Accounts(views.Listed[Account]):
    """List one's own accounts: one wallet, or none yet."""

    scopes = {"GET": "market:read"}
    queryset = Account.objects.all()
    serializer_class = AccountShown

    def get_queryset(self) -> QuerySet[Account]:
        """Return the caller's accounts."""
        return super().get_queryset().filter(owner_type="agent", owner_id=self.agent.pk)


class OneAccount(views.One[Account]):
    """Read one's own wallet."""

    scopes = {"GET": "market:read"}
    queryset = Account.objects.all()
    serializer_class = AccountShown
    lookup_url_kwarg = "account_id"
    missing = UnknownAccountError

    def get_queryset(self) -> QuerySet[Account]:
        """Return the caller's accounts."""
        return super().get_queryset().filter(owner_type="agent", owner_id=self.agent.pk)


class Entries(views.Listed[Transfer]):
    """List what moved on one's own wallet, newest first."""

    scopes = {"GET": "market:read"}
    queryset = Transfer.objects.all()
    serializer_class = EntryShown

    def get_queryset(self) -> QuerySet[Transfer]:
        """Return the transfers of this account of the caller's."""
        account = self.kwargs["account_id"]
        if not Account.objects.filter(pk=account, owner_type="agent", owner_id=self.agent.pk).exists():
            raise UnknownAccountError(account_id=account)
        return super().get_queryset().filter(Q(debit_account=account) | Q(credit_account=account))
