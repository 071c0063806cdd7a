"""The reviewed import of list prices in the admin: a list is chosen, its diff shown, and exactly that applied."""

import base64
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, cast

from django import forms
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils import timezone

from config.errors import RefusedError
from economics import genai_list, price_sources, price_words, pricelists, revisions
from economics.models import Price
from economics.price_sources import PriceList
from economics.pricelists import Diff

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

    from config.models import User

_MOST_BYTES: Final = 4 * 1024 * 1024
_SHOWN: Final = 100
_Done = Callable[[HttpRequest, Callable[[], str]], AbstractContextManager[None]]


class ImportForm(forms.Form):
    """Which list, what of it, and the tiers of new models that are not wanted as suggested."""

    source = forms.ChoiceField(
        choices=(("genai", "the list inside the package genai-prices"), ("file", "a file")),
        initial="genai",
        label="Take",
    )
    file = forms.FileField(
        required=False,
        help_text="CSV in UTF-8, prices in USD per token: asof_date, model, provider, input_cost_per_token, "
        "output_cost_per_token, and if there are any cache_read_input_token_cost, cache_creation_input_token_cost.",
    )
    kept = forms.CharField(required=False, widget=forms.HiddenInput)
    title = forms.CharField(required=False, widget=forms.HiddenInput, max_length=200)
    only = forms.CharField(
        required=False,
        label="Only models",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Patterns set apart by spaces, as gpt-4* o1*. Empty: all.",
    )
    skip = forms.CharField(
        required=False,
        label="Without models",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Patterns, as openrouter/* *:free.",
    )
    tiers = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 50}),
        help_text="For new models whose tier is not to be the suggested one: MODEL=TIER, one a line.",
    )
    show_all = forms.BooleanField(
        required=False, label="Show all", help_text=f"Every change, not the first {_SHOWN} of a kind."
    )

    def clean(self) -> dict[str, Any]:
        """Read the list and the tiers; what cannot be read is said at the field it came from."""
        chosen = super().clean() or self.cleaned_data
        if self.errors:
            return chosen
        try:
            listing, packed = (genai_list.read_genai(), {}) if chosen["source"] == "genai" else self._read(chosen)
        except RefusedError as refusal:
            self.add_error("file", refusal.detail)
            return chosen
        narrowed = listing.narrowed(only=chosen["only"].split(), skip=chosen["skip"].split())
        pairs = [line.strip().rpartition("=") for line in chosen["tiers"].splitlines() if line.strip()]
        tier_of = {model.strip(): tier.strip() for model, _equals, tier in pairs}
        return {**chosen, "listing": narrowed, "tier_of": tier_of, "packed": packed}

    def _read(self, chosen: dict[str, Any]) -> tuple[PriceList, dict[str, str]]:
        """Return the list from the file sent, or kept on the page since the review, and what to keep of it."""
        sent: UploadedFile[Any] | None = chosen["file"]
        if sent is not None and (sent.size or 0) > _MOST_BYTES:
            message = f"At most {_MOST_BYTES // 1024**2} MB here; manage.py import_prices takes more."
            raise forms.ValidationError({"file": message})
        content = sent.read() if sent is not None else _unpacked(chosen["kept"])
        if not content:
            raise forms.ValidationError({"file": "Choose a file."})
        title = str(sent.name) if sent is not None else chosen["title"]
        packed = {"kept": base64.b64encode(zlib.compress(content)).decode(), "title": title}
        return price_sources.read_csv(content, title=title), packed


def _unpacked(kept: str) -> bytes:
    """Return a file from a page, or nothing when that is none."""
    try:
        return zlib.decompressobj().decompress(base64.b64decode(kept, validate=True), _MOST_BYTES)
    except (ValueError, zlib.error):
        return b""


def may_import(request: HttpRequest) -> bool:
    """Tell whether the person may import: it adds prices and models."""
    return request.user.has_perms(["economics.add_price", "economics.add_languagemodel"])


def answer(request: HttpRequest, done: _Done) -> tuple[str, dict[str, Any]] | None:
    """Return the page that comes next, template and context; None when the import is done."""
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if not form.is_valid():
        return _asking(form)
    chosen = form.cleaned_data
    now = timezone.now()
    applied: list[Diff] = []
    if "apply" in request.POST:
        with done(request, lambda: f"{chosen['listing'].title}: imported {pricelists.summary(applied[0])}."):
            who = request.user.get_username()
            digest, tiers = request.POST.get("digest", ""), chosen["tier_of"]
            with revisions.signed(revisions.Author(who, chosen["listing"].title), now=now):
                applied.append(pricelists.apply(chosen["listing"], digest=digest, who=who, now=now, tiers=tiers))
            _log(request, applied[0])
        if applied:
            return None
    try:
        found = pricelists.diff(chosen["listing"], now=now, tiers=chosen["tier_of"])
    except RefusedError as refusal:
        form.add_error("tiers", refusal.detail)
        return _asking(form)
    return _reviewing(form, found)


def _asking(form: ImportForm) -> tuple[str, dict[str, Any]]:
    title = "Import list prices"
    return "admin/deed_form.html", {"form": form, "title": title, "button": "Show what it would change"}


def _reviewing(form: ImportForm, found: Diff) -> tuple[str, dict[str, Any]]:
    """Return the page of the diff, with all that was chosen kept for the confirmation."""
    chosen = form.cleaned_data
    most = None if chosen["show_all"] else _SHOWN
    tables = [
        {
            "title": title,
            "head": head,
            "rows": rows[:most],
            "count": len(rows),
            "more": len(rows[most:] if most else []),
        }
        for title, head, rows in price_words.sections(found)
    ]
    kept = {name: chosen[name] for name in ("source", "only", "skip", "tiers")} | chosen["packed"]
    more = any(table["more"] for table in tables)
    context = {"found": found, "summary": pricelists.summary(found), "tables": tables, "kept": kept, "more": more}
    return "admin/price_diff.html", {"title": f"What {found.title} would change", **context}


def _log(request: HttpRequest, applied: Diff) -> None:
    LogEntry.objects.create(
        user=cast("User", request.user),
        content_type=ContentType.objects.get_for_model(Price),
        object_repr=f"Import of {applied.title}"[:200],
        action_flag=ADDITION,
        change_message=pricelists.summary(applied),
    )
