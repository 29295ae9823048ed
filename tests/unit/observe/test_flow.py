"""The JSON of a flow: names as documented, and what is empty is left out."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin
from tandem.observe.flow import Flow, Http, Layer, Party, Verdict

DROP = Flow(
    time=1.5,
    node="node-1",
    verdict=Verdict.DENIED,
    layer=Layer.L4,
    protocol="TCP",
    source=Party(address="10.244.0.5", port=4000, namespace="shop", pod="client"),
    destination=Party(address="10.244.0.8", port=8080),
    reporter="kernel",
    direction="ingress",
    rules=(Origin(kind="NetworkPolicy", namespace="shop", name="deny-all", path="spec.ingress"),),
)


def test_a_drop_is_written_as_documented() -> None:
    assert msgspec.json.decode(msgspec.json.encode(DROP)) == {
        "time": 1.5,
        "node": "node-1",
        "verdict": "denied",
        "layer": "L4",
        "protocol": "TCP",
        "source": {"address": "10.244.0.5", "port": 4000, "namespace": "shop", "pod": "client"},
        "destination": {"address": "10.244.0.8", "port": 8080},
        "reporter": "kernel",
        "direction": "ingress",
        "rules": [{"kind": "NetworkPolicy", "namespace": "shop", "name": "deny-all", "path": "spec.ingress"}],
    }


def test_a_flow_survives_the_way_from_node_to_control() -> None:
    request = msgspec.structs.replace(DROP, layer=Layer.L7, http=Http(method="GET", path="/v1", code=200), tls=True)
    assert msgspec.json.decode(msgspec.json.encode(request), type=Flow) == request


def test_fields_of_a_newer_node_are_ignored() -> None:
    raw = {**msgspec.to_builtins(DROP), "colour": "red"}
    assert msgspec.convert(raw, Flow) == DROP
