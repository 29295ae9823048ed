"""Names behind addresses, pods, routes and refusals."""

from __future__ import annotations

import msgspec

from gatewaybuild import backend, datagrams, gateway, port
from meshbuild import PEER_AUTH, RULE, attached, endpoint, endpoints, identity, service, strict, view
from tandem.base.ids import PolicySetId
from tandem.base.problems import Origin
from tandem.ir.authn import GivenKeys, JwtRule
from tandem.ir.authz import Action, AuthzPolicy, AuthzRule
from tandem.ir.fabric import AppProtocol, Endpoint
from tandem.ir.logged import Logged, Logging
from tandem.ir.mesh import Backend, BytesRoute, Forward, Route, RouteTable
from tandem.ir.policy import PolicySet, Side
from tandem.observe.accesslog import EGRESS
from tandem.observe.flow import Party, Verdict
from tandem.runtime.whois import Whois

A = attached("a", "10.244.0.2", mtls=strict(8080))
PLAIN = attached("p", "10.244.0.3", meshed=False)
WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
FAR = Endpoint(address="10.244.1.9", ports=(("http", 80),), pod_name="far-0", identity=identity("far"))
OUTSIDE = Endpoint(address="203.0.113.9", ports=(("http", 80),))
ROUTE = Route(name="shop/v/0", matches=(), action=Forward(backends=(Backend(namespace="s", service="w"),)), origin=RULE)


def whois() -> Whois:
    table = RouteTable(namespace="shop", service="web", routes=(ROUTE,))
    return Whois(view(A, PLAIN, WEB, endpoints("web", endpoint(A, http=80), FAR, OUTSIDE), table))


def test_a_pod_of_this_node_has_all_its_names() -> None:
    found = Party(address="10.244.0.2", namespace="shop", pod="a", identity=identity("a"))
    assert whois().party("10.244.0.2") == whois().pod("uid-a") == found


def test_a_log_of_which_nothing_becomes_a_flow_is_silent_on_its_side_alone() -> None:
    quiet = attached("q", "10.244.0.4", logging=Logging(client=Logged(nothing=True)))
    said = Whois(view(A, quiet))
    logs = ("source", "outside", "destination", "refused")
    assert [said.silent(f"{log}|uid-q") for log in logs] == [True, True, False, False]
    assert not any(said.silent(f"{log}|uid-a") for log in logs)


def test_a_pod_outside_the_mesh_has_no_identity() -> None:
    assert whois().party("10.244.0.3") == Party(address="10.244.0.3", namespace="shop", pod="p")


def test_a_datagram_at_a_gateway_is_told_with_its_route_and_what_became_of_it() -> None:
    ports = (datagrams("dns", backend("dns", 53)), datagrams("bare", number=54))
    found = Whois(view(gateways={"edge/edge": gateway(*ports)}))
    on, lost, bare = (found.handed("192.0.2.65", n, lost=gone) for n, gone in ((53, False), (53, True), (54, True)))
    assert {one.gateway.pod for one in (on, lost, bare)} == {"gateway/edge"}
    assert [one.verdict for one in (on, lost, bare)] == [Verdict.ALLOWED, Verdict.ERROR, Verdict.ERROR]
    assert [[rule.name for rule in one.rules] for one in (on, lost, bare)] == [["dns"], ["dns"], []]
    assert (on.reason, bare.reason) == ("", "dropped: no route")
    assert lost.reason == "dropped: the backend that it falls to has no endpoint, or may not be used"


def test_a_container_that_is_no_pod_has_its_id_and_no_other_name() -> None:
    bare = attached("", "10.244.0.4", meshed=False)
    bare = msgspec.structs.replace(bare, pod=msgspec.structs.replace(bare.pod, namespace="", name="brave_curie"))
    found = Whois(view(bare)).party("10.244.0.4")
    assert found == Party(address="10.244.0.4", container=bare.container_id)


def test_a_pod_of_another_node_is_known_by_its_endpoint() -> None:
    found = Party(address="10.244.1.9", namespace="shop", pod="far-0", identity=identity("far"))
    assert whois().party("10.244.1.9") == found


def test_an_endpoint_that_is_no_pod_is_in_no_namespace() -> None:
    assert whois().party("203.0.113.9") == Party(address="203.0.113.9")


def test_a_services_address_is_the_service() -> None:
    assert whois().party("10.96.0.1") == Party(address="10.96.0.1", service="shop/web")


