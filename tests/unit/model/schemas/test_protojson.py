"""Names and numbers as protobuf's JSON lets them be written."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.protojson import from_protojson, whole_number

PROVIDER = "MeshExtensionProvider"


@pytest.mark.parametrize(
    "written",
    [
        {"name": "a", "envoyExtAuthzGrpc": {"service": "b", "port": 9000}},
        {"name": "a", "envoyExtAuthzGrpc": {"service": "b", "port": "9000"}},
        {"name": "a", "envoy_ext_authz_grpc": {"service": "b", "port": "9000"}},
    ],
)
def test_a_field_has_two_names_and_a_number_may_stand_in_quotes(written: Any) -> None:
    assert from_protojson(written, PROVIDER) == {"name": "a", "envoyExtAuthzGrpc": {"service": "b", "port": 9000}}


def test_numbers_are_found_in_lists_and_maps() -> None:
    written = {"distribute": [{"from": "eu/*", "to": {"eu/*": "80", "us/*": 20}}], "failover_priority": ["7"]}
    assert from_protojson(written, "DrLocality") == {
        "distribute": [{"from": "eu/*", "to": {"eu/*": 80, "us/*": 20}}],
        "failoverPriority": ["7"],
    }


@pytest.mark.parametrize("text", ["", "01", "1.5", "0x10", " 1", "1 ", "1_0", "९", "9" * 20, None, True, 5])
def test_what_is_no_whole_number_stays_as_it_is(text: Any) -> None:
    assert whole_number(text) is text


@pytest.mark.parametrize("value", [5, None, [], "text", {"name": 5, "some_thing": "9", 7: "8"}])
def test_what_has_another_form_is_not_changed(value: Any) -> None:
    assert from_protojson(value, PROVIDER) == value


def test_a_field_that_is_there_by_both_names_is_not_overwritten() -> None:
    both = {"name": "a", "envoyExtAuthzGrpc": {"service": "b"}, "envoy_ext_authz_grpc": {"service": "c"}}
    assert from_protojson(both, PROVIDER) == both
