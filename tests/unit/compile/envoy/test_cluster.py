"""Clusters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from meshbuild import RULE, attached, identity, service
from tandem.compile.envoy.cluster import SHARED, app_cluster, own_authorizer, service_clusters
from tandem.drivers.xds.encode import encode_resource
from tandem.ir.authz import ExternalCheck
from tandem.ir.fabric import AppProtocol, Inbound
from tandem.ir.traffic import (
    ClientTls,
    Failover,
    LoadBalancer,
    Origination,
    Place,
    Subset,
    Traffic,
    TrafficPolicy,
)
from tandem.ir.trust import Domains
from tandem.state.ownership import ENVOY_MARK
from tandem.state.xds import CLUSTER

WEB = service(
    "web", "10.96.0.1", ("http", 80, AppProtocol.HTTP), ("grpc", 81, AppProtocol.GRPC), ("raw", 82, AppProtocol.TCP)
)
POLICY = TrafficPolicy(namespace="shop", service="web", origin=RULE)


def _made(policy: TrafficPolicy | None = None, of: Any = WEB) -> dict[str, Any]:
    mesh = {"trust": Domains(own="cluster.local"), "domain": "cluster.local"}
    made = service_clusters(of, policy=policy, identities=(identity("web"),), **mesh)
    return {resource.name: resource for resource in made}


def _alpn(body: Any) -> list[str]:
    socket = body["transport_socket_matches"][0]["transport_socket"]
    alpn: list[str] = socket["typed_config"]["common_tls_context"]["alpn_protocols"]
    return alpn


def _asked(body: Any) -> str:
    name: str = body["transport_socket_matches"][0]["transport_socket"]["typed_config"]["sni"]
    return name


def test_each_tcp_port_and_subset_is_a_cluster() -> None:
    policy = msgspec.structs.replace(POLICY, subsets=(Subset(name="v1", labels=()),))
    assert sorted(_made(policy)) == [f"svc/shop/web/{p}{s}" for p in (80, 81, 82) for s in ("", "/v1")]


def test_every_cluster_connects_where_and_as_whom_the_filter_state_says() -> None:
    for resource in (*_made().values(), SHARED["passthrough"]):
        bind = resource.body["upstream_bind_config"]
        assert bind["local_address_selector"]["typed_config"]["@type"].endswith("filter_state_override.v3.Config")
        assert bind["socket_options"][0]["int_value"] == ENVOY_MARK


def test_the_name_that_is_asked_for_is_what_was_dialled_or_what_a_rule_says() -> None:
    v1 = Subset(name="v1", labels=())
    made = _made(msgspec.structs.replace(POLICY, subsets=(v1,)))
    assert [_asked(made[f"svc/shop/web/80{s}"].body) for s in ("", "/v1")] == [
        "outbound_.80_._.web.shop.svc.cluster.local",
        "outbound_.80_.v1_.web.shop.svc.cluster.local",
    ]
    insists = Traffic(tls=ClientTls.ISTIO_MUTUAL, origination=Origination(server_name="x.test"))
    body = _made(msgspec.structs.replace(POLICY, traffic=insists))["svc/shop/web/80"].body
    assert body["transport_socket"]["typed_config"]["sni"] == "x.test"


def test_the_alpn_tells_the_server_whether_requests_were_parsed() -> None:
    made = _made()
    assert _alpn(made["svc/shop/web/80"].body) == ["tandem-http1", "tandem-http"]
    assert _alpn(made["svc/shop/web/81"].body) == ["tandem-http"]
    assert _alpn(made["svc/shop/web/82"].body) == ["tandem-tcp"]


def test_grpc_is_http2_and_http_follows_the_client() -> None:
    made = _made()
    key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    assert "explicit_http_config" in made["svc/shop/web/81"].body["typed_extension_protocol_options"][key]
    assert "use_downstream_protocol_config" in made["svc/shop/web/80"].body["typed_extension_protocol_options"][key]
    assert "typed_extension_protocol_options" not in made["svc/shop/web/82"].body


@pytest.mark.parametrize(
    ("mode", "fields"),
    [
        (ClientTls.AUTO, {"transport_socket_matches"}),
        (ClientTls.ISTIO_MUTUAL, {"transport_socket"}),
        (ClientTls.DISABLE, set()),
    ],
)
def test_client_tls_modes(mode: ClientTls, fields: set[str]) -> None:
    body = _made(msgspec.structs.replace(POLICY, traffic=Traffic(tls=mode)))["svc/shop/web/80"].body
    assert body.keys() & {"transport_socket_matches", "transport_socket"} == fields


def test_a_subset_overrides_balancer_and_tls() -> None:
    subset = Subset(name="v1", labels=(), traffic=Traffic(lb=LoadBalancer.RANDOM, tls=ClientTls.DISABLE))
    made = _made(msgspec.structs.replace(POLICY, subsets=(subset,)))
    assert made["svc/shop/web/80"].body["lb_policy"] == "LEAST_REQUEST"
    assert made["svc/shop/web/80/v1"].body["lb_policy"] == "RANDOM"
    assert "transport_socket_matches" not in made["svc/shop/web/80/v1"].body


def test_clusters_name_the_rule_that_they_realise() -> None:
    assert all(resource.origins == {RULE} for resource in _made(POLICY).values())
    assert all(resource.origins == frozenset() for resource in _made().values())


def test_a_headless_service_has_a_cluster_for_dialled_addresses() -> None:
    made = _made(of=service("web", "", ("http", 80, AppProtocol.HTTP)))
    assert made["pod/shop/web/80"].body["type"] == "ORIGINAL_DST"
    assert "transport_socket" in made["pod/shop/web/80"].body


def test_the_application_is_reached_inside_its_own_namespace() -> None:
    body = app_cluster(attached("b", "10.244.0.3", netns="/ns/b")).body
    assert body["type"] == "ORIGINAL_DST"
    assert body["upstream_bind_config"]["source_address"]["network_namespace_filepath"] == "/ns/b"
    assert "transport_socket" not in body


def test_an_application_takes_so_many_connections_and_so_long() -> None:
    pod = attached("b", "10.244.0.3")
    taken = Inbound(connections=7, connect_ms=500, origins=(RULE,))
    found = app_cluster(msgspec.structs.replace(pod, pod=msgspec.structs.replace(pod.pod, inbound=taken)))
    assert found.body["connect_timeout"] == "0.500s"
    assert found.body["circuit_breakers"]["thresholds"][0]["max_connections"] == 7
    assert found.origins == {RULE}


def test_nothing_can_be_reached_through_the_refusing_cluster() -> None:
    assert "load_assignment" not in SHARED["refused"].body


def test_places_stand_in_for_what_has_no_endpoint() -> None:
    places = (Place(namespace="shop", service="spare"), Place(namespace="shop", service="b", port=81, alone=True))
    policy = TrafficPolicy(namespace="shop", service="web", failovers=(Failover(places=places),))
    made = _made(policy, service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP)))
    assert list(made) == ["alone/svc/shop/web/80", "svc/shop/web/80"]
    assert made["alone/svc/shop/web/80"].body["type"] == "EDS"
    assert made["svc/shop/web/80"].body["cluster_type"]["typed_config"]["clusters"] == [
        "alone/svc/shop/web/80",
        "svc/shop/spare/80",
        "alone/svc/shop/b/81",
    ]
    for cluster in made.values():
        encode_resource(CLUSTER, cluster)  # raises what protobuf would refuse


def test_an_authorizer_in_the_pod_is_dialled_at_its_loopback_in_its_namespace() -> None:
    web = attached("web", "10.244.0.9", netns="/run/netns/web")
    check = ExternalCheck(name="p", namespace="shop", service="a.local", port=9000, grpc=True, timeout_ms=1000)
    assert own_authorizer(web, check) is None
    itself = own_authorizer(web, msgspec.structs.replace(check, own=("127.0.0.1", 15006)))
    assert itself is not None
    assert "load_assignment" not in itself.body
    made = own_authorizer(web, msgspec.structs.replace(check, own=("127.0.0.1", 9001)))
    assert made is not None
    encode_resource(CLUSTER, made)
    (group,) = made.body["load_assignment"]["endpoints"]
    (end,) = group["lb_endpoints"]
    assert end["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9001}
    assert made.body["upstream_bind_config"]["source_address"]["network_namespace_filepath"] == "/run/netns/web"
