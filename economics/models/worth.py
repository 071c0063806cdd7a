"""What deserves compute: the policy of worth in its versions, what was observed and judged, and the scores."""

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Now, Round

from config import history, laws
from economics.models.usage import READABLE

COMPONENTS = ("evidence_strength", "novelty", "strategic_alignment", "community_interest")


def readable(column: str) -> Q:
    """Return the condition that a time can be read by every program."""
    return Q(**{f"{column}__gte": READABLE[0], f"{column}__lt": READABLE[1]})


def _number(default: str, help_text: str, digits: int = 12) -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(
        max_digits=digits, decimal_places=6, default=Decimal(default), db_default=Decimal(default), help_text=help_text
    )


def _within(least: str, most: str, *columns: str) -> Q:
    return Q(**{f"{column}__{edge}": Decimal(to) for column in columns for edge, to in (("gte", least), ("lte", most))})


class WorthPolicy(models.Model):
    """One version of the policy by which scores, market weights, ROI and reviews are made. The highest is in force.

    A change is a new version; none is ever edited, so whatever names a version can be explained years later.
    """

    version = models.PositiveIntegerField(primary_key=True)
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.TextField(default="", db_default="")
    reason = models.TextField(default="", db_default="")
    cause_kind = models.TextField(default="", db_default="")
    cause_id = models.TextField(default="", db_default="")

    evidence_weight = _number("0.35", "Weight of the strength of evidence; the four weights sum to 1.")
    novelty_weight = _number("0.25", "Weight of novelty.")
    alignment_weight = _number("0.2", "Weight of strategic alignment.")
    interest_weight = _number("0.2", "Weight of community interest.")
    paper_points = _number("1", "What a paper counts for evidence.")
    debate_points = _number("1", "What a debate counts for evidence.")
    replication_points = _number("3", "What a replication counts for evidence.")
    kg_link_points = _number("0.5", "What a link in the knowledge graph counts for evidence.")
    evidence_scale = _number("5", "Points at which evidence reaches 63 %: 1 - exp(-points / scale).")
    vote_points = _number("1", "What a principal's vote counts for interest.")
    comment_points = _number("1", "What a principal's comment counts for interest.")
    bounty_points = _number("3", "What a principal's bounty counts for interest.")
    interest_scale = _number("10", "Points at which interest reaches 63 %.")

    gain = _number("1", "How far a confident market moves a budget: weight = gain * (2c - 1).")
    half_life_days = _number("7", "Days in which a signal loses half its say.")
    most_daily_step = _number("0.1", "Most a market weight moves in a day.")
    score_threshold = _number("0.5", "Priority score from which a market may lift a budget.")

    roi_days = models.PositiveSmallIntegerField(default=28, db_default=28, help_text="Whole days that ROI looks back.")
    roi_prior_tokens = models.BigIntegerField(
        default=1_000_000, db_default=1_000_000, help_text="LLM tokens for which the type's own yield is believed."
    )
    roi_fewest_tokens = models.BigIntegerField(
        default=100_000, db_default=100_000, help_text="LLM tokens below which an entity is unproven."
    )
    paper_edges = _number("0", "What a paper counts in edges.")
    hypothesis_edges = _number("0", "What an improved hypothesis counts in edges.")
    artifact_edges = _number("0", "What a point of artifact quality counts in edges.")

    review_step = _number("0.2", "Most a review moves one line, as a share of its base.")
    floor_tokens = models.BigIntegerField(
        default=1_000, db_default=1_000, help_text="LLM tokens in a window below which a review leaves no line."
    )
    fewest_judged = models.PositiveIntegerField(
        default=8, db_default=8, help_text="Entities of a type with a proven ROI, below which none is reduced."
    )
    low_quantile = _number("0.25", "An ROI strictly below this quantile of its type is low.")
    good_quantile = _number("0.5", "An ROI at or above this quantile of its type may gain.")
    idle_share = _number("0.25", "A line that used less than this share in each of its last two windows is idle.")
    auto_apply = models.BooleanField(
        default=False, db_default=False, help_text="Reviews inside the bounds below apply by themselves."
    )
    auto_most_step = _number("0.1", "Most a line moves in a review that applies by itself.")
    auto_most_share = _number("0.05", "Most of all budgets that moves in a review that applies by itself.")

    class Meta:
        """Laws: weights sum to 1, every number is one that the rules can work with; no version ever changes."""

        db_table = "economics_worth_policies"
        verbose_name = "policy of worth"
        verbose_name_plural = "policy of worth"
        constraints = (
            models.CheckConstraint(
                name="worth_weights_sum_to_one",
                condition=_within("0", "1", "evidence_weight", "novelty_weight", "alignment_weight", "interest_weight")
                & Q(
                    evidence_weight=Value(1, models.DecimalField())
                    - F("novelty_weight")
                    - F("alignment_weight")
                    - F("interest_weight")
                ),
            ),
            models.CheckConstraint(
                name="worth_points_sane",
                condition=_within(
                    "0",
                    "1000",
                    *("paper_points", "debate_points", "replication_points", "kg_link_points"),
                    *("vote_points", "comment_points", "bounty_points"),
                    *("paper_edges", "hypothesis_edges", "artifact_edges"),
                )
                & _within("0.001", "100000", "evidence_scale", "interest_scale"),
            ),
            models.CheckConstraint(
                name="worth_market_sane",
                condition=_within("0", "1", "gain", "most_daily_step", "score_threshold")
                & _within("0.01", "365", "half_life_days"),
            ),
            models.CheckConstraint(
                name="worth_returns_sane",
                condition=Q(roi_days__gte=1, roi_days__lte=366)
                & Q(roi_prior_tokens__gte=0, roi_prior_tokens__lte=10**15)
                & Q(roi_fewest_tokens__gte=1, roi_fewest_tokens__lte=10**15),
            ),
            models.CheckConstraint(
                name="worth_review_sane",
                condition=Q(floor_tokens__gte=0, floor_tokens__lte=10**15, fewest_judged__gte=1)
                & _within("0", "0.5", "review_step")
                & _within("0", "1", "low_quantile", "good_quantile", "idle_share", "auto_most_step", "auto_most_share")
                & Q(low_quantile__lte=F("good_quantile")),
            ),
        )
        triggers = (
            *laws.append_only("worth_policy"),
            *history.recorded("worth_policy"),
            pgtrigger.Trigger(
                name="worth_policy_closes_the_gate",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func="""
                    -- Locked in the order of ids first, as everybody locks envelopes.
                    PERFORM FROM resource_budgets WHERE market_weight > 0 AND priority_score < NEW.score_threshold
                      ORDER BY id FOR NO KEY UPDATE;
                    UPDATE resource_budgets SET market_weight = 0
                     WHERE market_weight > 0 AND priority_score < NEW.score_threshold;
                    RETURN NULL;
                """,
            ),
        )

    def __str__(self) -> str:
        """Return the version."""
        return f"version {self.version}"


