"""A tiny evaluator of the IR agrees with the reference evaluator of the objects, on random policies and requests."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from authzjudge import decide
from builders import pod, service
from gatewayworlds import gateway, gateway_class, listener, pool
from meshworlds import authz
from tandem.compile.envoy.guarded import guard_at
from tandem.model import core
from tandem.model.meta import Meta
from tandem.model.security import AuthorizationPolicy
from tandem.model.world import World
from tandem.reference.authorization import Asked, decide_authorization
from tandem.translate.mesh.istio.authorization import AuthorizationIndex, one_authorizer
from tandem.translate.mesh.istio.providers import read_providers
from tandem.translate.options import Options
from tandem.translate.world import translate_world

WEB = pod("web", labels={"app": "web"})
NAMES = ("*", "a", "a*", "*a", "shop", "cluster.local/ns/shop/sa/a")
DOMAINS = ("td.test", "old.test")
PRINCIPALS = (*NAMES, *(f"{domain}/ns/shop/sa/a" for domain in ("old.test", "*.test", "o*", "other")))
PATHS = ("*", "/a", "/a/*", "*/b", "/a/{*}", "/{**}")


GROUP = "gateway.networking.k8s.io"
FRONT, OWN = "192.0.2.65", "10.244.0.1"


def lists(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


def fields(**values: tuple[str, ...]) -> st.SearchStrategy[dict[str, list[str]]]:
    every = {name: lists(*v) for name, v in values.items()}
    every |= {f"not{n[0].upper()}{n[1:]}": s for n, s in every.items()}
    return st.fixed_dictionaries({}, optional=every).filter(bool)


SOURCES = fields(
    principals=PRINCIPALS,
    namespaces=(*NAMES, "*ho*", "s*p", "*s*h*"),
    serviceAccounts=("a", "shop/a", "*"),
    trustDomains=("cluster.local", "x", "old.test", "*.test", "o*t", "o*e*", "*d*"),
    ipBlocks=("10.0.0.2", "10.0.0.0/30"),
    remoteIpBlocks=("10.0.0.2", "10.0.0.8/30"),
    requestPrincipals=("*", "i/s", "i/*", "*/s", "i", "*s"),
)
OPERATIONS = fields(hosts=("Web", "*.test", "*"), ports=("80", "81"), methods=("GET", "P*"), paths=PATHS)
PLACE = st.one_of(
    st.builds(lambda v: {"key": "connection.sni", "values": v}, lists("a.test", "*.test", "*")),
    st.builds(
        lambda k, v: {"key": "destination.ip", k: v},
        st.sampled_from(("values", "notValues")),
        lists("10.0.0.3", "192.0.2.64/28", "192.0.2.65"),
    ),
    st.builds(
        lambda k, v: {"key": "destination.port", k: v}, st.sampled_from(("values", "notValues")), lists("80", "81")
    ),
)
WHEN = st.one_of(
    st.builds(lambda v: {"key": "request.headers[x-a]", "values": v}, lists("1", "2*", "*")),
    st.builds(lambda v: {"key": "source.namespace", "notValues": v}, lists("shop", "b")),
    st.builds(lambda v: {"key": "source.trustDomain", "values": v}, lists("cluster.local", "*.local", "other")),
    PLACE,
    st.builds(
        lambda k, v: {"key": f"request.auth.{k}", "values": v},
        st.sampled_from(("claims[g]", "claims[o][t]", "audiences", "presenter", "principal")),
        lists("a", "b*", "*", "i/s"),
    ),
    st.builds(lambda v: {"key": "request.auth.claims[g]", "notValues": v}, lists("a", "*")),
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.builds(lambda s: {"source": s}, SOURCES), max_size=2),
        "to": st.lists(st.builds(lambda o: {"operation": o}, OPERATIONS), max_size=2),
        "when": st.lists(WHEN, max_size=2),
    },
)
ACTIONS = st.sampled_from(
    (
        {"action": "ALLOW"},
        {"action": "DENY"},
        {"action": "AUDIT"},
        *({"action": "CUSTOM", "provider": {"name": name}} for name in ("over-grpc", "over-http", "nobody")),
    )
)
POLICIES = st.builds(
    lambda name, action, rules, ns: authz(name, ns=ns, rules=rules, **action),
    st.sampled_from("abcd"),
    ACTIONS,
    st.lists(RULES, min_size=1, max_size=2),
    st.sampled_from(("default", "istio-system", "other")),
)
ASKED = st.builds(
    Asked,
    principal=st.sampled_from(("", "x/ns/a/sa/aa", *(f"{d}/ns/shop/sa/a" for d in ("cluster.local", *DOMAINS)))),
    source=st.sampled_from(("10.0.0.2", "10.0.0.9")),
    destination=st.just("10.0.0.3"),
    port=st.sampled_from((80, 81)),
    parsed=st.booleans(),
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(("/a", "/a/b", "//a", "/a%2Fb", "/x/b?q=1", "/a/..%2Fb", "/a%2f./b")),
    host=st.sampled_from(("web", "a.test", "WEB:80", "a.test:8080")),
    client=st.sampled_from(("", "10.0.0.2", "10.0.0.9")),
    sni=st.sampled_from(("", "a.test", "b.test")),
    headers=st.sampled_from(({}, {"x-a": "1"}, {"x-a": "22"})),
    claims=st.sampled_from(
        (
            None,
            {"iss": "i", "sub": "s", "g": "a"},
            {"iss": "i", "sub": "ss", "g": ["b", "bb"], "aud": ["a", "c"]},
            {"iss": "i", "o": {"t": "a"}, "aud": "b", "azp": "bb"},
            {"iss": "i/s", "sub": "s", "g": {"a": "b"}, "azp": 5},
        )
    ),
)


MESH = """
extensionProviders:
- name: over-grpc
  envoyExtAuthzGrpc: {service: auth.default.svc.cluster.local, port: 9000}
