"""The bootstrap: what must be in it, and that it is stable."""

from __future__ import annotations

from pathlib import Path

from tandem.base.paths import NodeDir
from tandem.drivers.envoy.bootstrap import AGENT_CLUSTER, bootstrap, bootstrap_json
from tandem.drivers.xds.encode import encode_tree

PATHS = NodeDir(Path("/run/tandem/nodes/n1"))


def test_it_is_a_valid_bootstrap() -> None:
    assert encode_tree("type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap", bootstrap("n1", PATHS))


def test_equal_arguments_give_equal_bytes() -> None:
    assert bootstrap_json("n1", PATHS) == bootstrap_json("n1", PATHS) != bootstrap_json("n2", PATHS)


def test_it_tells_how_many_took_over_before_it() -> None:
    assert bootstrap("n1", PATHS, generation=3)["node"]["metadata"] == {"generation": 3}


def test_nothing_begins_without_its_first_listeners() -> None:
    resources = bootstrap("n1", PATHS)["dynamic_resources"]
    assert {resources[kind]["initial_fetch_timeout"] for kind in ("cds_config", "lds_config")} == {"0s"}


def test_regular_expressions_may_be_as_large_as_with_istio() -> None:
    (layer,) = bootstrap("n1", PATHS)["layered_runtime"]["layers"]
    assert layer["static_layer"] == {"re2.max_program_size.error_level": 32_768}


def test_sockets_are_those_of_the_node() -> None:
    tree = bootstrap("n1", PATHS)
    assert tree["admin"]["address"]["pipe"] == {"path": "/run/tandem/nodes/n1/envoy-admin.sock", "mode": 0o600}
    assert [c["name"] for c in tree["static_resources"]["clusters"]] == [AGENT_CLUSTER]
    assert "/run/tandem/nodes/n1/xds.sock" in str(tree["static_resources"])
