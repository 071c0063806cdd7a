"""The addresses of the books, each with and without a trailing slash."""

from django.urls import re_path

from config.api.root import Index
from economics.api import accounts

ACCOUNT = r"(?P<account_id>[0-9]{1,18})"

urlpatterns = [
    re_path(r"^\Z", Index.as_view(names=("accounts",))),
    re_path(r"^accounts/?\Z", accounts.Accounts.as_view()),
    re_path(rf"^accounts/{ACCOUNT}/?\Z", accounts.OneAccount.as_view()),
    re_path(rf"^accounts/{ACCOUNT}/entries/?\Z", accounts.Entries.as_view()),
]
