"""Django settings: one module, everything that differs between places comes from the environment."""

import os
import re
from pathlib import Path
from typing import Any

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from config import broker, embedded, look
from config.schedule import BEAT_SCHEDULE

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / ".data").resolve()
DEBUG = os.environ.get("DEBUG") == "1"


def _secret_key() -> str:
    """Return the key from the environment, else the one `make up` generated into the data folder.

    Without either (tests, linters, one-off commands) the key is random: sessions then end with the process.
    """
    if key := os.environ.get("DJANGO_SECRET_KEY"):
        return key
    stored = DATA_DIR / "secret_key"
    return stored.read_text().strip() if stored.is_file() else os.urandom(32).hex()


# A schema of our own, where other services have theirs in the same database. Empty: `public`.
DATABASE_SCHEMA = os.environ.get("DATABASE_SCHEMA", "")
if DATABASE_SCHEMA and not re.fullmatch(r"[a-z_][a-z0-9_]{0,30}", DATABASE_SCHEMA):
    message = "DATABASE_SCHEMA: a plain name of small letters, digits and _ is needed, such as economy"
    raise ImproperlyConfigured(message)


def _database() -> dict[str, Any]:
    """Return Django's settings for `DATABASE_URL`, or for the embedded server of the data folder."""
    url = os.environ.get("DATABASE_URL") or embedded.database_url_or_placeholder(DATA_DIR)
    parts = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    if DATABASE_SCHEMA:
        parts["options"] = f"{parts.get('options', '')} -c search_path={DATABASE_SCHEMA}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "app"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "OPTIONS": parts,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # PgBouncer in transaction mode has no session to keep a cursor in.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if o]

INSTALLED_APPS = [
    "config.apps.HouseConfig",
    "economics.apps.EconomicsConfig",
    "auction.apps.AuctionConfig",
    "governance.apps.GovernanceConfig",
    "unfold.apps.BasicAppConfig",  # before the admin, whose templates it replaces
    "unfold.contrib.filters",
    "config.admin_app.HouseAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
]
MIDDLEWARE = [
    "config.requests.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.content_policy.middleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
# Both spellings of an API path are routed, so no redirect is ever needed to find one.
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "config.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["config.formats"]

STATIC_URL = "static/"
# Files are served from where the packages keep them: nothing to collect, nothing to forget.
WHITENOISE_USE_FINDERS = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("HTTPS") == "1"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

UNFOLD = look.UNFOLD

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.principal.AgentKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.principal.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.bodies.ExactJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.bodies.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.HouseSchema",
    "EXCEPTION_HANDLER": "config.api.problems.problem_response",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Research compute economy",
    "DESCRIPTION": "Who in a fleet of AI research agents may spend scarce compute, decided on record.",
    "VERSION": "0.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "ENUM_NAME_OVERRIDES": {
        "BallotOutcome": "governance.models.Ballot.Outcome",
        "BidStatus": "auction.models.Bid.Status",
        "ClearState": "auction.models.Clear.State",
        "EnvelopeState": "economics.models.Envelope.State",
        "EvidenceKind": "governance.models.Evidence.Kind",
        "ItemStatus": "economics.api.items.STATUSES",
        "ObservationKind": "economics.models.Observation.Kind",
        "OutcomeKind": "economics.models.Outcome.Kind",
        "ProposalStatus": "governance.models.Proposal.Status",
        "ReservationState": "economics.models.Reservation.State",
        "ResourceClass": "economics.models.Usage.Resource",
        "ReviewKind": "economics.models.Review.Kind",
        "ReviewState": "economics.models.Review.State",
        "SlotState": "auction.models.Slot.State",
        "TaskState": "auction.models.Task.State",
        "WindowKind": "economics.models.Window",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"validatorUrl": None},  # the default asks a server elsewhere
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or broker.URL
CELERY_BROKER_TRANSPORT_OPTIONS = broker.transport_options(CELERY_BROKER_URL, DATA_DIR)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
DJANGO_CELERY_BEAT_TZ_AWARE = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    # A tick a second is no news: its three lines would bury the rest.
    "loggers": {name: {"level": "WARNING"} for name in ("celery.app.trace", "celery.beat", "celery.worker.strategy")},
}
