"""The project's settings, with the views to compare with beside the real ones."""

from config.settings import *  # noqa: F403 - the same settings but for one

ROOT_URLCONF = "tests.benchmarks.views"
