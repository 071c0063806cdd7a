"""What resources cost: models, the tiers they belong to, and dated list prices."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from config import history, laws

MOST_RATE = 1000  # USD for one unit: above any list; times the largest amount still below the largest cost


class Tier(models.Model):
    """A class of language models that is budgeted by itself, so that dear and cheap ones do not share a pool."""

    name = models.SlugField(primary_key=True, max_length=64)
    title = models.CharField(max_length=200, blank=True, default="", db_default="")
    rank = models.SmallIntegerField(default=0, db_default=0, help_text="Cheaper tiers first.")
    suggested_up_to = models.DecimalField(
        max_digits=30,
        decimal_places=15,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="An import suggests this tier for models whose output token costs at most this (USD); "
        "none: for all that are dearer.",
    )

    class Meta:
        """Law: a tier has a name that fits into an address."""

        db_table = "economics_tiers"
        constraints = (
            models.CheckConstraint(name="tier_name_is_a_slug", condition=Q(name__regex=r"^[A-Za-z0-9_-]+$")),
            models.CheckConstraint(
                name="tier_suggestion_not_negative",
                condition=Q(suggested_up_to=None) | Q(suggested_up_to__gte=0, suggested_up_to__lt=MOST_RATE),
            ),
        )

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class LanguageModel(models.Model):
    """A language model of the catalogue. `provider/name` means the same as `name` when this provider lists it."""

    name = models.TextField(primary_key=True)
    provider = models.TextField(blank=True, default="", db_default="")
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="models")
    is_enabled = models.BooleanField(default=True, db_default=True, help_text="Others are refused a reservation.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """Law: a model has a name."""

        db_table = "economics_models"
        constraints = (models.CheckConstraint(name="model_name_given", condition=~Q(name="")),)
        triggers = history.recorded("model")

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Price(models.Model):
    """A list price from a moment on, in USD per unit: per token, second, GB-hour or call.

    `name` is the model for LLM tokens, the provider for API calls, and empty for the other classes. `rate` is
    the price of an input token where there are two. Free is a price of 0. Prices are never changed: a wrong one is
    withdrawn and another takes its place; what was priced with it stays as it was.
    """

    resource_type = models.TextField()
    name = models.TextField(blank=True, default="", db_default="")
    effective_from = models.DateTimeField()
    rate = models.DecimalField(max_digits=30, decimal_places=15)
    output_rate = models.DecimalField(max_digits=30, decimal_places=15, null=True, blank=True)
    cache_read_rate = models.DecimalField(max_digits=30, decimal_places=15, null=True, blank=True)
    cache_write_rate = models.DecimalField(max_digits=30, decimal_places=15, null=True, blank=True)
    source = models.TextField(blank=True, default="", db_default="", help_text="The list it was taken from.")
    set_by = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Laws: one price at a time, of a known class, 0 or more, never changed."""

        db_table = "economics_prices"
        constraints = (
            models.CheckConstraint(
                name="price_resource_known",
                condition=Q(resource_type__in=["llm_tokens", "cpu_seconds", "storage_gb_hours", "api_calls"]),
            ),
            models.CheckConstraint(
                name="price_named_where_it_must",
                condition=(Q(resource_type__in=["llm_tokens", "api_calls"]) & ~Q(name=""))
                | Q(resource_type__in=["cpu_seconds", "storage_gb_hours"], name=""),
            ),
            models.CheckConstraint(
                name="price_of_output_for_tokens",
                condition=Q(resource_type="llm_tokens", output_rate__isnull=False)
                | (~Q(resource_type="llm_tokens") & Q(output_rate=None, cache_read_rate=None, cache_write_rate=None)),
            ),
            models.CheckConstraint(
                name="price_not_negative",
                condition=Q(rate__gte=0, rate__lt=MOST_RATE)
                & (Q(output_rate=None) | Q(output_rate__gte=0, output_rate__lt=MOST_RATE))
                & (Q(cache_read_rate=None) | Q(cache_read_rate__gte=0, cache_read_rate__lt=MOST_RATE))
                & (Q(cache_write_rate=None) | Q(cache_write_rate__gte=0, cache_write_rate__lt=MOST_RATE)),
            ),
            models.UniqueConstraint(
                name="price_once_at_a_time",
                fields=["resource_type", "name", "effective_from"],
                condition=Q(withdrawn_at=None),
            ),
        )
        triggers = (
            laws.fixed(
                "price_is_fixed",
                *("id", "resource_type", "name", "effective_from", "source", "set_by", "created_at"),
                *("rate", "output_rate", "cache_read_rate", "cache_write_rate"),
            ),
            laws.once("price_stays_withdrawn", "withdrawn_at"),
            laws.kept("price_never_vanishes"),
            laws.never_truncated("price_never_truncated"),
        )

    def __str__(self) -> str:
        """Return what it prices and since when."""
        return f"{self.resource_type} {self.name} from {self.effective_from:%Y-%m-%d}".replace("  ", " ")
