"""Policies at a gateway with real requests and connections through a real Envoy: HTTP, TLS and bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gatewaybuild import backend, connections, gateway, hosts, listener, port, route
from jwts import Issuer
from limitbuild import by, limit, limited
from meshbuild import attached, endpoint, endpoints, service, view
from netns.authorizers import grpc_authorizer
from netns.meshapps import dial, greeter_app, http_app, repeats
from netns.meshlab import Ca, Lab
from netns.test_mesh_authorization import need, policy, rule
from netns.test_mesh_external import GRPC, ask
from netns.test_mesh_tokens import accept
from tandem.ir.authn import JwtRule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, Requirement, Suffix, Text
from tandem.ir.fabric import AppProtocol
from tandem.ir.limits import Key
from tandem.ir.mesh import ClaimMatch, Exact, Forward, HeaderMatch, Prefix, Present, RouteMatch
from tandem.ir.node import NodeView
from tandem.ir.tlsterms import ClientProof, TlsTerms

pytestmark = pytest.mark.root

OWN, CLIENT, FRONT = "10.244.0.1", "10.244.0.4", "192.0.2.65"
PLAIN, SECURE, BYTES = 20080, 20443, 29000
CERTIFICATE = ("edge/cert/1",)
ISSUER = Issuer("https://issuer.example")
LOG = "destination|gateway/edge/edge"


class World:
    """A client outside the mesh calls a gateway at the node; behind it a pod that serves requests and a database."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        addresses = {"out": CLIENT, "b": "10.244.0.3", "auth": "10.244.0.5"}
        self.ns = {name: lab.pod(name, address) for name, address in addresses.items()}
        self.clients: ClientProof | None = None
        """Of the port with TLS."""
        self.shown: tuple[str, str] = ("", "")
        """Certificate and key of the client."""

    def put(
        self, *policies: AuthzPolicy, tokens: tuple[JwtRule, ...] = (), hops: int = 0, routes: tuple[Any, ...] = ()
    ) -> None:
        self.lab.apply(self.seen(policies, tokens, hops, routes or (route("every"),)))

    def seen(
        self, policies: tuple[AuthzPolicy, ...], tokens: tuple[JwtRule, ...], hops: int, routes: tuple[Any, ...]
    ) -> NodeView:
        every = listener("every", "*", hosts("shop.test", *routes), certificates=CERTIFICATE)
        asking = msgspec.structs.replace(every, terms=TlsTerms(clients=self.clients))
        secure = port(asking, number=443, target=SECURE, tls=True)
        ports = (port(every), secure, connections("raw", backend("db", 3306)))
        made = msgspec.structs.replace(
            gateway(*ports, addresses=(FRONT,)), authorization=policies, authentication=tokens, trusted_hops=hops
        )
        behind = attached("b", "10.244.0.3", netns=str(self.ns["b"]), meshed=False)
        asked = attached("auth", "10.244.0.5", netns=str(self.ns["auth"]), meshed=False)
        return view(
            service("web", "10.96.1.1", ("http", 80, AppProtocol.HTTP)),
            endpoints("web", endpoint(behind, http=8080)),
            service("db", "10.96.1.2", ("db", 3306, AppProtocol.TCP)),
            endpoints("db", endpoint(behind, db=3306)),
            service("auth", "10.96.1.3", ("grpc", 9000, AppProtocol.GRPC)),
            endpoints("auth", endpoint(asked, grpc=9000)),
            gateways={"edge/edge": made},
        )

    def answer(
        self, path: str = "/", method: str = "GET", *, sni: str = "", host: str = "shop.test", **headers: str
    ) -> tuple[int, dict[str, str]]:
        """Status, and the headers that the application saw; with `sni` over TLS."""
        with contextlib.closing(self.connect(sni)) as sock:
            connection = http.client.HTTPConnection(host, 80)
            connection.sock = sock
            connection.putrequest(method, path, skip_host=True)
            for name, value in {"host": host, **headers}.items():
                connection.putheader(name.replace("__", "\0").replace("_", "-").replace("\0", "_"), value)
            connection.endheaders()
            found = connection.getresponse()
            data = found.read()
            seen = json.loads(data)["headers"] if data.startswith(b"{") else {}
            return found.status, {name.lower(): value for name, value in seen.items()}

    def connect(self, sni: str = "") -> socket.socket:
        sock = dial(self.ns["out"], OWN, SECURE if sni else PLAIN)
        if not sni:
            return sock
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.shown[0]:
            file = self.lab.dir / "client.pem"
            file.write_text("".join(self.shown))
            context.load_cert_chain(file)
        return context.wrap_socket(sock, server_hostname=sni)

    def status(self, path: str = "/", method: str = "GET", **more: Any) -> int:
        return self.answer(path, method, **more)[0]

    def heard(self) -> bool:
        return repeats(self.ns["out"], OWN, BYTES)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("ga") as lab:
        made = World(lab)
        with http_app(made.ns["b"], 8080), greeter_app(made.ns["b"], 3306):
            yield made


