"""Statuses of gRPC by number (gRPC documentation, "Status codes")."""

from __future__ import annotations

from typing import Final

STATUSES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def status_name(number: str) -> str:
    """The name of a status that is written as a number; empty for what is none, a number that has no name as it is."""
    if not number.isdecimal():
        return ""
    return STATUSES[int(number)] if int(number) < len(STATUSES) else number
