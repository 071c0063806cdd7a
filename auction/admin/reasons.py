"""Forms that ask why."""

from django import forms


class ReasonForm(forms.Form):
    """Why it is done; may be left out."""

    reason = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record."
    )


class GivenReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes on record.")
