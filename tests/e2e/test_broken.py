"""What people break, with real traffic: the first line of `explain` and the flow name the cause, and both are true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, account, deployment, idle, namespace, pod, policy, service, virtual_service, web

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            account("mesh", "a"),
            pod("mesh", "a", idle(), serviceAccountName="a"),
            deployment("mesh", "web", web("one")),
            service("mesh", "web"),
            service("mesh", "odd", app="web", target=9090),
        )
        yield made


@pytest.fixture
def broken(world: Lab) -> Iterator[list[Raw]]:
    """What a test applies for itself."""
    made: list[Raw] = []
    yield made
    for one in made:
        world.delete("-n", "mesh", one["kind"], one["metadata"]["name"])


def istio(kind: str, name: str, spec: Raw, *, api: str = "networking") -> Raw:
    meta = {"name": name, "namespace": "mesh"}
    return {"apiVersion": f"{api}.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def code(world: Lab, url: str = "http://web/", *options: str) -> str:
    return world.curl("mesh", "a", url, "-m", "2", *options).out.rpartition("\n")[2]


def asked(world: Lab, to: str = "web.mesh:80", *more: str) -> Any:
    return world.tandem("explain", "mesh/a", to, *more, "-o", "json").json()


def told(world: Lab, *words: str) -> str:
    """The line of a flow with all of these, as soon as there is one."""

    def line() -> str:
        lines = world.tandem("flows", "-n", "mesh", "--last", "20", status=0).out.splitlines()
        return next((one for one in reversed(lines) if all(word in one for word in words)), "")

    return until(line, bool, world.logs)


def breaks(world: Lab, broken: list[Raw], *objects: Raw, wanted: str, url: str = "http://web/") -> None:
    """Apply, and wait until requests end like this."""
    broken += objects
    world.apply(*objects)
    until(lambda: code(world, url), lambda found: found == wanted, world.logs)


def test_a_policy_that_forgets_dns(world: Lab, broken: list[Raw]) -> None:
    narrow = policy("mesh", "narrow", "a", egress=[{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])
    breaks(world, broken, narrow, wanted="000")
    assert "denied by NetworkPolicy mesh/narrow spec.egress" in asked(world)["summary"]
    found = asked(world, "mesh/svc/web:80")
    assert found["allowed"]
    assert "but the pod may not ask 10.96.0.10:53/UDP" in found["summary"]
    told(world, "denied", "10.96.0.10:53", "NetworkPolicy mesh/narrow")
    address = world.get("mesh", "service", "web")["spec"]["clusterIP"]
    assert code(world, f"http://{address}/") == "200"
    assert asked(world, f"{address}:80")["summary"].partition("; but lately")[0].endswith(": allowed, mtls")


def test_a_service_that_a_sidecar_hides(world: Lab, broken: list[Raw]) -> None:
    hosts = [{"hosts": ["./odd.mesh.svc.cluster.local"]}]
    closed = istio("Sidecar", "own", {"egress": hosts, "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
    breaks(world, broken, closed, wanted="000")
    assert "denied by Sidecar mesh/own spec.outboundTrafficPolicy" in asked(world)["summary"]
    told(world, "denied", "Sidecar mesh/own spec.outboundTrafficPolicy")
    breaks(world, broken, istio("Sidecar", "own", {"egress": hosts}), wanted="200")
    broken.pop()
    found = asked(world)
    assert {way["transport"] for way in found["ways"]} == {"plain"}
    assert '"peer": ""' in world.curl("mesh", "a", "http://web/").out


def test_a_fault_that_was_left_on(world: Lab, broken: list[Raw]) -> None:
    rule = {"fault": {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}, "route": [destination()]}
    breaks(world, broken, virtual_service("mesh", "web", [rule]), wanted="418")
    found = asked(world)
    assert not found["allowed"]
    assert "fault answers with 418" in found["summary"]
    assert "VirtualService mesh/web spec.http[0].fault" in found["summary"]


def test_a_timeout_that_is_too_short(world: Lab, broken: list[Raw]) -> None:
    rule = {"timeout": "0.2s", "route": [destination()]}
    breaks(world, broken, virtual_service("mesh", "web", [rule]), wanted="504", url="http://web/slow/1")
    told(world, "error", "VirtualService mesh/web spec.http[0]", "the endpoint did not answer in time")
    found = until(lambda: asked(world, "web.mesh:80", "--path", "/slow/1"), lambda found: "lately" in found["summary"])
    assert found["allowed"]
    assert "answered with 504: the endpoint did not answer in time (VirtualService mesh/web" in found["summary"]
    assert [line["text"] for line in found["route"] if line["layer"] == "patience"] == [
        "who has no answer after 200 ms is answered with 504"
    ]


def test_a_port_at_which_nobody_listens(world: Lab) -> None:
    assert code(world, "http://odd/") == "503"
    found = until(lambda: asked(world, "odd.mesh:80"), lambda found: "Connection refused" in found["summary"])
    assert "declares port 9090, they declare 8080" in found["summary"]
    assert "Service mesh/odd spec.ports[0].targetPort" in found["summary"]


def test_an_application_that_fails_is_told_from_the_mesh(world: Lab) -> None:
    assert code(world, "http://web/fail/99") == "503"
    told(world, "allowed", "/fail/99 503", "the application itself answers so")
    until(lambda: asked(world), lambda found: "503: the application itself answers so" in found["summary"])


def test_endpoints_that_are_all_ejected(world: Lab, broken: list[Raw]) -> None:
    eject = {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 100}
    rule = istio("DestinationRule", "web", {"host": "web", "trafficPolicy": {"outlierDetection": eject}})
    breaks(world, broken, rule, wanted="200")
    until(lambda: (code(world, "http://web/fail/99"), code(world))[1], lambda found: found == "503", world.logs)
    told(world, "error", "DestinationRule mesh/web", "all 1 endpoints are ejected by outlier detection")
    until(lambda: asked(world), lambda found: "all 1 endpoints are ejected by outlier detection" in found["summary"])


def test_more_requests_than_a_circuit_breaker_lets_through(world: Lab, broken: list[Raw]) -> None:
    pool = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1, "http2MaxRequests": 1}}
    rule = istio("DestinationRule", "web", {"host": "web", "trafficPolicy": {"connectionPool": pool}})
    breaks(world, broken, rule, wanted="200")
    some = "for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code} ' http://web/slow/1 & done; wait"
    until(lambda: world.inside("mesh", "a", "sh", "-c", some).out, lambda out: "503" in out and "200" in out)
    told(world, "error", "DestinationRule mesh/web", "too many connections or requests are open to the endpoint")
    limits = [line["rule"]["path"] for line in asked(world)["route"] if line["layer"] == "limits"]
    assert limits == ["spec.trafficPolicy.connectionPool"]


def destination() -> Raw:
    return {"destination": {"host": "web"}}