def both(world: World, sources: Requirement) -> tuple[int, bool]:
    world.put(policy(Action.ALLOW, rule(sources=(sources,))))
    return world.status(), world.heard()


def test_without_policies_everyone_may_and_one_that_allows_nothing_denies_everything(world: World) -> None:
    world.put()
    assert (world.status(), world.status(sni="shop.test"), world.heard()) == (200, 200, True)
    world.put(policy(Action.ALLOW))
    assert (world.status(), world.status(sni="shop.test"), world.heard()) == (403, 403, False)
    assert world.status(host="none.test") == 403, "also where there is no route"


def test_a_new_policy_counts_on_a_connection_that_is_open(world: World) -> None:
    world.put()
    with contextlib.closing(world.connect("shop.test")) as sock:
        connection = http.client.HTTPConnection("shop.test", 443)
        connection.sock = sock

        def status() -> int:
            connection.request("GET", "/", headers={"host": "shop.test"})
            found = connection.getresponse()
            found.read()
            return found.status

        before = status()
        world.put(policy(Action.DENY, rule()))
        assert (before, status()) == (200, 403)


@pytest.mark.parametrize("attribute", [Attribute.PEER_ADDRESS, Attribute.CLIENT_ADDRESS])
def test_the_address_of_the_client_is_that_of_the_connection(world: World, attribute: Attribute) -> None:
    assert both(world, need(attribute, Exact(f"{CLIENT}/32"))) == (200, True)
    assert both(world, need(attribute, Exact("10.9.9.9/32"))) == (403, False)
    assert world.status(x_forwarded_for="10.9.9.9") == 403
    assert both(world, need(Attribute.PRINCIPAL, Present())) == (403, False)


def test_trusted_proxies_say_who_the_client_is(world: World) -> None:
    said = rule(sources=(need(Attribute.CLIENT_ADDRESS, Exact("10.9.9.9/32")),))
    world.put(policy(Action.ALLOW, said), hops=1)
    assert world.status(x_forwarded_for="10.9.9.9") == 200
    assert world.status(x_forwarded_for="10.9.9.9, 10.8.8.8") == 403
    assert world.status() == 403
    assert not world.heard(), "bytes have no such header"
    world.put(policy(Action.ALLOW, rule(sources=(need(Attribute.PEER_ADDRESS, Exact(f"{CLIENT}/32")),))), hops=1)
    assert world.status(x_forwarded_for="10.9.9.9") == 200


INGRESS = {
    # Host, path, what the proxy before the gateway says of the client (Istio's own table).
    ("deny.test", "/", "172.16.0.1"): 403,
    ("DENY.test", "/", "172.16.0.1"): 403,
    ("x.suffix.test", "/", "172.16.0.1"): 403,
    ("X.Suffix.TEST", "/", "172.16.0.1"): 403,
    ("prefix.any.org", "/", "172.16.0.1"): 403,
    ("Prefix.Any.Org", "/", "172.16.0.1"): 403,
    ("shop.test", "/", "172.16.0.1"): 200,
    ("shop.test", "/private", "172.16.0.1"): 403,
    ("shop.test", "/public", "172.16.0.1"): 200,
    ("internal.test", "/", "172.16.0.1"): 403,
    ("blocks.test", "/", "172.17.72.46"): 403,
    ("blocks.test", "/", "192.168.5.233"): 403,
    ("blocks.test", "/", "10.4.5.6"): 404,
    ("others.test", "/", "10.2.3.4"): 403,
    ("others.test", "/", "172.23.242.188"): 404,
    ("attribute.test", "/", "10.242.5.7"): 403,
    ("attribute.test", "/", "10.124.99.10"): 403,
    ("attribute.test", "/", "10.4.5.6"): 404,
}


def test_hosts_and_clients_that_are_closed_at_the_door(world: World) -> None:
    def host(*names: Text) -> Requirement:
        return need(Attribute.HOST, *names)

    def client(*blocks: str) -> Requirement:
        return need(Attribute.CLIENT_ADDRESS, *map(Exact, blocks))

    outside = need(Attribute.CLIENT_ADDRESS, refuses=(Exact("172.23.240.0/22"),))
    closed = (
        rule(operations=(host(Exact("deny.test"), Suffix(".suffix.test"), Prefix("prefix.")),)),
        rule(operations=(host(Exact("internal.test")),)),
        rule(operations=(need(Attribute.PATH, Exact("/private")),)),
        rule(sources=(client("172.17.72.46/32", "192.168.4.0/23"),), operations=(host(Exact("blocks.test")),)),
        rule(sources=(outside,), operations=(host(Exact("others.test")),)),
        rule(operations=(host(Exact("attribute.test")),), when=(client("10.242.5.7/32", "10.124.99.0/24"),)),
    )
    world.put(policy(Action.DENY, *closed), hops=1)
    for (name, path, address), expected in INGRESS.items():
        assert world.status(path, host=name, x_forwarded_for=address) == expected, (name, path, address)


