"""Events: what has become of an object, and why, in a sentence (core/v1; events.k8s.io/v1 is another form of the same).

Who has something to tell says it by `model/said.py`; `ingest/recorder.py` makes Events of it.
"""

from __future__ import annotations

from typing import Final

from tandem.model.kind import Kind
from tandem.model.meta import Model, Object

NORMAL: Final = "Normal"
WARNING: Final = "Warning"


class Reference(Model, frozen=True, kw_only=True):
    """core/v1 ObjectReference."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(Model, frozen=True, kw_only=True):
    """core/v1 EventSource."""

    component: str = ""
    host: str = ""


class EventSeries(Model, frozen=True, kw_only=True):
    """core/v1 EventSeries."""

    count: int = 0
    last_observed_time: str = ""


class Event(Object, frozen=True, kw_only=True):
    """core/v1 Event."""

    involved_object: Reference = Reference()
    reason: str = ""
    message: str = ""
    type: str = NORMAL
    count: int = 0
    first_timestamp: str = ""
    last_timestamp: str = ""
    event_time: str = ""
    series: EventSeries | None = None
    source: EventSource = EventSource()
    reporting_component: str = ""
    reporting_instance: str = ""


class GroupEvent(Object, frozen=True, kw_only=True):
    """events.k8s.io/v1 Event."""

    regarding: Reference = Reference()
    reason: str = ""
    note: str = ""
    type: str = NORMAL
    event_time: str = ""
    series: EventSeries | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""


EVENTS: Final = (
    Kind(group="", versions=("v1",), kind="Event", plural="events", short=("ev",), cls=Event),
    Kind(group="events.k8s.io", versions=("v1",), kind="Event", plural="events", cls=GroupEvent),
)
"""The registry's entries. Both are one kind in store: the first."""
NAMES: Final = frozenset(kind.name for kind in EVENTS)
