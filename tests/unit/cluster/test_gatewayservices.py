"""Each Gateway of ours has a Service, which says what the Gateway is and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from builders import service, world
from gatewayworlds import allowing, gateway, gateway_class, https, listener, listenerset
from tandem.apiserver.patch import merge_patch
from tandem.cluster.gatewayservices import CLASS_LABEL, NAME_LABEL, TAKEN_OVER, serve_gateways
from tandem.cluster.writes import Create, Delete, Patch
from tandem.model.gateways import Gateway
from tandem.model.gatewayservices import GATEWAY_CLASS
from tandem.model.meta import Object
from tandem.model.parse import parse

Raw = dict[str, Any]
UDP = listener("names", 53, "UDP")


def says(name: str, accepted: bool = True) -> Raw:  # noqa: FBT001, FBT002 - a status
    status = "True" if accepted else "False"
    return {"name": name, "conditions": [{"type": "Accepted", "status": status}]}


def edge(*listeners: Raw, refused: tuple[str, ...] = (), address: str = "192.0.2.10", **more: Any) -> Gateway:
    """A Gateway whose listeners are accepted, but for some."""
    told = [says(one["name"], one["name"] not in refused) for one in listeners]
    status: Raw = {"listeners": told, "addresses": [{"type": "IPAddress", "value": address}] if address else []}
    return gateway("edge", *listeners, status=status, **more)


def settled(*objects: Object, after: Raw | None = None) -> Raw | None:
    """The Service that is there when nothing is left to be written; `after`: the one before."""
    raw = after
    for _ in range(5):
        present = [parse(raw)] if raw is not None else []
        writes = serve_gateways(world(gateway_class(), *objects, *present))
        if not writes:
            return raw
        for write in writes:
            match write:
                case Create():
                    spec = {"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"], **write.raw["spec"]}
                    raw = {**copy.deepcopy(write.raw), "spec": spec, "status": {}}
                case Patch():
                    raw = merge_patch(raw, write.patch)
                case Delete():
                    raw = None
    raise AssertionError("it does not come to rest")


def test_it_has_the_ports_of_listeners_and_the_addresses_of_the_gateway() -> None:
    listeners = (UDP, listener(), https(), https("again", hostname="again.test"))
    found = settled(edge(*listeners))
    assert found is not None
    assert [(p["name"], p["port"], p["protocol"]) for p in found["spec"]["ports"]] == [
        ("udp-53", 53, "UDP"),
        ("http-80", 80, "TCP"),
        ("https-443", 443, "TCP"),
    ]
    assert (found["spec"]["type"], found["spec"]["loadBalancerClass"]) == ("LoadBalancer", GATEWAY_CLASS)
    assert "selector" not in found["spec"]
    assert found["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.10", "ipMode": "VIP"}]
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
        "Gateway",
        "edge",
        "uid-default-edge",
        True,
    )


def test_a_port_of_https_that_takes_http3_has_its_datagrams_too_unless_others_have() -> None:
    asking = {"tandem.io/http3": "true"}
    found = settled(edge(https(), notes=asking))
    assert found is not None
    assert [p["name"] for p in found["spec"]["ports"]] == ["https-443", "http3-443"]
    found = settled(edge(https(), listener("names", 443, "UDP"), notes=asking))
    assert found is not None
    assert [p["name"] for p in found["spec"]["ports"]] == ["https-443", "udp-443"]


def test_listeners_of_accepted_sets_are_its_own() -> None:
    made = edge(listener(), **allowing("Same"))
    conditions = [{"type": "Accepted", "status": "True"}]
    more = listenerset("more", listener("b", 81), status={"conditions": conditions, "listeners": [says("b")]})
    refused = listenerset("no", listener("c", 82), status={"listeners": [says("c")]})
    other = listenerset("other", listener("d", 83), to={"name": "another"}, status={"conditions": conditions})
    found = settled(made, more, refused, other)
    assert found is not None
    assert [p["port"] for p in found["spec"]["ports"]] == [80, 81]


def test_labels_and_annotations_follow_the_gateway_and_leave_those_of_others() -> None:
    own = {NAME_LABEL: "edge", CLASS_LABEL: "tandem"}
    first = {"labels": {"team": "a", "tier": "x", NAME_LABEL: "lie"}, "annotations": {"note": "1"}}
    found = settled(edge(listener(), infrastructure=first))
    assert found is not None
    assert found["metadata"]["labels"] == {"team": "a", "tier": "x", **own}
    found = merge_patch(found, {"metadata": {"labels": {"theirs": "y"}, "annotations": {"their-note": "z"}}})
    found = settled(edge(listener(), infrastructure={"labels": {"team": "b"}}), after=found)
    assert found is not None
    assert found["metadata"]["labels"] == {"team": "b", "theirs": "y", **own}
    assert {k: v for k, v in found["metadata"]["annotations"].items() if k != TAKEN_OVER} == {"their-note": "z"}


def test_an_annotation_of_ours_that_somebody_spoilt_is_written_anew() -> None:
    made = edge(listener(), infrastructure={"labels": {"team": "a"}})
    found = settled(made)
    assert found is not None
    assert settled(made, after=merge_patch(found, {"metadata": {"annotations": {TAKEN_OVER: "{"}}})) == found


@pytest.mark.parametrize(
    "change",
    [
        {"type": "ClusterIP", "loadBalancerClass": None},
        {"selector": {"app": "web"}},
        {"ports": [{"name": "x", "port": 99}]},
        {"externalTrafficPolicy": "Local", "healthCheckNodePort": 31000},
        {"internalTrafficPolicy": "Local"},
        {"sessionAffinity": "ClientIP"},
        {"externalIPs": ["192.0.2.99"]},
        {"loadBalancerIP": "192.0.2.99"},
        {"loadBalancerSourceRanges": ["192.0.2.0/24"]},
        {"publishNotReadyAddresses": True},
        {"trafficDistribution": "PreferClose"},
    ],
)
def test_what_somebody_changes_is_set_back(change: Raw) -> None:
    made = edge(listener())
    before = settled(made)
    assert before is not None
    after = settled(made, after=merge_patch(before, {"spec": change}))
    assert after is not None
    left = parse(after)
    assert msgspec.structs.replace(left.spec, health_check_node_port=0) == parse(before).spec  # type: ignore[attr-defined]


def test_while_no_listener_is_accepted_there_is_none_and_one_that_is_there_stays() -> None:
    assert settled(edge(listener(), refused=("http",))) is None
    before = settled(edge(listener()))
    assert settled(edge(listener("other", 81), refused=("other",)), after=before) == before


def test_it_goes_with_its_gateway_and_with_the_class() -> None:
    made = edge(listener())
    before = settled(made)
    assert settled(after=before) is None
    again = msgspec.structs.replace(made.metadata, uid="another")
    assert settled(msgspec.structs.replace(made, metadata=again), after=before) != before
    leaving = msgspec.structs.replace(made.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    assert settled(msgspec.structs.replace(made, metadata=leaving), after=before) is None
    (gone,) = serve_gateways(world(made, parse(before or {})))
    assert isinstance(gone, Delete), "its class is of nobody here"


def test_a_service_of_somebody_else_is_left_alone() -> None:
    theirs = service("edge-tandem")
    assert not serve_gateways(world(gateway_class(), edge(listener()), theirs))
    lent = msgspec.structs.replace(theirs.spec, load_balancer_class=GATEWAY_CLASS)
    assert not serve_gateways(world(gateway_class(), msgspec.structs.replace(theirs, spec=lent)))


def test_without_an_address_it_has_none() -> None:
    before = settled(edge(listener()))
    after = settled(edge(listener(), address=""), after=before)
    assert after is not None
    assert after["status"]["loadBalancer"]["ingress"] == []
