"""Names on the way: what DNS answers, who may ask it, and what is beyond the cluster; more is in test_explain.py."""

from __future__ import annotations

from typing import Any

import pytest

from builders import namespace, pod, policy, service, sliced
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.views.explain import Explanation, Question, explain
from unit.views.test_explain import SPLIT, STRICT, SUBSETS
from unit.views.test_explain import ask as of_service

WEB = service("web", ns="shop", ip="10.96.0.20", ports=[{"port": 80}], publishNotReadyAddresses=True)
OUT = service("out", ns="shop", type="ExternalName", externalName="api.example.com")
SERVER = pod("web-0", namespace="shop", ip="10.244.0.5", labels={"app": "web"})


def client(**spec: Any) -> Object:
    return pod("client", namespace="shop", ip="10.244.0.2", labels={"app": "client"}, spec=spec)


def ask(to: str, *objects: Object, source: str = "shop/client") -> Explanation:
    around = (namespace("shop"), WEB, OUT, SERVER, client())
    return explain(sliced(*around, *objects), Question(source=source, destination=to))


def dns(found: Explanation) -> list[tuple[str, str, str]]:
    return [(one.effect, one.text, str(one.rule or "")) for one in found.route if one.layer == "DNS"]


def test_a_name_of_the_cluster_is_its_service() -> None:
    found = ask("web.shop:80")
    assert found.destination == "shop/svc/web:80"
    assert dns(found) == [("answers", "web.shop.svc.cluster.local is Service shop/web", "Service shop/web")]


def test_an_alias_leads_outside() -> None:
    found = ask("out.shop.svc.cluster.local:443")
    assert dns(found) == [
        ("answers", "shop/out is another name for api.example.com", "Service shop/out spec.externalName"),
        ("asks outside", "for api.example.com", ""),
    ]
    assert found.allowed


@pytest.mark.parametrize("to", ["wbe.shop.svc.cluster.local:80", "wbe.shop.svc:80"])
def test_a_name_that_there_is_not_ends_the_way(to: str) -> None:
    found = ask(to)
    text = "there is no Service shop/wbe (there is shop/out, shop/web)"
    assert (found.allowed, found.ways, dns(found)) == (False, (), [("has no such name", text, "")])
    assert found.summary.endswith(f"DNS has no such name: {text}")


def test_a_short_name_that_may_be_one_of_outside_is_told_with_its_doubt() -> None:
    found = ask("wbe.shop:80")
    assert "outside: there is no Service shop/wbe" in found.destination


CLOSED = policy("closed", ns="shop", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"], egress=[
    {"to": [{"podSelector": {}}]}
])  # fmt: skip


def test_who_may_not_ask_dns_gets_no_answer_and_an_address_needs_none() -> None:
    found = ask("web.shop:80", CLOSED)
    assert not found.allowed
    assert [str(o) for o in found.decided_by] == ["NetworkPolicy shop/closed spec.egress"]
    assert "may not ask 10.96.0.10:53/UDP" in dns(found)[0][1]
    assert ask("shop/svc/web:80", CLOSED).allowed


@pytest.mark.parametrize(
    "spec", [{"dnsPolicy": "Default"}, {"dnsPolicy": "None"}, {"hostNetwork": True, "dnsPolicy": "ClusterFirst"}]
)
def test_a_pod_that_asks_others_does_not_know_services(spec: dict[str, Any]) -> None:
    found = ask("web.shop:80", client(**spec))
    assert not found.allowed
    assert dns(found)[0] == (
        "goes elsewhere",
        "the pod asks other servers than the cluster's, which know no Services",
        "Pod shop/client spec.dnsPolicy",
    )


@pytest.mark.parametrize(("to", "asked"), [("10.96.0.10:53/UDP", "UDP"), ("10.96.0.10:53", "TCP")])
def test_dns_itself_is_a_destination(to: str, asked: str) -> None:
    found = ask(to)
    assert (found.allowed, found.protocol) == (True, asked)
    assert found.destination.startswith("the cluster's DNS:53")
    denied = ask(to, CLOSED)
    assert [str(o) for o in denied.decided_by] == ["NetworkPolicy shop/closed spec.egress"]


def hides(**spec: Any) -> Object:
    raw = {"egress": [{"hosts": ["./other.shop.svc.cluster.local"]}], **spec}
    meta = {"name": "own", "namespace": "shop"}
    return parse({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": meta, "spec": raw})


def test_a_service_that_a_sidecar_hides_is_refused_where_the_registry_alone_counts() -> None:
    found = of_service(hides(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"}))
    assert not found.allowed
    assert found.summary.endswith(": denied by Sidecar shop/own spec.outboundTrafficPolicy")
    assert found.route[0].text == "Service shop/web is not among the hosts of Sidecar shop/own spec.egress"


def test_a_service_that_a_sidecar_hides_is_reached_past_the_mesh_else() -> None:
    found = of_service(hides(), SPLIT, SUBSETS)
    assert {(w.address, w.transport) for w in found.ways} == {("10.244.0.5", "plain"), ("10.244.0.6", "plain")}
    assert "without routes and mTLS (Sidecar shop/own spec.egress)" in found.summary
    assert not of_service(hides(), STRICT).allowed
    shown = hides(egress=[{"hosts": ["shop/*"]}])
    assert {w.transport for w in of_service(shown).ways} == {"mtls"}
    other_port = hides(egress=[{"port": {"number": 81, "protocol": "HTTP", "name": "http"}, "hosts": ["shop/*"]}])
    assert {w.transport for w in of_service(other_port).ways} == {"plain"}
