"""JSON trees -> protobuf bytes: stable, cached, and refused with the name of the field."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tandem.drivers.xds.encode import EncodeError, Encoder, encode_resource, encode_tree
from tandem.state.xds import CLUSTER, LISTENER, Resource, Snapshot

TYPED: dict[str, Any] = {
    "name": "l",
    "filter_chains": [
        {
            "filters": [
                {
                    "name": "x",
                    "typed_config": {
                        "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
                        "type_url": "type.googleapis.com/envoy.x",
                        "value": {f"k{i}": i for i in range(9)},
                    },
                }
            ]
        }
    ],
}


def snapshot(**bodies: dict[str, Any]) -> Snapshot:
    return Snapshot(resources={CLUSTER: {n: Resource(name=n, body=b) for n, b in bodies.items()}})


def test_what_did_not_change_is_not_encoded_again() -> None:
    encoder = Encoder()
    first = encoder.encode(snapshot(a={"name": "a"}, b={"name": "b"}))
    second = encoder.encode(snapshot(a={"name": "a"}, b={"name": "b", "type": "EDS"}))
    assert second[CLUSTER]["a"] is first[CLUSTER]["a"]
    assert second[CLUSTER]["b"].version != first[CLUSTER]["b"].version


def test_the_version_does_not_depend_on_the_order_of_fields() -> None:
    one = Resource(name="a", body={"name": "a", "type": "EDS"})
    other = Resource(name="a", body={"type": "EDS", "name": "a"})
    assert encode_resource(CLUSTER, one) == encode_resource(CLUSTER, other)


def test_bytes_are_the_same_in_another_process() -> None:
    here = encode_tree(LISTENER, TYPED).hex()
    program = (
        "import sys, json; from tandem.drivers.xds.encode import encode_tree;"
        "print(encode_tree(sys.argv[1], json.loads(sys.stdin.read())).hex())"
    )
    import json

    for _ in range(3):
        there = subprocess.run(
            [sys.executable, "-c", program, LISTENER],
            input=json.dumps(TYPED),
            env={"PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert there == here


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(EncodeError, match=r"Cluster a: .*no_such_field"):
        encode_resource(CLUSTER, Resource(name="a", body={"name": "a", "no_such_field": 1}))


def test_an_unknown_type_is_refused_by_name() -> None:
    body = {"name": "l", "listener_filters": [{"name": "x", "typed_config": {"@type": "t/envoy.nowhere.v3.X"}}]}
    with pytest.raises(EncodeError, match=r"Listener l: .*envoy\.nowhere\.v3"):
        encode_resource(LISTENER, Resource(name="l", body=body))
