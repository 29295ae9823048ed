"""Traffic policies of a DestinationRule."""

from __future__ import annotations

from typing import Any

import pytest

from meshworlds import dr
from tandem.ir.traffic import (
    ByCookie,
    ByHeader,
    Keepalive,
    Limits,
    LoadBalancer,
    Outlier,
    Pool,
    PortTraffic,
    Traffic,
    Warmup,
)
from tandem.ir.trust import Domains
from tandem.model.istio import TrafficPolicySpec
from tandem.model.world import World
from tandem.translate.mesh.istio.clienttls import TlsReader
from tandem.translate.mesh.istio.traffic import TrafficReader

Wrongs = list[tuple[str, str]]

TLS = TlsReader(
    world=World(),
    namespace="default",
    domains=Domains(own="cluster.local"),
    server_name="web.default.svc.cluster.local",
)


def spec(**policy: Any) -> TrafficPolicySpec:
    found = dr(host="web", trafficPolicy=policy).spec.traffic_policy
    assert found is not None
    return found


def read(**policy: Any) -> tuple[Traffic, Wrongs]:
    wrongs: Wrongs = []
    reader = TrafficReader(lambda path, code, _: wrongs.append((path, code)), TLS)
    return reader.traffic(((spec(**policy), "p"),)), wrongs


def test_one_key_chooses_by_a_ring_or_by_maglev() -> None:
    ring = {"httpHeaderName": "X-User", "minimumRingSize": 9}
    assert read(loadBalancer={"consistentHash": ring}) == (
        Traffic(lb=LoadBalancer.RING_HASH, hash=(ByHeader(name="x-user"),), table_size=9),
        [],
    )
    cookie = {"httpCookie": {"name": "c", "ttl": "90s"}, "maglev": {"tableSize": 7}}
    assert read(loadBalancer={"consistentHash": cookie})[0] == Traffic(
        lb=LoadBalancer.MAGLEV, hash=(ByCookie(name="c", ttl_s=90),), table_size=7
    )
    assert read(loadBalancer={"consistentHash": {}})[1] == [("p.loadBalancer.consistentHash", "InvalidValue")]


def test_a_cookie_is_given_out_with_its_attributes() -> None:
    attributes = [{"name": "SameSite", "value": "Strict"}, {"name": "Secure"}]
    found, wrongs = read(
        loadBalancer={"consistentHash": {"httpCookie": {"name": "c", "ttl": "5s", "attributes": attributes}}}
    )
    assert found.hash == (ByCookie(name="c", ttl_s=5, attributes=(("SameSite", "Strict"), ("Secure", ""))),)
    assert wrongs == []


@pytest.mark.parametrize(("asked", "version"), [({}, 1), ({"version": "V1"}, 1), ({"version": "V2"}, 2)])
def test_endpoints_are_told_who_connects_whatever_is_said_of_their_ports(asked: dict[str, str], version: int) -> None:
    whole = spec(proxyProtocol=asked, portLevelSettings=[{"port": {"number": 81}, "tls": {"mode": "DISABLE"}}])
    reader = TrafficReader(lambda *_: None, TLS)
    assert reader.traffic(((whole, "t"),)).proxy_protocol == version
    assert [port.traffic.proxy_protocol for port in reader.ports(whole, "t")] == [version]


def test_both_ways_of_a_slow_start() -> None:
    assert read(loadBalancer={"warmupDurationSecs": "30s"})[0].warmup == Warmup(duration_ms=30_000)
    asked = {"duration": "5s", "minimumPercent": 20, "aggression": 2}
    assert read(loadBalancer={"warmup": asked})[0].warmup == Warmup(duration_ms=5000, least_percent=20, aggression=2)


def test_pools_and_limits() -> None:
    tcp = {"maxConnections": 3, "connectTimeout": "30ms", "tcpKeepalive": {"probes": 2, "time": "2m"}}
    http = {
        "http1MaxPendingRequests": 1,
        "http2MaxRequests": 2,
        "maxRetries": 4,
        "maxRequestsPerConnection": 5,
        "idleTimeout": "9s",
        "h2UpgradePolicy": "UPGRADE",
        "maxConcurrentStreams": 6,
        "http2KeepAlive": {"interval": "1s"},
    }
    found, wrongs = read(connectionPool={"tcp": tcp, "http": http}, retryBudget={"percent": 25})
    assert wrongs == []
    assert found.limits == Limits(connections=3, pending=1, requests=2, retries=4, budget_percent=25)
    assert found.connect_timeout_ms == 30
    assert found.pool == Pool(
        keepalive=Keepalive(probes=2, time_s=120),
        idle_ms=9000,
        requests_per_connection=5,
        http2=True,
        streams=6,
        ping_ms=1000,
    )


def test_a_server_may_be_spoken_to_as_the_client_speaks() -> None:
    assert read(connectionPool={"http": {"useClientProtocol": True}})[0].pool == Pool(as_client=True)
    assert read(connectionPool={"http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}})[0].pool == Pool(http2=False)


def test_outliers() -> None:
    asked = {"consecutiveGatewayErrors": 2, "interval": "1s", "splitExternalLocalOriginErrors": True}
    assert read(outlierDetection=asked)[0].outlier == Outlier(gateway_errors=2, interval_ms=1000, local_errors=5)


def test_times_that_are_none_are_named_at_their_field() -> None:
    assert read(outlierDetection={"interval": "soon"})[1] == [("p.outlierDetection.interval", "InvalidValue")]


def test_a_port_inherits_nothing_and_a_subset_field_by_field() -> None:
    host = spec(
        tls={"mode": "DISABLE"},
        outlierDetection={},
        portLevelSettings=[{"port": {"number": 80}, "loadBalancer": {"simple": "RANDOM"}}],
    )
    subset = spec(loadBalancer={"simple": "ROUND_ROBIN"})
    reader = TrafficReader(lambda *_: None, TLS)
    ports = reader.ports(host, "p")
    assert ports == (PortTraffic(port=80, traffic=Traffic(lb=LoadBalancer.RANDOM)),)
    laid = reader.traffic(((host, "p"), (subset, "s")))
    assert (laid.lb, laid.tls.value, laid.outlier) == (LoadBalancer.ROUND_ROBIN, "DISABLE", Outlier())
    assert reader.over(ports, subset, "s") == (PortTraffic(port=80, traffic=Traffic(lb=LoadBalancer.ROUND_ROBIN)),)
