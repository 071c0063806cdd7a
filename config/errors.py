"""What a rule says when it refuses: a stable code, a sentence and the figures behind it."""

from typing import ClassVar


class RefusedError(Exception):
    """A deed was refused and nothing was written. Interfaces turn it into problem+json or a message."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, pointer: str = "", **figures: object) -> None:
        """Take a sentence for people, the JSON pointer of the field at fault, and figures for programs."""
        self.detail = detail or (type(self).__doc__ or "").split("\n", maxsplit=1)[0]
        self.pointer = pointer
        self.figures = figures
        super().__init__(self.detail)

    def faults(self) -> list[dict[str, str]]:
        """Return each thing that is wrong with a field: code, detail and pointer. None where no field is at fault."""
        return [{"code": self.code, "detail": self.detail, "pointer": self.pointer}] if self.pointer else []


class InvalidError(RefusedError):
    """The request cannot be understood or lies outside what is allowed."""

    code = "invalid"
    status = 422


class NotFoundError(RefusedError):
    """There is no such thing, or it is not yours to see."""

    code = "not_found"
    status = 404


class RetryableError(RefusedError):
    """Somebody else moved in between; nothing was written. Ask again."""

    code = "retryable"
    status = 503
    retryable = True
