"""How Events name objects."""

from __future__ import annotations

from builders import node, pod
from tandem.model.parse import parse
from tandem.model.said import reference, say


def test_an_object_is_named_with_its_uid_and_a_part_of_it_with_the_path() -> None:
    found = reference(pod("web", namespace="shop", uid="u"), "spec.containers{c}")
    assert (found.kind, found.namespace, found.name, found.uid) == ("Pod", "shop", "web", "u")
    assert found.field_path == "spec.containers{c}"


def test_a_node_is_named_as_its_kubelet_does() -> None:
    assert reference(node("n1")).uid == "n1"


def test_a_kind_has_the_name_that_its_api_gives_it() -> None:
    raw = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "g", "namespace": "n"}}
    told = say(parse(raw), "Refused", "text", warning=True)
    assert (told.about.kind, told.about.api_version) == ("Gateway", "networking.istio.io/v1")
    assert (told.reason, told.message, told.warning) == ("Refused", "text", True)
