"""Node ports: given, honoured, kept, refused and free again; the defaults of a Service's type."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apiserver.nodeports import FIRST, LAST, used_ports, with_node_ports
from tandem.apiserver.services import AddressError

NONE: frozenset[tuple[str, int]] = frozenset()


def spec(*ports: dict[str, Any], kind: str = "NodePort", **more: Any) -> dict[str, Any]:
    return {"type": kind, "ports": list(ports) or [{"port": 80}], **more}


def numbers(made: dict[str, Any]) -> list[int]:
    return [p.get("nodePort", 0) for p in made["ports"]]


def test_each_port_gets_the_first_free_number_of_its_protocol() -> None:
    made = with_node_ports(spec({"port": 80}, {"port": 53, "protocol": "UDP"}), None, frozenset({("TCP", FIRST)}))
    assert numbers(made) == [FIRST + 1, FIRST]


def test_a_port_asked_for_is_honoured_and_not_given_to_another_port_of_the_same_service() -> None:
    assert numbers(with_node_ports(spec({"port": 1}, {"port": 2, "nodePort": FIRST}), None, NONE)) == [FIRST + 1, FIRST]


def test_a_port_of_another_service_is_refused() -> None:
    with pytest.raises(AddressError, match=r"^spec\.ports\[0\]\.nodePort: 30080 \(TCP\) is allocated already"):
        with_node_ports(spec({"port": 80, "nodePort": 30080}), None, frozenset({("TCP", 30080)}))
    assert numbers(with_node_ports(spec({"port": 80, "nodePort": 30080}), None, frozenset({("UDP", 30080)}))) == [30080]


def test_a_number_outside_the_range_is_refused() -> None:
    with pytest.raises(AddressError, match="range of node ports"):
        with_node_ports(spec({"port": 80, "nodePort": 8080}), None, NONE)


def test_an_update_that_names_no_port_keeps_it() -> None:
    old = with_node_ports(spec({"port": 80, "nodePort": 31000}), None, NONE)
    assert numbers(with_node_ports(spec({"port": 80}, {"port": 81}), old, NONE)) == [31000, FIRST]


def test_a_type_without_node_ports_gives_them_back() -> None:
    old = with_node_ports(spec(), None, NONE)
    assert numbers(with_node_ports({**old, "type": "ClusterIP"}, old, NONE)) == [0]
    with pytest.raises(AddressError, match="may not be used when `type` is 'ClusterIP'"):
        with_node_ports(spec({"port": 80, "nodePort": 30001}, kind="ClusterIP"), None, NONE)


def test_a_load_balancer_may_do_without() -> None:
    assert numbers(with_node_ports(spec(kind="LoadBalancer"), None, NONE)) == [FIRST]
    bare = with_node_ports(spec(kind="LoadBalancer", allocateLoadBalancerNodePorts=False), None, NONE)
    assert numbers(bare) == [0]


def test_what_is_in_use_is_told_by_protocol() -> None:
    made = with_node_ports(spec({"port": 53, "protocol": "UDP", "nodePort": 30053}), None, NONE)
    assert used_ports([made, {"ports": None}]) == {("UDP", 30053)}


def test_no_number_is_left() -> None:
    every = frozenset(("TCP", n) for n in range(FIRST, LAST + 1))
    with pytest.raises(AddressError, match="no node port is left"):
        with_node_ports(spec(), None, every)


def test_the_defaults_are_those_of_kubernetes() -> None:
    made = with_node_ports(spec(), None, NONE)
    assert (made["internalTrafficPolicy"], made["externalTrafficPolicy"]) == ("Cluster", "Cluster")
    assert made["sessionAffinity"] == "None"
    inner = with_node_ports(spec(kind="ClusterIP", externalTrafficPolicy="Local"), None, NONE)
    assert "externalTrafficPolicy" not in inner
    sticky = with_node_ports(spec(kind="ClusterIP", sessionAffinity="ClientIP"), None, NONE)
    assert sticky["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_wrong_values_are_named() -> None:
    for field, wrong in (("internalTrafficPolicy", "Near"), ("sessionAffinity", "Cookie")):
        with pytest.raises(AddressError, match=rf"^spec\.{field}: '{wrong}'"):
            with_node_ports(spec(**{field: wrong}), None, NONE)
    timeout = {"clientIP": {"timeoutSeconds": 86401}}
    with pytest.raises(AddressError, match="timeoutSeconds: 86401"):
        with_node_ports(spec(sessionAffinity="ClientIP", sessionAffinityConfig=timeout), None, NONE)


def test_an_external_name_is_left_as_it_is() -> None:
    named = {"type": "ExternalName", "externalName": "a.b"}
    assert with_node_ports(named, None, NONE) == named


def balancer(**more: Any) -> dict[str, Any]:
    return spec(kind="LoadBalancer", **{"externalTrafficPolicy": "Local", **more})


def test_a_load_balancer_with_the_policy_local_gets_a_port_for_health_checks() -> None:
    made = with_node_ports(balancer(), None, NONE)
    assert made["healthCheckNodePort"] == FIRST + 1
    assert used_ports([made]) == {("TCP", FIRST), ("TCP", FIRST + 1)}
    assert with_node_ports(balancer(), made, NONE)["healthCheckNodePort"] == FIRST + 1
    assert "healthCheckNodePort" not in with_node_ports(balancer(externalTrafficPolicy="Cluster"), None, NONE)


def test_a_port_for_health_checks_goes_with_the_policy() -> None:
    made = with_node_ports(balancer(healthCheckNodePort=31000), None, NONE)
    assert made["healthCheckNodePort"] == 31000
    for other in ({"externalTrafficPolicy": "Cluster"}, {"type": "ClusterIP"}):
        assert "healthCheckNodePort" not in with_node_ports({**made, **other}, made, NONE)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({}, {"externalTrafficPolicy": "Cluster", "healthCheckNodePort": 31000}, "may only be used when"),
        ({"healthCheckNodePort": 31000}, {"healthCheckNodePort": 31001}, "may not be changed"),
        ({}, {"healthCheckNodePort": 80}, "range of node ports"),
        ({}, {"healthCheckNodePort": 30080}, "is allocated already"),
    ],
)
def test_a_port_for_health_checks_that_cannot_be_is_refused(
    old: dict[str, Any], new: dict[str, Any], words: str
) -> None:
    with pytest.raises(AddressError, match=rf"^spec\.healthCheckNodePort: .*{words}"):
        with_node_ports(balancer(**new), balancer(**old), frozenset({("TCP", 30080)}))
