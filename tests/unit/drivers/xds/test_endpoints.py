"""The fast way of endpoints agrees with the general one."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.drivers.xds.encode import encode_tree
from tandem.drivers.xds.endpoints import encode_endpoints
from tandem.state.xds import ENDPOINT

ADDRESS = {"address": {"socket_address": {"address": "10.244.0.7", "port_value": 8080}}}
HANDLED: list[dict[str, Any]] = [
    {"cluster_name": "svc/a/b/80"},
    {"cluster_name": "svc/a/b/80", "endpoints": [{"lb_endpoints": [{"endpoint": ADDRESS}]}]},
    {
        "cluster_name": "x",
        "endpoints": [
            {
                "locality": {"zone": "z"},
                "priority": 1,
                "load_balancing_weight": 3,
                "lb_endpoints": [
                    {
                        "endpoint": ADDRESS,
                        "load_balancing_weight": 2,
                        "health_status": "DRAINING",
                        "metadata": {"filter_metadata": {"envoy.transport_socket_match": {"tls": "mesh", "b": "1"}}},
                    }
                ],
            }
        ],
    },
]


@pytest.mark.parametrize("body", HANDLED)
def test_both_ways_give_the_same_bytes(body: dict[str, Any]) -> None:
    assert encode_endpoints(body) == encode_tree(ENDPOINT, body)


def test_an_unknown_field_goes_the_general_way() -> None:
    assert encode_endpoints({"cluster_name": "x", "policy": {"weighted_priority_health": True}}) is None
    nested = {"endpoint": ADDRESS, "metadata": {"filter_metadata": {"x": {"list": [1]}}}}
    assert encode_endpoints({"cluster_name": "x", "endpoints": [{"lb_endpoints": [nested]}]}) is None
    pipe = {"endpoint": {"address": {"pipe": {"path": "/x"}}}}
    assert encode_endpoints({"cluster_name": "x", "endpoints": [{"lb_endpoints": [pipe]}]}) is None
