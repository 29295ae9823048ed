"""labelSelector and fieldSelector of a query -> predicates over raw objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tandem.apiserver import eventforms
from tandem.apiserver.errors import Refusal
from tandem.model.kind import Kind
from tandem.model.schemas.syntax import label_value, qualified

Raw = dict[str, Any]
Predicate = Callable[[Raw], bool]
FIELDS: Final = ("metadata.name", "metadata.namespace", "spec.nodeName", "status.phase", "type", "spec.type")
OF_KINDS: Final = {
    "Node": ("spec.unschedulable",),
    "Pod": ("spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.podIP"),
    "Service": ("spec.clusterIP",),
}
"""What Kubernetes knows of single kinds beside those."""
_TRUTHS: Final = ("spec.unschedulable", "spec.hostNetwork")
OF_EVENTS: Final = (
    "metadata.name",
    "metadata.namespace",
    *(
        f"involvedObject.{f}"
        for f in ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_SET: Final = re.compile(r"\s*(\S+)\s+(in|notin)\s*\(([^()]*)\)\s*")
_EQUAL: Final = re.compile(r"\s*([^\s=!,()]+)\s*(==|=|!=)\s*([^\s=!,()]*)\s*")
_EXISTS: Final = re.compile(r"\s*(!?)\s*([^\s=!,()]+)\s*")


def parse_label_selector(text: str) -> Predicate | None:
    """`a=b,c!=d,e in (f,g),h notin (i),j,!k`; None selects everything. Raises Refusal 400."""
    checks = [_label_check(part) for part in _split(text) if part.strip()]
    if not checks:
        return None

    def matches(raw: Raw) -> bool:
        labels = raw["metadata"].get("labels") or {}
        return all(check(labels) for check in checks)

    return matches


def _split(text: str) -> list[str]:
    """At commas outside parentheses."""
    return re.split(r",(?![^(]*\))", text)


def _label_check(part: str) -> Callable[[dict[str, str]], bool]:
    key, operator, values = _requirement(part)
    wrong = qualified(key) or next((w for v in values if (w := label_value(v))), None)
    if wrong:
        raise Refusal(400, f"unable to parse requirement {part.strip()!r}: {wrong}")
    match operator:
        case "in":
            return lambda labels: labels.get(key) in values
        case "notin":
            return lambda labels: labels.get(key) not in values
        case "exists":
            return lambda labels: key in labels
        case _:
            return lambda labels: key not in labels


def _requirement(part: str) -> tuple[str, str, frozenset[str]]:
    if found := _SET.fullmatch(part):
        return found[1], found[2], frozenset(v.strip() for v in found[3].split(","))
    if found := _EQUAL.fullmatch(part):
        return found[1], "notin" if found[2] == "!=" else "in", frozenset({found[3]})
    if found := _EXISTS.fullmatch(part):
        return found[2], "absent" if found[1] else "exists", frozenset()
    raise Refusal(400, f"unable to parse requirement {part.strip()!r} of the label selector")


def parse_field_selector(text: str, kind: Kind) -> Predicate | None:
    """`metadata.name=a,spec.nodeName!=b`; None selects everything. Raises Refusal 400 for a field not indexed."""
    known = OF_EVENTS if kind is eventforms.CORE else (*FIELDS, *OF_KINDS.get(kind.name, ()))
    checks: list[tuple[list[str], bool, str]] = []
    for part in text.split(","):
        if not part.strip():
            continue
        found = _EQUAL.fullmatch(part)
        name = found[1] if found is not None else ""
        name = eventforms.field(name) if kind is eventforms.CORE else name
        if found is None or name not in known:
            raise Refusal(400, f"field selector {part.strip()!r} is not supported; supported are {', '.join(known)}")
        path = ["source", "component"] if name == "source" else name.split(".")
        value = "" if name in _TRUTHS and found[3] == "false" else found[3]  # not said is false
        checks.append((path, found[2] != "!=", value))
    if not checks:
        return None
    return lambda raw: all((_field(raw, path) == value) is wanted for path, wanted, value in checks)


def _field(raw: Raw, path: list[str]) -> str:
    value: Any = raw
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return "true" if value is True else str(value or "")


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """Both must hold; None holds always."""
    if first is None or second is None:
        return first or second
    return lambda raw: first(raw) and second(raw)