- name: over-http
  envoyExtAuthzHttp: {service: default/auth, port: 8000}
"""
PROVIDERS = core.ConfigMap(
    api_version="v1", kind="ConfigMap", metadata=Meta(name="istio", namespace="istio-system"), data={"mesh": MESH}
)
AUTH = service("auth", ports=[{"name": "grpc", "port": 9000}, {"name": "http", "port": 8000}])


@settings(max_examples=400)
@given(st.lists(POLICIES, max_size=3), st.lists(ASKED, min_size=1, max_size=4))
def test_translation_agrees_with_the_reference(policies: list[AuthorizationPolicy], asked: list[Asked]) -> None:
    world = World.of([*policies, PROVIDERS, AUTH])
    index = AuthorizationIndex(world, "istio-system", read_providers(world, Options()), DOMAINS)
    judging, _ = one_authorizer(index.policies(WEB))
    for one in asked:
        # No hop is trusted, and no TLS ends there.
        one = msgspec.structs.replace(one, client="", sni="", domains=DOMAINS)  # noqa: PLW2901
        found = decide_authorization(world, WEB, one)
        assert decide(judging, one) == (found.allowed, set(found.asks), set(found.audits)), one


TARGETS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        {},
        {"selector": {"matchLabels": {f"{GROUP}/gateway-name": "edge"}}},
        {"selector": {"matchLabels": {"tier": "front"}}},
        {"selector": {"matchLabels": {"app": "web"}}},
        *(
            {"targetRefs": refs}
            for refs in (
                [{"group": GROUP, "kind": "Gateway", "name": "edge"}],
                [{"group": GROUP, "kind": "Gateway", "name": "other"}, {"kind": "Service", "name": "web"}],
                [{"group": GROUP, "kind": "Gateway", "name": "edge", "namespace": "other"}],
                [{"group": GROUP, "kind": "GatewayClass", "name": "tandem"}],
                [{"group": GROUP, "kind": "HTTPRoute", "name": "edge"}],
            )
        ),
    )
)
AT_GATEWAY = st.builds(
    lambda name, action, rules, ns, target: authz(name, ns=ns, rules=rules, **action, **target),
    st.sampled_from("abcd"),
    ACTIONS,
    st.lists(RULES | st.fixed_dictionaries({"when": st.lists(PLACE, max_size=2)}), min_size=1, max_size=2),
    st.sampled_from(("default", "istio-system", "other")),
    TARGETS,
)


@settings(max_examples=400)
@given(st.lists(AT_GATEWAY, max_size=3), st.lists(ASKED, min_size=1, max_size=4), st.sampled_from((0, 1)))
def test_what_a_gateway_is_sent_agrees_with_the_reference(
    policies: list[AuthorizationPolicy], asked: list[Asked], hops: int
) -> None:
    """The reference sees the gateway's address and port, the node its own."""
    edge = gateway("edge", listener(), addresses=[{"value": FRONT}], infrastructure={"labels": {"tier": "front"}})
    config = f"{MESH}\ndefaultConfig: {{gatewayTopology: {{numTrustedProxies: {hops}}}}}"
    mesh = msgspec.structs.replace(PROVIDERS, data={"mesh": config})
    world = World.of([*policies, mesh, AUTH, edge, gateway_class(), pool(FRONT)])
    (made,) = translate_world(world, Options()).edge.gateways.values()
    for one in asked:
        dialled = msgspec.structs.replace(one, destination=FRONT, client=one.client if hops else "")
        found = decide_authorization(world, edge, dialled)
        guard = guard_at(made, one.port, (OWN,))
        seen = msgspec.structs.replace(dialled, destination=OWN)
        assert decide(guard.authorization, seen) == (found.allowed, set(found.asks), set(found.audits)), one