def test_ports_and_addresses_are_those_of_the_gateway(world: World) -> None:
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.PORT, Exact("80")),))))
    assert (world.status(), world.status(sni="shop.test"), world.heard()) == (403, 200, True)
    world.put(policy(Action.ALLOW, rule(operations=(need(Attribute.PORT, Exact("443"), Exact("9000")),))))
    assert (world.status(), world.status(sni="shop.test"), world.heard()) == (403, 200, True)
    world.put(policy(Action.ALLOW, rule(when=(need(Attribute.PORT, refuses=(Exact("9000"),)),))))
    assert (world.status(), world.status(sni="shop.test"), world.heard()) == (200, 200, False)
    for address, seen in ((FRONT, (200, True)), (OWN, (403, False))):
        world.put(policy(Action.ALLOW, rule(when=(need(Attribute.LOCAL_ADDRESS, Exact(f"{address}/32")),))))
        assert (world.status(), world.heard()) == seen


def test_sni_tells_connections_of_tls(world: World) -> None:
    for value in (Exact("shop.test"), Suffix(".test"), Prefix("shop")):
        world.put(policy(Action.ALLOW, rule(when=(need(Attribute.SNI, value),))))
        assert [world.status(sni="shop.test"), world.status(sni="else.org"), world.status()] == [200, 403, 403]


def test_a_closed_path_and_host_are_closed_in_every_spelling(world: World) -> None:
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.PATH, Prefix("/admin")),))))
    for path in ("/admin", "//admin", "/x/../admin", "/%61dmin", "/admin?x=1"):
        assert world.status(path) == 403, path
    # An escaped slash is sent back unescaped, and judged when it comes again.
    assert [world.status("/x%2f..%2fadmin"), world.status("/%2fadmin"), world.status("/open")] == [307, 307, 200]
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.HOST, Exact("shop.test")),))))
    assert [world.status(host=h) for h in ("shop.test", "SHOP.test", "shop.test:80", "shop.test:8080")] == [403] * 4


def test_what_rules_ask_of_requests(world: World) -> None:
    wanted = ((Attribute.METHOD, "GET"), (Attribute.HOST, "shop.test"), (Attribute.PATH, "/a"))
    operations = tuple(need(attribute, Exact(value)) for attribute, value in wanted)
    header = need(Attribute.HEADER, Exact("kim"), name="x-user")
    world.put(policy(Action.ALLOW, rule(operations=operations, when=(header,))))
    assert world.status("/a", x_user="kim") == 200
    wrong = ({"path": "/b"}, {"method": "PUT"}, {"x_user": "joe"}, {"host": "else.test"})
    asked: list[dict[str, str]] = [{"path": "/a", "x_user": "kim", **other} for other in wrong]
    assert [world.status(**one) for one in asked] == [403] * 4
    assert world.status("/a", x__user="kim") == 403, "another spelling"
    assert not world.heard(), "bytes have no requests"


def test_a_denial_and_an_audit_name_their_rules(world: World) -> None:
    closed = rule(operations=(need(Attribute.PATH, Exact("/told")),))
    world.put(policy(Action.DENY, closed, name="d"), policy(Action.AUDIT, rule(), name="au"))
    assert world.status("/told") == 403
    entries = world.lab.ads.log_of(LOG, lambda e: getattr(getattr(e, "request", None), "path", "") == "/told")
    details = entries[-1].response.response_code_details
    assert details == "rbac_access_denied_matched_policy[AuthorizationPolicy/shop/d/spec.rules[0]]"
    fields = entries[-1].common_properties.metadata.filter_metadata["envoy.filters.http.rbac"].fields
    assert fields["audit_shadow_effective_policy_id"].string_value == "AuthorizationPolicy/shop/au/spec.rules[0]"


def test_a_staged_policy_denies_nothing(world: World) -> None:
    world.put(policy(Action.DENY, rule(), staged=True))
    assert (world.status(), world.heard()) == (200, True)


