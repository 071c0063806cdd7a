"""The admin app with the house's own site, in a module that loads before any model."""

from django.contrib.admin.apps import AdminConfig


class HouseAdminConfig(AdminConfig):
    """Django admin whose default site is the house's."""

    default_site = "config.site.HouseAdminSite"
