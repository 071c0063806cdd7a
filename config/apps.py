"""The app of the house itself: users, agents and what every interface shares."""

from django.apps import AppConfig


class HouseConfig(AppConfig):
    """Users, agents, keys and remembered requests."""

    name = "config"
    verbose_name = "House"
