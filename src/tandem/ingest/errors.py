"""What an API server can refuse, as exceptions; `from_status` picks the class from the Status object it answers."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """The API server refused, or could not be reached (`status` 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(ApiError):  # noqa: N818 - the API's own word
    """404: no such object, or no such kind on this server."""


class AlreadyExists(ApiError):  # noqa: N818 - the API's own word
    """409 on create."""


class Conflict(ApiError):  # noqa: N818 - the API's own word
    """409 on replace or patch: the object has changed since its resourceVersion."""


class Gone(ApiError):  # noqa: N818 - the API's own word
    """410: the resourceVersion is too old; list again."""


class Unreachable(ApiError):  # noqa: N818 - a fact, like the others
    """No answer: connection refused, broken off, or not trusted."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)


def from_status(code: int, status: dict[str, Any]) -> ApiError:
    """The error behind a metav1.Status (or behind a bare HTTP status, with whatever message it came with)."""
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or reason or f"HTTP status {code}")
    if code == 404:
        return NotFound(code, reason or "NotFound", message)
    if code == 409:
        cls = AlreadyExists if reason == "AlreadyExists" else Conflict
        return cls(code, reason or "Conflict", message)
    if code == 410:
        return Gone(code, reason or "Gone", message)
    return ApiError(code, reason, message)
