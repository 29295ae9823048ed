"""Authorization policies with real requests and connections through a real Envoy."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator

import msgspec
import pytest

from meshbuild import attached, endpoint, endpoints, service, view
from netns.meshapps import dial, greeter_app, http_app, repeats
from netns.meshlab import Lab
from tandem.base.problems import Origin
from tandem.ir.authn import JwtRule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement, Suffix, Template
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.ir.served import Served

pytestmark = pytest.mark.root

WEB, DB = "10.96.1.1", "10.96.1.2"
ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "plain": "10.244.0.4"}


def need(attribute: Attribute, *values: object, name: str = "", refuses: tuple[object, ...] = ()) -> Requirement:
    return Requirement(attribute=attribute, name=name, values=values, refuses=refuses)  # type: ignore[arg-type]


def policy(action: Action, *rules: AuthzRule, name: str = "p", staged: bool = False) -> AuthzPolicy:
    origin = Origin(kind="AuthorizationPolicy", namespace="shop", name=name)
    numbered = tuple(
        msgspec.structs.replace(r, origin=msgspec.structs.replace(origin, path=f"spec.rules[{i}]"))
        for i, r in enumerate(rules)
    )
    return AuthzPolicy(action=action, rules=numbered, origin=origin, staged=staged)


def rule(
    *,
    sources: tuple[Requirement, ...] = (),
    operations: tuple[Requirement, ...] = (),
    when: tuple[Requirement, ...] = (),
) -> AuthzRule:
    return AuthzRule(
        sources=(sources,) if sources else (),
        operations=(operations,) if operations else (),
        when=when,
        origin=Origin(kind="AuthorizationPolicy", name="p"),
    )


class World:
    """Pod a and a plain pod call b: web:80 speaks HTTP, db:3306 bytes, and the server greets first."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}

    def put(self, *policies: AuthzPolicy, tokens: tuple[JwtRule, ...] = (), served: tuple[Served, ...] = ()) -> None:
        b = attached("b", ADDRESSES["b"], netns=str(self.ns["b"]))
        pod = msgspec.structs.replace(b.pod, authorization=policies, authentication=tokens, plain_http_ports=(8080,))
        server = msgspec.structs.replace(b, pod=msgspec.structs.replace(pod, served=served))
        self.lab.apply(
            view(
                attached("a", ADDRESSES["a"], netns=str(self.ns["a"])),
                server,
                service("web", WEB, ("http", 80, AppProtocol.HTTP)),
                endpoints("web", endpoint(server, http=8080)),
                service("db", DB, ("db", 3306, AppProtocol.TCP)),
                endpoints("db", endpoint(server, db=3306)),
            )
        )

    def ask(self, path: str = "/", method: str = "GET", *, who: str = "a", **headers: str) -> int:
        """The status of a request; from the plain pod to b's own address."""
        address, port = (WEB, 80) if who == "a" else (ADDRESSES["b"], 8080)
        with contextlib.closing(dial(self.ns[who], address, port)) as sock:
            connection = http.client.HTTPConnection("web.test", 80)
            connection.sock = sock
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            return connection.getresponse().status

    def heard(self) -> bool:
        """Whether what a says reaches the database of b, which repeats it."""
        return repeats(self.ns["a"], DB, 3306)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("az") as lab:
        made = World(lab)
        with http_app(made.ns["b"], 8080), greeter_app(made.ns["b"], 3306):
            yield made


def test_without_policies_everyone_may(world: World) -> None:
    world.put()
    assert (world.ask(), world.ask(who="plain"), world.heard()) == (200, 200, True)


def test_a_policy_that_allows_nothing_denies_everything(world: World) -> None:
    world.put(policy(Action.ALLOW))
    assert (world.ask(), world.ask(who="plain"), world.heard()) == (403, 403, False)


@pytest.mark.parametrize(
    "source",
    [
        need(Attribute.PRINCIPAL, Exact("cluster.local/ns/shop/sa/a")),
        need(Attribute.PRINCIPAL, Prefix("cluster.local/ns/shop/")),
        need(Attribute.PRINCIPAL, Suffix("/sa/a")),
        need(Attribute.PRINCIPAL, Present()),
        need(Attribute.NAMESPACE, Exact("shop")),
        need(Attribute.NAMESPACE, Prefix("sh")),
        need(Attribute.NAMESPACE, Regex("[^/]*ho[^/]*")),
        need(Attribute.TRUST_DOMAIN, Regex("cl[^/]*al")),
        need(Attribute.SERVICE_ACCOUNT, Exact("shop/a")),
        need(Attribute.TRUST_DOMAIN, Exact("cluster.local")),
        need(Attribute.PEER_ADDRESS, Exact("10.244.0.2/32")),
        need(Attribute.PRINCIPAL, refuses=(Exact("cluster.local/ns/shop/sa/b"),)),
    ],
)
def test_who_is_named_may(world: World, source: Requirement) -> None:
    world.put(policy(Action.ALLOW, rule(sources=(source,))))
    assert (world.ask(), world.heard()) == (200, True)


@pytest.mark.parametrize(
    "source",
    [
        need(Attribute.PRINCIPAL, Exact("cluster.local/ns/shop/sa/b")),
        need(Attribute.NAMESPACE, Exact("sho")),
        need(Attribute.NAMESPACE, Regex("[^/]*hu[^/]*")),
        need(Attribute.TRUST_DOMAIN, Regex("cl[^/]*oc")),
        need(Attribute.SERVICE_ACCOUNT, Exact("shop/aa")),
        need(Attribute.TRUST_DOMAIN, Exact("cluster")),
        need(Attribute.PEER_ADDRESS, Exact("10.244.0.3/32")),
        need(Attribute.PRINCIPAL, Present(), refuses=(Suffix("/sa/a"),)),
    ],
)
def test_who_is_not_named_may_not(world: World, source: Requirement) -> None:
    world.put(policy(Action.ALLOW, rule(sources=(source,))))
    assert (world.ask(), world.heard()) == (403, False)


