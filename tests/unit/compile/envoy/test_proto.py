"""Small parts of protobuf JSON."""

from __future__ import annotations

import pytest

from tandem.compile.envoy.proto import any_of, at_ports, milliseconds, socket_address, typed_struct


@pytest.mark.parametrize(("value", "text"), [(0, "0s"), (1000, "1s"), (1500, "1.500s"), (25, "0.025s")])
def test_milliseconds_become_a_duration(value: int, text: str) -> None:
    assert milliseconds(value) == text


def test_an_address_names_its_namespace_only_if_there_is_one() -> None:
    assert "network_namespace_filepath" not in socket_address("10.0.0.1", 80)["socket_address"]
    assert socket_address("127.0.0.1", 1, "/ns")["socket_address"]["network_namespace_filepath"] == "/ns"


def test_an_any_carries_its_type_beside_its_fields() -> None:
    assert any_of("x.v3.Y", {"a": 1}) == {"@type": "type.googleapis.com/envoy.x.v3.Y", "a": 1}


def test_a_typed_struct_keeps_the_real_type_inside() -> None:
    made = typed_struct("x.v3.Y", {"a": 1})
    assert made["@type"].endswith("xds.type.v3.TypedStruct")
    assert (made["type_url"], made["value"]) == ("type.googleapis.com/envoy.x.v3.Y", {"a": 1})


def test_a_predicate_of_ports_is_bare_for_one() -> None:
    one = {"destination_port_range": {"start": 80, "end": 81}}
    assert at_ports([80]) == one
    assert at_ports([80, 90])["or_match"]["rules"][0] == one
