"""Refusals as values of HTTP: an exception that carries a Kubernetes `Status`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tandem.model.kinds import Kind
from tandem.model.schemas.complaint import reason_of

REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    500: "InternalError",
}


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """The request cannot be granted; `status` is the body of the answer."""

    def __init__(self, code: int, message: str, *, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason or REASONS.get(code, "Unknown"),
            "details": details or {},
            "code": code,
        }


def _details(kind: Kind, name: str) -> dict[str, Any]:
    return {"name": name, "group": kind.group, "kind": kind.plural}


def _resource(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def not_found(kind: Kind, name: str) -> Refusal:
    """404."""
    return Refusal(404, f'{_resource(kind)} "{name}" not found', details=_details(kind, name))


def already_exists(kind: Kind, name: str) -> Refusal:
    """409, reason AlreadyExists."""
    text = f'{_resource(kind)} "{name}" already exists'
    return Refusal(409, text, reason="AlreadyExists", details=_details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> Refusal:
    """409, reason Conflict."""
    text = f'Operation cannot be fulfilled on {_resource(kind)} "{name}": {why}'
    return Refusal(409, text, details=_details(kind, name))


def forbidden(kind: Kind, name: str, why: str) -> Refusal:
    """403."""
    return Refusal(403, f'{_resource(kind)} "{name}" is forbidden: {why}', details=_details(kind, name))


def invalid(kind: Kind, name: str, errors: Iterable[str]) -> Refusal:
    """422 with one cause for each `path: text` line."""
    lines = list(errors)
    causes = []
    for line in lines:
        path, _, text = line.partition(": ")
        causes.append({"reason": reason_of(text), "message": text, "field": path})
    subject = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": causes}
    return Refusal(422, f'{subject} "{name}" is invalid: {text}', details=details)


def gone(message: str) -> Refusal:
    """410: the client must list again."""
    return Refusal(410, message)
