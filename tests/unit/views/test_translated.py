"""What the kernel makes of Services, and where; packets are in netns/test_explain_kernel.py."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from builders import cluster_policy, namespace, pod, policy, service, sliced
from meshworlds import peerauth
from tandem.model import core
from tandem.model.meta import Condition, Object
from tandem.model.parse import parse
from tandem.views.explain import Explanation, Question, explain

BALANCER, PARTNER = "198.51.100.7", "203.0.113.7"
MESH = {"tandem.io/mesh": "enabled"}
PORTS = [
    {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
    {"name": "dns", "port": 53, "targetPort": 5353, "nodePort": 30053, "protocol": "UDP"},
    {"name": "sig", "port": 90, "targetPort": 99, "protocol": "SCTP"},
]


def node_of(number: int) -> core.Node:
    raw = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"n{number}"},
        "spec": {"podCIDR": f"10.244.{number}.0/24"},
        "status": {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}]},
    }
    return cast("core.Node", parse(raw))


def ready(name: str, number: int, *, mesh: bool = False) -> core.Pod:
    ip = f"10.244.{number}.{10 + len(name)}"
    made = pod(name, ip=ip, node=f"n{number}", labels={"app": name[:3]} | (MESH if mesh else {}))
    conditions = (Condition(type="Ready", status="True"),)
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, conditions=conditions))


CLIENT, WEB1, WEB2 = ready("client", 1), ready("web1", 1), ready("web-2", 2)
AROUND = (namespace("default"), node_of(1), node_of(2), CLIENT, WEB1, WEB2)


def web(**spec: Any) -> core.Service:
    given: dict[str, Any] = {"type": "LoadBalancer", "externalIPs": [PARTNER], **spec}
    made = service("web", ip="10.96.0.20", ports=PORTS, selector={"app": "web"}, **given)
    ingress = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip=BALANCER),))
    return msgspec.structs.replace(made, status=core.ServiceStatus(load_balancer=ingress))


def ask(to: str, *objects: Object, source: str = "client", of: core.Service | None = None) -> Explanation:
    return explain(sliced(*AROUND, of or web(), *objects), Question(source=source, destination=to))


def lines(found: Explanation) -> list[tuple[str, str, str]]:
    return [(one.effect, one.text, one.rule.path if one.rule else "") for one in found.route]


def seen(found: Explanation) -> dict[str, str]:
    """By endpoint, what is said of the client there."""
    told = {w.destination: [s.text for s in w.steps if (s.layer, s.effect) == ("Service", "sends")] for w in found.ways}
    return {end: "; ".join(text) for end, text in told.items()}


@pytest.mark.parametrize(
    ("to", "port"),
    [("svc/web:53", 5353), ("svc/web:dns", 5353), ("svc/web:sig", 99), ("web.default:53/UDP", 5353)],
)
def test_the_clients_own_node_chooses_among_all_endpoints(to: str, port: int) -> None:
    found = ask(to)
    assert found.allowed
    assert {(w.destination, w.port) for w in found.ways} == {
        (f"default/web1:{port}", port),
        (f"default/web-2:{port}", port),
    }
    assert ("translates", "the kernel of n1 chooses among 2 endpoints") in [one[:2] for one in lines(found)]
    assert set(seen(found).values()) == {""}


def test_datagrams_go_past_the_mesh_and_are_judged_by_policy_alone() -> None:
    strict = peerauth("strict", mtls={"mode": "STRICT"})
    meshed = tuple(ready(p.metadata.name, i, mesh=True) for p, i in ((CLIENT, 1), (WEB1, 1), (WEB2, 2)))
    found = ask("svc/web:53", strict, *meshed)
    assert (found.protocol, found.allowed, {w.transport for w in found.ways}) == ("UDP", True, {"plain"})
    assert [s.effect for s in found.ways[0].steps if s.layer == "mesh"] == ["passes by"]
    assert not ask("svc/web:80", strict, *meshed, source="203.0.113.50").allowed
    shut = policy("shut", podSelector={}, ingress=[{"ports": [{"port": 8080}]}])
    denied = ask("svc/web:53", strict, *meshed, shut)
    assert [str(o) for o in denied.decided_by] == ["NetworkPolicy default/shut spec.ingress"]


@pytest.mark.parametrize("to", ["node/n1:30053/UDP", "192.0.2.1:30053", "10.244.1.1:30053/UDP", "node/n1:30080"])
def test_a_node_port_is_its_services(to: str) -> None:
    found = ask(to, source="203.0.113.50")
    assert found.allowed
    assert found.destination.endswith("(default/svc/web)")
    here, there = (seen(found)[end] for end in sorted(seen(found), reverse=True))
    assert (here, there) == ("by n1, seen as 203.0.113.50", "by n1, seen as 192.0.2.1")


def test_policy_local_keeps_to_the_node_for_those_outside_alone() -> None:
    local = web(externalTrafficPolicy="Local")
    outside = ask("node/n1:30053/UDP", of=local, source="203.0.113.50")
    assert list(seen(outside)) == ["default/web1:5353"]
    assert ("limits", "to endpoints of the node that translates", "spec.externalTrafficPolicy") in lines(outside)
    assert len(ask("node/n1:30053/UDP", of=local).ways) == 2
    # To another node a pod goes as its own node, which is outside there.
    assert list(seen(ask("node/n2:30053/UDP", of=local))) == ["default/web-2:5353"]
    inside = ask("svc/web:53", of=web(internalTrafficPolicy="Local"))
    assert list(seen(inside)) == ["default/web1:5353"]
    assert "spec.internalTrafficPolicy" in [path for _, _, path in lines(inside)]


@pytest.mark.parametrize("to", [f"{BALANCER}:53", f"{PARTNER}:53", "node/n2:30053/UDP"])
def test_a_node_without_endpoint_of_its_own_drops_where_the_policy_is_local(to: str) -> None:
    far = msgspec.structs.replace(WEB2, metadata=msgspec.structs.replace(WEB2.metadata, labels={"app": "other"}))
    found = ask(to, far, of=web(externalTrafficPolicy="Local"), source="203.0.113.50")
    text = "externalTrafficPolicy is Local, and no endpoint that serves the port is on n2"
    assert ("drops", text, "spec.externalTrafficPolicy") in lines(found)
    assert found.allowed is (to != "node/n2:30053/UDP")
    if not found.allowed:
        assert found.summary.endswith(f"Service drops: {text} (Service default/web spec.externalTrafficPolicy)")


def test_a_pod_that_dials_another_node_is_judged_there_as_its_own_node_and_here_for_that_address() -> None:
    only_nodes = policy(
        "in", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}]
    )
    to_node = {"to": [{"ipBlock": {"cidr": "192.0.2.2/32"}}]}
    leaves = policy("out", podSelector={"matchLabels": {"app": "cli"}}, policyTypes=["Egress"], egress=[to_node])
    found = ask("node/n2:30053/UDP", only_nodes, leaves)
    assert seen(found) == {
        "default/web1:5353": "by n2, seen as 192.0.2.2",
        "default/web-2:5353": "by n2, seen as 192.0.2.1",
    }
    assert {w.destination: w.allowed for w in found.ways} == {"default/web1:5353": False, "default/web-2:5353": True}
    nowhere = policy("out", podSelector={"matchLabels": {"app": "cli"}}, policyTypes=["Egress"], egress=[])
    denied = ask("node/n2:30053/UDP", nowhere)
    assert (denied.ways, [str(o) for o in denied.decided_by]) == ((), ["NetworkPolicy default/out spec.egress"])


def test_at_a_nodes_address_among_pods_a_pod_stays_itself() -> None:
    mine = policy(
        "in",
        podSelector={"matchLabels": {"app": "web"}},
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "cli"}}}]}],
    )
    found = ask("10.244.2.1:30053/UDP", mine)
    assert {w.destination: w.allowed for w in found.ways} == {"default/web1:5353": False, "default/web-2:5353": True}
    assert seen(found)["default/web-2:5353"] == f"by n2, seen as {CLIENT.addresses[0]}"


def test_affinity_and_source_ranges_are_told() -> None:
    keeps = ask("svc/web:53", of=web(sessionAffinity="ClientIP"))
    assert ("keeps", "a client at its endpoint for 10800 s after its last connection", "spec.sessionAffinity") in lines(
        keeps
    )
    limited = web(loadBalancerSourceRanges=["10.244.1.0/24"])
    assert ask(f"{BALANCER}:53", of=limited).allowed
    for to in ("svc/web:53", "10.96.0.20:80", "node/n1:30053/UDP", f"{PARTNER}:53"):
        assert ask(to, of=limited, source="203.0.113.50").allowed, to
    refused = ask(f"{BALANCER}:53", of=limited, source="203.0.113.50")
    assert refused.summary.endswith("denied by Service default/web spec.loadBalancerSourceRanges")


def test_without_endpoint_it_is_said_why() -> None:
    found = ask("svc/web:53", of=service("web", ip="10.96.0.20", ports=PORTS, selector={"app": "wbe"}))
    assert "no pod in namespace default has the labels app=wbe" in found.summary
    assert [str(o) for o in found.decided_by] == ["Service default/web spec.selector"]


def test_pods_behind_a_headless_service_are_dialled_at_the_port_as_it_is_written() -> None:
    bare = service("web", ip="None", ports=PORTS, selector={"app": "web"})
    found = ask("web.default:53/UDP", of=bare)
    assert {(w.destination, w.port) for w in found.ways} == {("default/web1:53", 53), ("default/web-2:53", 53)}
    assert [effect for effect, *_ in lines(found)] == ["answers", "is headless"]
    nobody = service("web", ip="None", ports=PORTS, selector={"app": "none"})
    assert "nobody is there to answer" in ask("svc/web:53", of=nobody).summary


@pytest.mark.parametrize("to", ["svc/web", f"{BALANCER}"])
def test_a_service_is_not_pinged(to: str) -> None:
    found = explain(sliced(*AROUND, web()), Question(source="client", destination=to, protocol="ICMP"))
    assert (found.allowed, found.ways, found.protocol) == (False, (), "ICMP")
    assert "only TCP, UDP and SCTP are translated" in found.summary


def test_a_pod_is_pinged_where_a_rule_without_ports_lets_it_in() -> None:
    for ports, allowed in (([], True), ([{"port": 8080}], False)):
        only = policy("in", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"ports": ports}])
        found = explain(sliced(*AROUND, only), Question(source="client", destination="web1", protocol="icmp"))
        assert found.allowed is allowed
        assert allowed or "ICMP has none" in "".join(step.text for step in found.ways[0].steps)


def test_what_only_the_registry_may_reach_is_for_connections_alone() -> None:
    meta = {"name": "own", "namespace": "default"}
    spec = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    closed = parse({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": meta, "spec": spec})
    client = ready("client", 1, mesh=True)
    refused = ask("node/n1:30080", closed, client)
    assert refused.summary.endswith("denied by Sidecar default/own spec.outboundTrafficPolicy")
    for to in ("node/n1:30053/UDP", "svc/web:53", "svc/web:80", "10.96.0.10:53", "10.244.1.1:30080"):
        assert ask(to, closed, client).allowed, to


def test_a_tier_denies_datagrams_too() -> None:
    rule = {
        "action": "Deny",
        "to": [{"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}}],
        "protocols": [{"udp": {"destinationPort": {"number": 5353}}}],
    }
    found = ask("svc/web:53", cluster_policy("no-udp", egress=[rule]))
    assert not found.allowed
    assert ask("svc/web:80", cluster_policy("no-udp", egress=[rule])).allowed