def test_any_other_address_is_just_that() -> None:
    assert whois().party("8.8.8.8") == Party(address="8.8.8.8")
    assert whois().pod("uid-gone") == Party()


def test_each_address_of_a_pod_leads_to_it() -> None:
    two = msgspec.structs.replace(A, addresses=("10.244.0.2", "fd00::2"))
    assert Whois(view(two)).party("fd00::2") == msgspec.structs.replace(whois().pod("uid-a"), address="fd00::2")


def test_a_route_leads_to_its_manifest() -> None:
    assert whois().route("shop/v/0") == RULE
    assert whois().route("") is None


def test_a_refusal_leads_to_the_peerauthentication_of_that_port() -> None:
    assert whois().refused("uid-a", 8080) == PEER_AUTH
    assert whois().refused("uid-a", 80) is None
    assert whois().refused("uid-gone", 80) is None


def test_the_policies_behind_a_drop_are_found_by_its_log_prefix() -> None:
    policy = PolicySet(id=PolicySetId("p1"), side=Side.INGRESS, rules=(), isolated_by=(RULE,))
    isolated = msgspec.structs.replace(A, pod=msgspec.structs.replace(A.pod, ingress=policy.id))
    found = Whois(msgspec.structs.replace(view(isolated), sets={policy.id: policy}))
    assert found.policies("ps-p1/ingress") == (RULE,)
    assert found.policies("ps-unknown/ingress") == ()


def test_a_datagram_to_the_service_that_stands_for_a_gateway_is_one_to_the_gateway() -> None:
    stands = service("edge-tandem", "10.96.0.77", namespace="edge")
    made = msgspec.structs.replace(gateway(datagrams("on", backend())), service="edge-tandem")
    found = Whois(view(stands, gateways={"edge/edge": made}))
    assert found.handed("10.96.0.77", 53, lost=False).gateway.pod == "gateway/edge"


def test_rules_of_a_gateway_are_known_by_its_name() -> None:
    at = Origin(kind="AuthorizationPolicy", namespace="edge", name="p", path="spec.rules[0]")
    policies = (
        AuthzPolicy(action=Action.DENY, rules=(AuthzRule(origin=at),), origin=at),
        AuthzPolicy(action=Action.ALLOW, rules=(), origin=RULE),
        AuthzPolicy(action=Action.ALLOW, rules=(), origin=PEER_AUTH, staged=True),
    )
    tokens = (JwtRule(issuer="i", keys=GivenKeys(""), origin=RULE),)
    made = msgspec.structs.replace(gateway(), authorization=policies, authentication=tokens)
    found, uid = Whois(view(gateways={"edge/edge": made})), "gateway/edge/edge"
    assert found.authorized(uid, "AuthorizationPolicy/edge/p/spec.rules[0]") == (at,)
    assert (found.authorized(uid, ""), found.staged(uid)) == ((RULE,), (PEER_AUTH,))
    assert (found.authenticated(uid), found.authenticated("uid-gone")) == ((RULE,), ())


def test_what_came_to_a_gateway_was_dialled_at_its_own_address_and_port() -> None:
    found = Whois(view(gateways={"edge/edge": gateway(port())}))
    assert found.dialled("gateway/edge/edge", "10.244.0.1", 20080) == ("192.0.2.65", 80)
    assert found.dialled("gateway/edge/edge", "fd00::1", 1) == ("fd00::1", 1)
    assert found.dialled("uid-a", "10.244.0.2", 8080) == ("10.244.0.2", 8080)


def test_what_judges_at_the_egress_gateway_is_told_once() -> None:
    named = Origin(kind="AuthorizationPolicy", namespace="istio-system", name="out")
    rule = AuthzRule(
        origin=Origin(kind="AuthorizationPolicy", namespace="istio-system", name="out", path="spec.rules[0]")
    )
    here, there = (AuthzPolicy(action=Action.ALLOW, rules=rules, origin=named) for rules in ((rule,), ()))
    trial = msgspec.structs.replace(here, staged=True)
    route = msgspec.structs.replace(ROUTE, authorization=(here, trial))
    raw = BytesRoute(name="raw", matches=(), backends=(), origin=RULE, authorization=(here, there))
    table = RouteTable(namespace="shop", service="web", routes=(route,), bytes=(raw,))
    found = Whois(view(A, WEB, table))
    assert found.authorized(EGRESS, "") == found.staged(EGRESS) == (named,)
    assert found.authorized(EGRESS, "AuthorizationPolicy/istio-system/out/spec.rules[0]") == (rule.origin,)
    assert found.authorized("uid-a", "") == ()
