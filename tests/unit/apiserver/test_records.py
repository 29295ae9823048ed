"""Objects and changes as bytes."""

from __future__ import annotations

import json

from tandem.apiserver.records import Event, Record
from tandem.model.kinds import BY_KIND

RAW = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "spec": {"hosts": ["a"]},
    "metadata": {"name": "a", "namespace": "b", "resourceVersion": "7"},
}
RECORD = Record(BY_KIND["VirtualService"], RAW)


def test_an_object_is_encoded_in_the_version_asked_for() -> None:
    for version in ("networking.istio.io/v1", "networking.istio.io/v1alpha3"):
        assert json.loads(RECORD.encode(version)) == {**RAW, "apiVersion": version}


def test_metadata_comes_before_the_rest() -> None:
    assert list(json.loads(RECORD.encode("v"))) == ["apiVersion", "kind", "metadata", "spec"]


def test_key_and_version_are_read() -> None:
    assert (RECORD.key, RECORD.version) == (("b", "a"), 7)


def test_an_event_is_encoded_once_for_all_watchers() -> None:
    event = Event("ADDED", RECORD, None, 7)
    assert event.line("v1") is event.line("v1")
    assert json.loads(event.line("v1", "DELETED"))["type"] == "DELETED"