class Observation(models.Model):
    """Something seen about an entity from which scores are computed.

    Evidence (paper, debate, replication, kg_link) counts once per `reference`; interest (vote, comment, bounty) once
    per `principal`.
    """

    class Kind(models.TextChoices):
        """The first four are evidence, the others interest."""

        PAPER = "paper"
        DEBATE = "debate"
        REPLICATION = "replication"
        KG_LINK = "kg_link"
        VOTE = "vote"
        COMMENT = "comment"
        BOUNTY = "bounty"

    entity_type = models.TextField()
    entity_id = models.TextField()
    kind = models.TextField(choices=Kind)
    reference = models.TextField(default="", db_default="", help_text="What it is: a PMID, a DOI, the id of a debate.")
    principal = models.TextField(default="", db_default="", help_text="Who voted, commented or put up the bounty.")
    source = models.TextField(help_text="Who keeps the event ids.")
    event_id = models.TextField(help_text="The source's own id: counted once.")
    at = models.DateTimeField(help_text="When it happened.")
    recorded_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="From then on it counts for nothing.")
    withdrawn_by = models.TextField(default="", db_default="")

    class Meta:
        """Laws: evidence names what it is and interest whose; recorded once, changed never, withdrawn for good."""

        db_table = "economics_observations"
        constraints = (
            models.CheckConstraint(name="observation_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(
                name="observation_names_what_or_whose",
                condition=(Q(kind__in=["paper", "debate", "replication", "kg_link"]) & ~Q(reference=""))
                | (Q(kind__in=["vote", "comment", "bounty"]) & ~Q(principal="")),
            ),
            models.CheckConstraint(
                name="observation_times_readable",
                condition=readable("at") & readable("recorded_at") & (Q(withdrawn_at=None) | readable("withdrawn_at")),
            ),
            models.CheckConstraint(
                name="observation_withdrawn_by_somebody",
                condition=Q(withdrawn_at=None, withdrawn_by="") | (Q(withdrawn_at__isnull=False) & ~Q(withdrawn_by="")),
            ),
            models.UniqueConstraint(name="observation_once", fields=["source", "event_id"]),
        )
        indexes = (
            models.Index(name="observation_by_entity", fields=["entity_type", "entity_id", "kind"]),
            models.Index(name="observation_by_paper", fields=["reference"], condition=Q(kind="paper")),
        )
        triggers = (
            laws.fixed(
                "observation_never_changes",
                *("id", "entity_type", "entity_id", "kind", "reference", "principal", "source", "event_id", "at"),
                "recorded_at",
            ),
            laws.once_all("observation_stays_withdrawn", "withdrawn_at", "withdrawn_by"),
            laws.kept("observation_never_vanishes"),
            laws.never_truncated("observation_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the kind and the entity."""
        return f"{self.kind} on {self.entity_type}:{self.entity_id}"


class Assessment(models.Model):
    """A component of an entity's score as somebody judges it, 0 to 1; NULL hands it back to what is observed.

    The latest row of an entity and component counts, before anything that is computed.
    """

    class Component(models.TextChoices):
        """The components of a score."""

        EVIDENCE_STRENGTH = "evidence_strength"
        NOVELTY = "novelty"
        STRATEGIC_ALIGNMENT = "strategic_alignment"
        COMMUNITY_INTEREST = "community_interest"

    entity_type = models.TextField()
    entity_id = models.TextField()
    component = models.TextField(choices=Component)
    value = models.DecimalField(max_digits=7, decimal_places=6, null=True, blank=True, help_text="0 to 1.")
    assessed_by = models.TextField()
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        """Laws: 0 to 1, by somebody and for a reason; rows stay."""

        db_table = "economics_assessments"
        constraints = (
            models.CheckConstraint(name="assessment_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(name="assessment_component_known", condition=Q(component__in=COMPONENTS)),
            models.CheckConstraint(
                name="assessment_value_a_share", condition=Q(value=None) | Q(value__gte=0, value__lte=1)
            ),
            models.CheckConstraint(name="assessment_for_a_reason", condition=~Q(assessed_by="") & ~Q(reason="")),
            models.CheckConstraint(name="assessment_time_readable", condition=readable("at")),
        )
        indexes = (models.Index(name="assessment_by_entity", fields=["entity_type", "entity_id", "component", "-id"]),)
        triggers = laws.append_only("assessment")

    def __str__(self) -> str:
        """Return the component and the entity."""
        return f"{self.component} of {self.entity_type}:{self.entity_id}"


class Score(models.Model):
    """The allocation score of an entity, with all it was made of. A component is NULL where nothing speaks for it.

    `score = round(Σ weight * component, 6)`, a missing component counting 0 (the database checks the sum). `inputs`
    holds, per component, where it came from: `{"from": "given", "assessment": id}`, `{"from": "observed", counts…,
    "points": …}` or `{"from": "missing"}`. The row without `superseded_at` is the entity's present one.
    """

    entity_type = models.TextField()
    entity_id = models.TextField()
    policy = models.ForeignKey(WorthPolicy, on_delete=models.PROTECT, related_name="+", db_index=False)
    evidence_strength = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    novelty = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    strategic_alignment = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    community_interest = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    evidence_weight = models.DecimalField(max_digits=7, decimal_places=6)
    novelty_weight = models.DecimalField(max_digits=7, decimal_places=6)
    alignment_weight = models.DecimalField(max_digits=7, decimal_places=6)
    interest_weight = models.DecimalField(max_digits=7, decimal_places=6)
    score = models.DecimalField(max_digits=7, decimal_places=6)
    inputs = models.JSONField()
    at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        """Laws: the sum is right, one present score per entity, and no score ever changes."""

        db_table = "economics_scores"
        constraints = (
            models.CheckConstraint(name="score_entity_named", condition=~Q(entity_type="") & ~Q(entity_id="")),
            models.CheckConstraint(
                name="score_components_are_shares",
                condition=Q(*(Q(**{name: None}) | Q(**{f"{name}__gte": 0, f"{name}__lte": 1}) for name in COMPONENTS)),
            ),
            models.CheckConstraint(
                name="score_is_its_sum",
                condition=Q(
                    score=Round(
                        F("evidence_weight") * Coalesce("evidence_strength", Value(Decimal(0)))
                        + F("novelty_weight") * Coalesce("novelty", Value(Decimal(0)))
                        + F("alignment_weight") * Coalesce("strategic_alignment", Value(Decimal(0)))
                        + F("interest_weight") * Coalesce("community_interest", Value(Decimal(0))),
                        precision=6,
                    )
                ),
            ),
            models.CheckConstraint(
                name="score_weights_sum_to_one",
                condition=Q(
                    evidence_weight=Value(1, models.DecimalField())
                    - F("novelty_weight")
                    - F("alignment_weight")
                    - F("interest_weight")
                ),
            ),
            models.UniqueConstraint(
                name="score_one_at_present", fields=["entity_type", "entity_id"], condition=Q(superseded_at=None)
            ),
        )
        indexes = (
            models.Index(name="score_by_entity", fields=["entity_type", "entity_id", "-id"]),
            models.Index(name="score_ranked", fields=["-score"], condition=Q(superseded_at=None)),
        )
        triggers = (
            laws.fixed(
                "score_never_changes",
                *("id", "entity_type", "entity_id", "policy_id", "score", "inputs", "at", *COMPONENTS),
                *("evidence_weight", "novelty_weight", "alignment_weight", "interest_weight"),
            ),
            laws.once("score_stays_superseded", "superseded_at"),
            laws.kept("score_never_vanishes"),
            laws.never_truncated("score_never_truncated"),
        )

    def __str__(self) -> str:
        """Return the entity and its score."""
        return f"{self.entity_type}:{self.entity_id} {self.score}"
