"""Addresses of the pages that join all apps."""

from django.urls import re_path

from governance.pages import resources

urlpatterns = [
    re_path(r"^resources/?\Z", resources.page, name="resources"),
    re_path(rf"^resources/(?P<tab>{'|'.join(resources.TABS)})/?\Z", resources.page, name="resources_tab"),
    re_path(r"^resources/auction/live/?\Z", resources.live, name="resources_live"),
]
