"""How the API describes itself: its key, its scopes, its errors and the header of its writes, in OpenAPI."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from config.api import idempotency, problems


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # registers itself
    """`Authorization: Bearer <key>`."""

    target_class = "config.api.principal.AgentKeyAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - spectacular's signature
        """Describe the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "A key of an agent: `rk_…`."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # registers itself
    """The cookie of a person who signed in at the admin."""

    target_class = "config.api.principal.PersonAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - spectacular's signature
        """Describe the scheme."""
        said = "A person signed in at the admin; writes carry the header X-CSRFToken as well."
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": said}


class UsdInWords(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call] # registers itself
    """USD: text in answers, text or a number in bodies."""

    target_class = "config.api.fields.Usd"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:  # noqa: ARG002 - spectacular's signature
        """Describe the field."""
        text = {"type": "string", "format": "decimal", "pattern": r"^\d{1,18}(\.\d{1,12})?$"}
        if direction == "response":
            return text
        number = {"type": "number", "minimum": 0, "maximum": 10**15, "exclusiveMaximum": True}
        return {"oneOf": [text | {"pattern": r"^\d{1,15}(\.\d{1,12})?$"}, number]}


class AmountInWords(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call] # registers itself
    """Amounts of a resource: text in answers, text or a number in bodies."""

    target_class = "config.api.fields.Amount"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:  # noqa: ARG002 - spectacular's signature
        """Describe the field."""
        text = {"type": "string", "format": "decimal", "pattern": r"^-?\d{1,24}(\.\d{1,6})?$"}
        if direction == "response":
            return text
        number = {"type": "number", "minimum": 0, "maximum": 10**15}
        return {"oneOf": [text | {"pattern": r"^\d{1,16}(\.\d{1,6})?$"}, number]}


class NumberInWords(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call] # registers itself
    """Other exact numbers: text in answers, text or a number in bodies."""

    target_class = "config.api.fields.PlainNumber"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:  # noqa: ARG002 - spectacular's signature
        """Describe the field."""
        field = self.target
        sign = "" if field.min_value is not None and field.min_value >= 0 else "-?"
        digits = rf"\d{{1,{max(1, field.max_digits - field.decimal_places)}}}(\.\d{{1,{field.decimal_places}}})?"
        text = {"type": "string", "format": "decimal", "pattern": f"^{sign}{digits}$"}
        if direction == "response":
            return text
        bounds = {"minimum": field.min_value, "maximum": field.max_value}
        number = {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}
        return {"oneOf": [text, number]}


class ObjectInWords(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call] # registers itself
    """An object whose parts a rule judges."""

    target_class = "config.api.fields.Object"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:  # noqa: ARG002 - spectacular's signature
        """Describe the field."""
        return {"type": "object", "additionalProperties": {}}


class Fault(serializers.Serializer[object]):
    """One thing that is wrong with a request."""

    code = serializers.CharField()
    detail = serializers.CharField()
    pointer = serializers.CharField(help_text="JSON pointer into the body; empty: the request as a whole.")
    parameter = serializers.CharField(required=False, help_text="The query parameter at fault.")


class Problem(serializers.Serializer[object]):
    """An error (RFC 9457). Programs go by `code`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    errors = Fault(many=True)  # type: ignore[assignment] # a serializer of its own has errors, too
    figures = serializers.DictField(help_text="What a refusal was computed from.")


class HouseSchema(AutoSchema):
    """Adds to each operation what all have in common."""

    def get_override_parameters(self) -> list[Any]:
        """Add the header that keyed writes need."""
        if self.method not in getattr(self.view, "keyed", ()):
            return []
        return [
            OpenApiParameter(
                idempotency.HEADER,
                location=OpenApiParameter.HEADER,
                required=True,
                pattern="^[!-~]{1,200}$",
                description="New for each new request; sent again with the same body it returns the first answer.",
            )
        ]

    def get_description(self) -> str:  # type: ignore[override] # spectacular's signature
        """Name the scope of a key, and the right of a person."""
        scope = getattr(self.view, "scopes", {}).get(self.method)
        right = getattr(self.view, "rights", {}).get(self.method)
        named = (f"Scope: `{scope}`." if scope else "", f"Right of a person: `{right}`." if right else "")
        return "\n\n".join(part for part in (str(super().get_description()), *named) if part)

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """Add the errors: those of the key by number, all others as the default."""
        responses = super()._get_response_bodies(direction)
        statuses = ("401", "403", "default") if hasattr(self.view, "scopes") else ("default",)
        for status in statuses:
            described = self._get_response_for_code(  # type: ignore[no-untyped-call] # no types there
                Problem, status, [problems.PROBLEM_JSON], direction
            )
            responses[status] = described | {"description": _ERRORS[status]}
        return responses


_ERRORS = {
    "401": "No valid key.",
    "403": "The key lacks the scope, or the person the right.",
    "default": "Any other error.",
}