def test_tokens_are_judged_and_their_claims_told(world: World) -> None:
    told = accept(ISSUER, claim_headers=(("x-sub", "sub"),))
    ops = rule(
        sources=(need(Attribute.TOKEN_SUBJECT, Prefix(f"{ISSUER.name}/")),),
        when=(msgspec.structs.replace(need(Attribute.CLAIM, Exact("ops")), claim=("groups",)),),
    )
    world.put(policy(Action.ALLOW, ops), tokens=(told,))
    good, other = ISSUER.token(sub="kim", groups=["ops"]), ISSUER.token(sub="joe", groups=["dev"])
    status, headers = world.answer(authorization=f"Bearer {good}", x_sub="forged")
    assert (status, headers["x-sub"]) == (200, "kim")
    assert [world.status(authorization=f"Bearer {t}") for t in (other, ISSUER.token(exp=1))] == [403, 401]
    assert world.status() == 403
    assert not world.heard()


def test_a_route_may_ask_for_what_a_token_says_and_nobody_can_forge_it(world: World) -> None:
    told = accept(ISSUER, claim_headers=(("x-sub", "sub"),))
    kim = RouteMatch(headers=(HeaderMatch(name="x-sub", match=Exact("kim")),))
    special = route("kim", matches=(kim,), action=Forward(backends=(backend(),)))
    world.put(tokens=(told,), routes=(special,))
    assert world.status(authorization=f"Bearer {ISSUER.token(sub='kim')}") == 200
    assert [world.status(x_sub="kim"), world.status(x__sub="kim")] == [404, 404]
    assert world.status(authorization=f"Bearer {ISSUER.token(sub='joe')}", x_sub="kim") == 404


def test_an_authorizer_is_asked_about_requests_and_connections(world: World) -> None:
    with grpc_authorizer(world.ns["auth"], 9000) as book:
        world.put(ask(GRPC, rule(operations=(need(Attribute.PORT, Exact("80"), Exact("9000")),))))
        assert [world.status(x_say="yes"), world.status(x_say="no")] == [200, 403]
        assert world.status(sni="shop.test", x_say="no") == 200, "of another port nobody is asked"
        assert world.heard()
        assert len(book.asked) == 3
    world.put(ask(msgspec.structs.replace(GRPC, timeout_ms=200), rule()))
    assert (world.status(), world.heard()) == (403, False)


def test_a_certificate_counts_only_if_it_was_verified(world: World) -> None:
    who = "spiffe://cluster.local/ns/shop/sa/kim"
    allow = policy(Action.ALLOW, rule(sources=(need(Attribute.PRINCIPAL, Exact(who.removeprefix("spiffe://"))),)))
    good, forged = world.lab.ca.issue(who), Ca().issue(who)
    try:
        world.clients = ClientProof(roots_pem=world.lab.ca.root)
        world.put(allow)
        world.shown = good
        assert world.status(sni="shop.test") == 200
        world.shown = world.lab.ca.issue("spiffe://cluster.local/ns/shop/sa/joe")
        assert world.status(sni="shop.test") == 403
        world.clients = ClientProof(roots_pem=world.lab.ca.root, required=False, lenient=True)
        world.put(allow)
        for world.shown in (forged, good, ("", "")):
            assert world.status(sni="shop.test") == 403
    finally:
        world.clients, world.shown = None, ("", "")


def test_a_route_may_match_claims_themselves(world: World) -> None:
    def claim(*path: str, value: str, invert: bool = False) -> ClaimMatch:
        return ClaimMatch(claim=path, match=Exact(value), invert=invert)

    def by(*claims: ClaimMatch) -> None:
        match = RouteMatch(claims=claims)
        world.put(
            tokens=(accept(ISSUER),), routes=(route("r", matches=(match,), action=Forward(backends=(backend(),))),)
        )

    def asked(**claims: Any) -> int:
        return world.status(authorization=f"Bearer {ISSUER.token(**claims)}")

    by(claim("groups", value="ops"))
    assert [asked(groups=["dev", "ops"]), asked(groups="ops"), asked(groups=["dev"]), world.status()] == [
        200,
        200,
        404,
        404,
    ]
    by(claim("org", "team.name", value="a"))
    assert [asked(org={"team.name": "a"}), asked(org={"team.name": "b"}), asked()] == [200, 404, 404]
    by(claim("groups", value="ops", invert=True))
    assert [asked(groups=["ops"]), asked(groups=["dev"]), world.status()] == [404, 200, 200]


def test_a_gateway_counts_by_a_claim_what_its_policies_let_through(world: World) -> None:
    whole = limited(limit(2, by(Key.CLAIM, claim="sub")))
    allow = policy(Action.ALLOW, rule(sources=(need(Attribute.TOKEN_SUBJECT, Present()),)))
    world.put(allow, tokens=(accept(ISSUER),), routes=(route("every", limits=(whole,)),))

    def ask(sub: str = "") -> int:
        return world.status(**({"authorization": f"Bearer {ISSUER.token(sub=sub)}"} if sub else {}))

    assert [ask(sub) for sub in ("me", "you") * 3] == [200] * 4 + [429] * 2
    assert [ask() for _ in range(4)] == [403] * 4
