"""The bases of pages that django-unfold dresses, under the types that it lacks: Django's, which they extend."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, ModelAdmin, StackedInline, TabularInline
    from django.contrib.admin import TabularInline as NonrelatedTabularInline
    from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.contrib.inlines.admin import NonrelatedTabularInline
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm
    from unfold.forms import UserCreationForm as AdminUserCreationForm
    from unfold.sites import UnfoldAdminSite as AdminSite

__all__ = [
    "AdminPasswordChangeForm",
    "AdminSite",
    "AdminUserCreationForm",
    "ModelAdmin",
    "NonrelatedTabularInline",
    "StackedInline",
    "TabularInline",
    "UserChangeForm",
]
