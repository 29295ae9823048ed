"""Events in the form of events.k8s.io/v1, and back: one object in store (core/v1), two forms on the wire. Pure."""

from __future__ import annotations

from typing import Any, Final

from tandem.model.events import EVENTS

Raw = dict[str, Any]
CORE, GROUP = EVENTS
OTHER: Final = GROUP.api_version
"""The apiVersion of the form that is not stored."""
_RENAMED: Final = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_BACK: Final = {new: old for old, new in _RENAMED.items()}


def shown(raw: Raw) -> Raw:
    """A stored Event in the other form."""
    return {**_renamed(raw, _RENAMED), "apiVersion": OTHER}


def stored(raw: Raw) -> Raw:
    """What came in the other form, as it is stored."""
    return {**_renamed(raw, _BACK), "apiVersion": CORE.api_version}


def field(path: str) -> str:
    """A field of a selector by its name in the stored form."""
    first, dot, rest = path.partition(".")
    return f"{_BACK.get(first, first)}{dot}{rest}"


def _renamed(raw: Raw, names: dict[str, str]) -> Raw:
    return {names.get(name, name): value for name, value in raw.items()}
