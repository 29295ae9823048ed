"""Where a rule came from (`Origin`) and what is wrong with what a user wrote (`Problem`).

Every compiled rule carries its Origin through nftables comments and Envoy metadata into flows and explanations.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec


class Origin(msgspec.Struct, frozen=True, kw_only=True, order=True, omit_defaults=True):
    """The manifest (and the rule in it) that something was compiled from.

    `path` is the field path inside the object, such as `spec.ingress[0]`; `source` is `file:line` where the object
    was applied from a file, and points at the rule's own line when it is known.
    """

    kind: str
    name: str
    namespace: str = ""
    path: str = ""
    source: str = ""

    def __str__(self) -> str:
        """One line for people: `NetworkPolicy shop/deny-all spec.ingress[0] (policy.yaml:7)`."""
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        parts = [self.kind, where]
        if self.path:
            parts.append(self.path)
        if self.source:
            parts.append(f"({self.source})")
        return " ".join(parts)


class Severity(Enum):
    """How bad a Problem is: an ERROR makes the object (or the named part of it) not programmed."""

    ERROR = "error"
    WARNING = "warning"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The user's mistake, as a value: translation returns it and never raises it.

    `code` is a CamelCase reason as it appears in a condition (`BackendNotFound`, `SubsetNotFound`).
    """

    at: Origin
    code: str
    text: str
    severity: Severity = Severity.ERROR


ObjectKey = tuple[str, str, str]
"""(kind, namespace, name) of what an Origin names."""


def by_object(problems: Iterable[Problem]) -> dict[ObjectKey, tuple[Problem, ...]]:
    """The same by the object that each is about, in their order, each once."""
    found: dict[ObjectKey, dict[Problem, None]] = {}
    for problem in problems:
        found.setdefault((problem.at.kind, problem.at.namespace, problem.at.name), {})[problem] = None
    return {key: tuple(own) for key, own in found.items()}


class DriverError(Exception):
    """The world refused (kernel, Envoy, file system): the loop that called retries."""