def test_who_proves_no_identity_is_nobody(world: World) -> None:
    world.put(policy(Action.ALLOW, rule(sources=(need(Attribute.NAMESPACE, Present()),))))
    assert (world.ask(), world.ask(who="plain")) == (200, 403)


def test_a_claimed_address_counts_for_nothing(world: World) -> None:
    world.put(policy(Action.ALLOW, rule(sources=(need(Attribute.CLIENT_ADDRESS, Exact("192.0.2.7")),))))
    assert world.ask(x_forwarded_for="192.0.2.7") == 403


@pytest.mark.parametrize(
    ("operation", "asked", "other"),
    [
        (need(Attribute.METHOD, Exact("GET")), ("/", "GET"), ("/", "POST")),
        (need(Attribute.PATH, Exact("/a")), ("/a?x=1", "GET"), ("/a/b", "GET")),
        (need(Attribute.PATH, Prefix("/a/")), ("/a/b", "GET"), ("/a", "GET")),
        (need(Attribute.PATH, Suffix(".txt")), ("/x.txt", "GET"), ("/x.md", "GET")),
        (need(Attribute.PATH, Template("/a/*/c")), ("/a/b/c", "GET"), ("/a/b/d", "GET")),
        (need(Attribute.PATH, Template("/a/**")), ("/a/b/d", "GET"), ("/b", "GET")),
        (need(Attribute.HOST, Exact("WEB.test")), ("/", "GET"), None),
        (need(Attribute.PORT, Exact("8080")), ("/", "GET"), None),
        (need(Attribute.LOCAL_ADDRESS, Exact("10.244.0.3")), ("/", "GET"), None),
    ],
)
def test_operations(
    world: World, operation: Requirement, asked: tuple[str, str], other: tuple[str, str] | None
) -> None:
    world.put(policy(Action.ALLOW, rule(operations=(operation,))))
    assert world.ask(*asked) in {200, 501}, "501 is the application's word on a method"
    assert other is None or world.ask(*other) == 403


@pytest.mark.parametrize(
    "path",
    ["/admin", "//admin", "/x/../admin", "/%61dmin", "/./admin", "/admin//", "/%2fadmin", "/admin%2Fx", "/admin/x"],
)
def test_no_other_spelling_of_a_path_gets_around_a_rule(world: World, path: str) -> None:
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.PATH, Exact("/admin"), Prefix("/admin/")),))))
    assert world.ask(path) in {403, 400}


def test_an_exception_of_what_is_allowed_holds_in_every_spelling(world: World) -> None:
    world.put(policy(Action.ALLOW, rule(operations=(need(Attribute.PATH, refuses=(Prefix("/admin"),)),))))
    assert (world.ask("/other"), world.ask("//admin"), world.ask("/admin/x")) == (200, 403, 403)


def test_conditions_look_at_headers(world: World) -> None:
    world.put(policy(Action.DENY, rule(when=(need(Attribute.HEADER, Exact("no"), name="x-say"),))))
    assert (world.ask(), world.ask(x_say="no"), world.ask(x_say="yes")) == (200, 403, 200)


def test_denial_comes_first(world: World) -> None:
    everyone = policy(Action.ALLOW, rule(), name="all")
    nobody = policy(Action.DENY, rule(operations=(need(Attribute.PATH, Exact("/no")),)), name="no")
    world.put(nobody, everyone)
    assert (world.ask("/yes"), world.ask("/no")) == (200, 403)


def test_rules_about_requests_are_closed_where_only_bytes_are_seen(world: World) -> None:
    about = rule(operations=(need(Attribute.METHOD, Exact("GET")),))
    world.put(policy(Action.ALLOW, about))
    assert (world.ask(), world.heard()) == (200, False)
    world.put(policy(Action.DENY, about))
    assert (world.ask(), world.heard()) == (403, False)
    other = rule(operations=(need(Attribute.METHOD, Exact("GET")), need(Attribute.PORT, Exact("8080"))))
    world.put(policy(Action.DENY, other))
    assert (world.ask(), world.heard()) == (403, True)


def test_a_staged_policy_denies_nothing(world: World) -> None:
    world.put(policy(Action.DENY, rule(), staged=True))
    assert (world.ask(), world.heard()) == (200, True)


def test_the_log_names_the_rule_that_denied(world: World) -> None:
    world.put(policy(Action.DENY, rule(), rule(operations=(need(Attribute.PATH, Exact("/x")),))))
    world.ask("/logged")
    (entry,) = world.lab.ads.log_of(
        "destination|uid-b", lambda e: "request" in e.DESCRIPTOR.fields_by_name and e.request.path == "/logged"
    )
    assert "[AuthorizationPolicy/shop/p/spec.rules[0]]" in entry.response.response_code_details
    world.heard()
    found = world.lab.ads.log_of(
        "destination|uid-b",
        lambda e: (
            "request" not in e.DESCRIPTOR.fields_by_name
            and "rbac" in e.common_properties.connection_termination_details
        ),
    )
    assert any("/p/spec.rules[0]]" in e.common_properties.connection_termination_details for e in found)
