"""Types are found by URL, and nested Any values are settled."""

from __future__ import annotations

import pytest

from tandem.drivers.xds.anytype import load_types, message_class, settle


def test_types_are_found_by_url() -> None:
    for name in ("envoy.config.cluster.v3.Cluster", "google.protobuf.StringValue", "xds.type.v3.TypedStruct"):
        assert message_class(f"type.googleapis.com/{name}").DESCRIPTOR.full_name == name


def test_a_missing_type_is_named() -> None:
    with pytest.raises(LookupError, match=r"envoy\.config\.cluster\.v3\.Nothing"):
        load_types({"a": [{"@type": "t/envoy.config.cluster.v3.Nothing"}]})


def test_maps_of_messages_and_lists_are_visited() -> None:
    cluster = message_class("t/envoy.config.cluster.v3.Cluster")()
    struct = message_class("t/google.protobuf.Struct")()
    struct.update({f"k{i}": i for i in range(9)})
    cluster.typed_extension_protocol_options["x"].Pack(struct)
    settle(cluster)
    assert cluster.typed_extension_protocol_options["x"].value == struct.SerializeToString(deterministic=True)
