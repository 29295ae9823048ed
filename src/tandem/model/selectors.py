"""Label selectors. Each API has its own answer to emptiness; the caller decides with the type it holds.

A `LabelSelector` value always selects: `{}` is everything. Absent is `None`, and means what the API at hand says.
A Service's `spec.selector` is a plain map for which `{}` is nobody: `matches_map`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tandem.model.meta import Model


class Requirement(Model, frozen=True, kw_only=True):
    """matchExpressions[]: In, NotIn, Exists, DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Model, frozen=True, kw_only=True):
    """metav1.LabelSelector; all parts must hold, `{}` matches everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()


OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def unknown_operator(selector: LabelSelector) -> str:
    """The path in the selector of the first operator that is none: `matchExpressions[0].operator`; else nothing."""
    for i, requirement in enumerate(selector.match_expressions):
        if requirement.operator not in OPERATORS:
            return f"matchExpressions[{i}].operator"
    return ""


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """True if `labels` satisfy the selector (Kubernetes docs, "Labels and Selectors")."""
    if any(labels.get(k) != v for k, v in selector.match_labels.items()):
        return False
    return all(_holds(r, labels) for r in selector.match_expressions)


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":  # an absent label is "not in" (apimachinery labels.Requirement)
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"unknown selector operator {other!r}")


def matches_map(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """A Service's selector: `{}` matches nobody."""
    return bool(selector) and all(labels.get(k) == v for k, v in selector.items())
