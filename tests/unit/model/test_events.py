"""Events as values, and their two entries in the registry."""

from __future__ import annotations

from tandem.model.events import EVENTS, NAMES, Event
from tandem.model.kinds import BY_KIND, KINDS
from tandem.model.parse import parse

RAW = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "shop"},
    "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"},
    "reason": "BackOff",
    "type": "Warning",
    "series": {"count": 3, "lastObservedTime": "2026-01-31T12:00:00.000000Z"},
    "source": {"component": "tandem-runtime"},
}


def test_an_event_is_read_with_what_it_is_about() -> None:
    found = parse(RAW)
    assert isinstance(found, Event)
    assert (found.involved_object.name, found.involved_object.field_path) == ("web", "spec.containers{c}")
    assert found.series is not None
    assert found.series.count == 3


def test_both_forms_are_in_the_registry() -> None:
    assert [k for k in KINDS if k.kind == "Event"] == list(EVENTS)
    assert {BY_KIND[name].api_version for name in NAMES} == {"v1", "events.k8s.io/v1"}
