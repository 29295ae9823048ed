"""The policy table inside a pod behind another plugin, told by the tracer of compiled rules."""

from __future__ import annotations

import msgspec
import pytest

from builders import endpoint_slice, pod, policy, service, world
from nfttrace import LOCAL, Packet, Trace, trace
from nodeviews import view_of
from tandem.base.problems import Origin
from tandem.compile.nft.guard import compile_guard
from tandem.drivers.nft.plan import apply, plan
from tandem.ir.node import AttachedPod, ForeignLink, NodeView
from tandem.ir.policy import Anyone, Rule, Verdict
from tandem.model.meta import Object
from tandem.state import nft
from tandem.state.ownership import POLICY_TABLE

WEB = pod("web", ip="10.88.0.2", app="web", ports={"http": 8080})
CLIENT, OTHER = pod("client", ip="10.88.0.3", app="client"), pod("other", ip="10.88.0.4", app="other")
GATEWAY, OUTSIDE, FRONT = "10.88.0.1", "203.0.113.9", "10.96.0.20"
LINK = ForeignLink(ifname="eth0", node_addresses=(GATEWAY,), guarded=True)
ONLY_CLIENT = policy(
    "only-client",
    podSelector={"matchLabels": {"app": "web"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}],
)
ONLY_WEB = policy(
    "only-web",
    podSelector={"matchLabels": {"app": "client"}},
    policyTypes=["Egress"],
    egress=[{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": "http"}]}],
)


def view(*more: Object) -> NodeView:
    found = view_of(world(WEB, CLIENT, OTHER, *more))
    pods = tuple(msgspec.structs.replace(p, host_ifname="", foreign=LINK) for p in found.pods)
    return msgspec.structs.replace(found, pods=pods)


def of(seen: NodeView, name: str) -> AttachedPod:
    return next(p for p in seen.pods if p.pod.name == name)


def judged(seen: NodeView, name: str, packet: Packet) -> Trace:
    """What becomes of a packet inside the namespace of a pod."""
    inside = of(seen, name)
    return trace(compile_guard(seen, inside), packet, route=lambda a: LOCAL if a in inside.addresses else "eth0")


def arrives(saddr: str, **change: object) -> Packet:
    return msgspec.structs.replace(Packet(saddr=saddr, daddr="10.88.0.2", dport=8080, iifname="eth0"), **change)


def leaves(daddr: str, dport: int = 8080) -> Packet:
    return Packet(saddr="10.88.0.3", daddr=daddr, dport=dport)


def test_a_pod_that_is_not_guarded_has_no_table() -> None:
    seen = view(ONLY_CLIENT)
    for link in (None, msgspec.structs.replace(LINK, guarded=False)):
        loose = msgspec.structs.replace(of(seen, "web"), foreign=link)
        assert compile_guard(seen, loose) == nft.ruleset(table=POLICY_TABLE)


def test_a_pod_that_no_policy_selects_is_open() -> None:
    assert judged(view(), "web", arrives(OUTSIDE)).verdict == "accept"


@pytest.mark.parametrize(
    ("source", "verdict"), [("10.88.0.3", "accept"), ("10.88.0.4", "drop"), (OUTSIDE, "drop"), (GATEWAY, "accept")]
)
def test_ingress_is_judged_and_the_node_itself_is_exempt(source: str, verdict: str) -> None:
    assert judged(view(ONLY_CLIENT), "web", arrives(source)).verdict == verdict


def test_a_drop_has_the_log_prefix_of_its_policy_set() -> None:
    seen = view(ONLY_CLIENT)
    assert judged(seen, "web", arrives(OUTSIDE)).log == f"ps-{of(seen, 'web').pod.ingress}/ingress"


def test_replies_pass_and_no_connection_begins_in_the_middle() -> None:
    seen = view(ONLY_CLIENT)
    assert judged(seen, "web", arrives(OUTSIDE, ct_state="established", syn=False)).verdict == "accept"
    assert judged(seen, "web", arrives("10.88.0.3", syn=False)).verdict == "drop"


def test_loopback_and_other_interfaces_are_not_judged() -> None:
    for interface in ("lo", "net1"):
        assert judged(view(ONLY_CLIENT), "web", arrives(OUTSIDE, iifname=interface)).verdict == "accept"


@pytest.mark.parametrize(
    ("target", "port", "verdict"),
    [("10.88.0.2", 8080, "accept"), ("10.88.0.2", 81, "drop"), ("10.88.0.4", 8080, "drop"), (OUTSIDE, 443, "drop")],
)
def test_egress_is_judged(target: str, port: int, verdict: str) -> None:
    assert judged(view(ONLY_WEB), "client", leaves(target, port)).verdict == verdict


def test_a_pod_sends_under_its_own_address_only() -> None:
    forged = msgspec.structs.replace(leaves(OUTSIDE), saddr="10.88.0.4")
    assert judged(view(), "client", leaves(OUTSIDE)).verdict == "accept"
    assert judged(view(), "client", forged).verdict == "drop"


def test_egress_to_a_service_is_judged_by_what_is_behind_it() -> None:
    front = service("web", ip=FRONT, ports=[{"port": 80, "targetPort": 8080}])
    seen = view(ONLY_WEB, front, endpoint_slice(front, [WEB]))
    found = judged(seen, "client", leaves(FRONT, 80))
    assert (found.verdict, found.packet.daddr, found.packet.dport) == ("accept", "10.88.0.2", 8080)


def test_only_what_the_pod_sends_is_translated_and_no_port_of_the_node() -> None:
    front = service("web", ip=FRONT, type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    found = compile_guard(view(front, endpoint_slice(front, [WEB])), of(view(), "client"))
    assert {c.base.hook for c in found.chains if c.base is not None} == {"input", "postrouting", "output"}
    assert not [m.name for m in found.maps if "node" in m.name and m.elements]


def test_the_table_is_whole_in_itself() -> None:
    seen = view(ONLY_CLIENT, ONLY_WEB)
    for name in ("web", "client"):
        wanted = compile_guard(seen, of(seen, name))
        made = apply(plan(None, wanted), None)  # raises where a rule refers to what is not there
        assert (made.chains, made.sets, made.maps) == (wanted.chains, wanted.sets, wanted.maps)


def test_a_pod_that_reaches_itself_by_a_service_is_judged_by_the_tiers_of_the_cluster_alone() -> None:
    front = service("web", ip=FRONT, ports=[{"port": 80, "targetPort": 8080}])
    seen = view(ONLY_CLIENT, front, endpoint_slice(front, [WEB]))
    itself = arrives("10.88.0.2", iifname="lo", dnat=True)
    assert judged(seen, "web", itself).verdict == "accept"
    ingress = of(seen, "web").pod.ingress
    assert ingress is not None
    origin = Origin(kind="ClusterNetworkPolicy", name="c", path="spec.ingress[0]")
    denies = Rule(peers=(Anyone(),), origin=origin, verdict=Verdict.DENY)
    stricter = msgspec.structs.replace(seen.sets[ingress], admin=(denies,))
    strict = msgspec.structs.replace(seen, sets={**seen.sets, ingress: stricter})
    assert judged(strict, "web", itself).verdict == "drop"
    assert judged(strict, "web", arrives("10.88.0.2", iifname="lo")).verdict == "accept"


def test_egress_is_judged_after_routing_where_nobody_can_be_answered() -> None:
    seen = view(ONLY_WEB)
    egress = of(seen, "client").pod.egress
    assert egress is not None
    answers = msgspec.structs.replace(seen.sets[egress], rejects=True)
    asked = msgspec.structs.replace(seen, sets={**seen.sets, egress: answers})
    assert judged(asked, "client", leaves(OUTSIDE, 443)).verdict == "drop"
