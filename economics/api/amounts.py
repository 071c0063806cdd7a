"""How much, as a body says it: an amount, or for LLM tokens the two parts it is the sum of."""

from decimal import Decimal
from typing import Any

from rest_framework import exceptions

from config.api import fields

_PARTS = ("input_tokens", "output_tokens")


class Measured(fields.Body):
    """`amount` in the unit of the class; for LLM tokens the split will do, whose sum it is."""

    amount = fields.Amount(required=False)
    input_tokens = fields.WholeNumber(min_value=0, required=False)
    output_tokens = fields.WholeNumber(min_value=0, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add up the amount where it is not given, or name what is missing to do so."""
        missing = [name for name in _PARTS if name not in attrs]
        if "amount" not in attrs:
            if missing:
                name = missing[0] if len(missing) == 1 else "amount"
                fault = exceptions.ErrorDetail("This field is required.", code="required")
                raise exceptions.ValidationError({name: fault})
            attrs["amount"] = Decimal(attrs["input_tokens"] + attrs["output_tokens"])
        return attrs
