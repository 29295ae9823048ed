"""Pods as their node must know them."""

from __future__ import annotations

from builders import namespace, pod, service
from meshworlds import peerauth
from tandem.base.ids import PolicySetId
from tandem.ir.policy import PolicyIR
from tandem.model.core import ServicePort
from tandem.model.meta import Object
from tandem.model.selected import target_port
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.pods import Pods, translate_pods

NO_POLICY = PolicyIR(sets={}, groups={}, ingress={}, egress={})


def run(*objects: Object, policy: PolicyIR = NO_POLICY, trust_domain: str = "cluster.local") -> Pods:
    return translate_pods(World.of(objects), Options(trust_domain=trust_domain), policy)


def test_identity_is_made_of_trust_domain_namespace_and_service_account() -> None:
    found = run(pod("a", namespace="shop", spec={"serviceAccountName": "cart"}), trust_domain="example.org")
    assert found.pods["uid-shop-a"].identity == "spiffe://example.org/ns/shop/sa/cart"


def test_pods_without_a_link_of_their_own_are_left_out() -> None:
    assert run(pod("host", host_network=True), pod("pending", node=""), pod("done", phase="Succeeded")).pods == {}


def test_each_pod_has_its_node_and_policy_sets() -> None:
    policy = PolicyIR(sets={}, groups={}, ingress={"uid-default-a": PolicySetId("x")}, egress={})
    found = run(pod("a", node="node-2"), policy=policy)
    assert found.nodes == {"uid-default-a": "node-2"}
    assert (found.pods["uid-default-a"].ingress, found.pods["uid-default-a"].egress) == ("x", None)


def test_a_namespace_label_puts_its_pods_into_the_mesh() -> None:
    found = run(pod("a"), namespace("default", **{"tandem.io/mesh": "enabled"}))
    assert found.pods["uid-default-a"].meshed


def test_http_ports_of_services_that_select_the_pod_are_parsed() -> None:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "tcp-db", "port": 5432}]
    found = run(pod("a", app="web", ports={"web": 8080}), service("web", ports=ports), service("other"))
    assert found.pods["uid-default-a"].plain_http_ports == (8080,)


def test_a_named_port_that_the_pod_lacks_resolves_to_nothing() -> None:
    assert target_port(ServicePort(port=80, target_port="nope"), pod("a")) is None


def test_a_service_port_without_target_is_its_own_target() -> None:
    assert target_port(ServicePort(port=80), pod("a")) == 80


def test_port_level_mtls_of_a_pod_outside_the_mesh_is_reported() -> None:
    policy = peerauth(selector={"matchLabels": {"app": "web"}}, portLevelMtls={"80": {"mode": "STRICT"}})
    assert [p.code for p in run(pod("a", app="web"), policy).problems] == ["NotInMesh"]
