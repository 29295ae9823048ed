"""TrafficPolicies for DestinationRules; tests/property/test_gatewayapi.py has them there and back."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import dr, vs
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.gatewayapi.write import Written, write_gateway_api
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

WEB = service("web", ports=[{"port": 80, "name": "http"}, {"port": 81}], selector={"app": "web"})
SMALL: dict[str, Any] = {"connectionPool": {"tcp": {"maxConnections": 1}}}
RANDOM: dict[str, Any] = {"loadBalancer": {"simple": "RANDOM"}}


def write(subset: str = "", **rule: Any) -> Written:
    """With a route to a subset."""
    to = [{"route": [{"destination": {"host": "web", "subset": subset}}]}] if subset else []
    world = World.of([WEB, dr(host="web", **rule), *([vs(hosts=["web"], http=to)] if to else [])])
    return write_gateway_api(world, translate_mesh(world, Options())[0], Options())


def policies(made: Written) -> list[RawObject]:
    return [raw for raw in made.objects if raw["kind"] == "TrafficPolicy"]


def test_one_for_the_service_where_all_ports_are_alike() -> None:
    made = write(trafficPolicy=SMALL)
    (policy,) = policies(made)
    assert policy["metadata"] == {"name": "web", "namespace": "default"}
    assert policy["spec"] == {
        "targetRefs": [{"kind": "Service", "name": "web"}],
        "circuitBreaker": {"connections": 1},
    }
    assert made.remarks == ()


def test_one_for_each_port_where_they_differ_and_a_port_without_a_name_is_told() -> None:
    made = write(trafficPolicy={**SMALL, "portLevelSettings": [{"port": {"number": 81}, **RANDOM}]})
    (policy,) = policies(made)
    assert policy["metadata"]["name"] == "web-port-80"
    assert policy["spec"]["targetRefs"] == [{"kind": "Service", "name": "web", "sectionName": "http"}]
    assert [r.at.path for r in made.remarks] == ["spec.trafficPolicy.portLevelSettings"]


def test_subsets_that_became_services_have_their_own() -> None:
    subsets = [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": RANDOM}, {"name": "v2", "labels": {}}]
    found = {
        raw["metadata"]["name"]: raw["spec"] for raw in policies(write("v1", trafficPolicy=SMALL, subsets=subsets))
    }
    assert found.keys() == {"web", "web-v1"}
    assert found["web-v1"]["loadBalancer"] == {"type": "Random"}
    assert found["web-v1"]["circuitBreaker"] == {"connections": 1}


def test_nothing_is_written_where_nothing_is_said() -> None:
    assert policies(write()) == []
    assert policies(write(trafficPolicy={"loadBalancer": {"simple": "LEAST_REQUEST"}})) == []


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"tls": {"mode": "ISTIO_MUTUAL"}}, "tls"),
        ({"loadBalancer": {"localityLbSetting": {"enabled": False}}}, "loadBalancer.localityLbSetting"),
        ({"proxyProtocol": {"version": "V2"}}, "proxyProtocol"),
        (
            {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "a", "attributes": [{"name": "Secure"}]}}}},
            "loadBalancer.consistentHash.httpCookie.attributes",
        ),
        ({"connectionPool": {"tcp": {"tcpKeepalive": {"probes": 3}}}}, "connectionPool.tcp.tcpKeepalive"),
        ({"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}, "connectionPool.http"),
        ({"connectionPool": {"http": {"http2KeepAlive": {"interval": "1s"}}}}, "connectionPool.http.http2KeepAlive"),
        (
            {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "a", "path": "/"}}}},
            "loadBalancer.consistentHash.httpCookie.path",
        ),
    ],
)
def test_what_has_no_form_is_told_with_its_path(policy: dict[str, Any], path: str) -> None:
    assert [r.at.path for r in write(trafficPolicy=policy).remarks] == [f"spec.trafficPolicy.{path}"]


def test_a_host_outside_is_no_service() -> None:
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    raw = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "x", "namespace": "default"},
        "spec": {"hosts": ["x.test"], "ports": [port], "resolution": "DNS"},
    }
    world = World.of([parse(raw), dr(host="x.test", trafficPolicy=SMALL)])
    made = write_gateway_api(world, translate_mesh(world, Options())[0], Options())
    assert [(r.code, r.at.kind) for r in made.remarks] == [("NotCarried", "DestinationRule")]
