"""Every address of the site."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config.api import root

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("", include("governance.pages.urls")),
    re_path(r"^healthz/?\Z", root.healthz, name="healthz"),
    re_path(r"^api/?\Z", root.Root.as_view()),
    re_path(r"^api/problems/?\Z", root.Problems.as_view()),
    re_path(r"^api/schema/?\Z", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^api/docs/?\Z", SpectacularSwaggerSplitView.as_view(), name="docs"),
    path("api/compute-auction/", include("auction.api.urls")),
    path("api/", include("auction.api.events")),  # one's own market events among those of the whole house
    path("api/economics/", include("economics.api.urls")),
    path("api/economics/", include("governance.api.entities")),  # the story of an entity, with the proposals on it
    path("api/governance/", include("governance.api.urls")),
    re_path(r"^api/", root.nothing),
    # Browsers ask for this on pages that name no icon, as those of the API do.
    path("favicon.ico", RedirectView.as_view(url=static("config/house.svg"))),
]
handler400 = "config.api.problems.bad_request"
handler404 = "config.api.problems.not_found"
handler500 = "config.api.problems.server_error"
