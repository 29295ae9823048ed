"""Translation that goes on from World to World against translation of the whole, over any sequence of changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import consulworlds as consul
import ingressworlds as istio
import linkerdworlds as lk
from builders import cluster_policy, endpoint_slice, namespace, node, pod, policy, service
from gatewayworlds import (
    allowing,
    at,
    gateway,
    gateway_class,
    https,
    in_set,
    listener,
    listenerset,
    passthrough,
    route,
    tcproute,
    terminate,
    tls_secret,
    tlsroute,
    udproute,
)
from meshworlds import (
    authz,
    backendtraffic,
    canary,
    dr,
    faults,
    httproute,
    limit_at,
    parent,
    peerauth,
    ratelimit,
    reqauth,
    telemetry,
    trafficpolicy,
    trust_source,
    vs,
)
from property.worlds import LABELS, NAMESPACES, SPECS
from tandem.ir import pieces, wire
from tandem.ir.pieces import cut
from tandem.ir.policy import AddressGroup
from tandem.model import core
from tandem.model.gateways import GROUP
from tandem.model.meta import Meta, Object
from tandem.model.world import World
from tandem.runtime.publisher import GROUPS, Publisher
from tandem.translate.live import Live
from tandem.translate.mesh.istio.authentication import KEYS_FROM
from tandem.translate.options import Options
from tandem.translate.slices import Slice, slice_for
from tandem.translate.world import Translation, translate_world
from tlsworlds import backend_tls, bundle, target

SPACES = st.sampled_from(NAMESPACES)
CALLS = {"connectTimeoutMs": 5}
NODES = ("node-1", "node-2", "node-3")
MESH = st.sampled_from(({}, {"tandem.io/mesh": "enabled"}))
Raw = dict[str, Any]
OF_A_PARTNER: Raw = {"mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://partner.example/web"]}


@st.composite
def pods(draw: st.DrawFn) -> core.Pod:
    number = draw(st.integers(0, 5))
    space = draw(SPACES)
    return pod(
        f"pod-{number}",
        namespace=space,
        uid=f"uid-{space}-{number}-{draw(st.integers(0, 1))}",
        node=draw(st.sampled_from(NODES)),
        # Addresses of finished pods are given to others, and for a moment two may claim the same.
        ip=draw(st.sampled_from(((f"10.244.0.{number + 2}", f"fd00::{number + 2}"), ("10.244.0.2",), ()))),
        ports=draw(st.sampled_from(({}, {"http": 80}, {"http": 8080}))),
        labels={**draw(LABELS), **draw(MESH)},
        phase=draw(st.sampled_from(("Running", "Running", "Succeeded"))),
        host_network=draw(st.integers(0, 9)) == 0,
    )


NUMBERS = st.integers(0, 1)
NOTES: Raw = {"timeout.linkerd.io/request": "1s", "balancer.linkerd.io/failure-accrual": "consecutive"}
SERVICES = st.builds(
    lambda n, s, labels, notes: lk.with_notes(service(f"s{n}", ns=s, selector=labels), notes),
    NUMBERS,
    SPACES,
    LABELS,
    st.sampled_from(({}, {}, NOTES, NOTES | {"retry.linkerd.io/http": "5xx"}, {"retry.linkerd.io/limit": "x"})),
)
AUTHENTICATION: tuple[Raw, ...] = (
    {"mtls": {"mode": "STRICT"}},
    {"selector": {"matchLabels": {"app": "web"}}, "portLevelMtls": {"80": {"mode": "DISABLE"}}},
)
EDGE = st.sampled_from(
    (
        gateway_class(),
        gateway("edge", ns="shop"),
        gateway("edge", listener(), listener("names", 53, "UDP"), ns="shop", **allowing("All")),
        listenerset("ls", listener("a", 81), listener("n", 54, "UDP"), ns="shop"),
        listenerset("ls", listener("a", 81), ns="shop", created="2026-01-01T00:00:00Z", status={"listeners": []}),
        listenerset("lt", listener("b", 81), ns="default", to={"name": "edge", "namespace": "shop"}),
        udproute("ur", at(), in_set("ls"), ns="shop"),
        route("hs", in_set("ls"), ns="shop"),
        gateway("edge", https(), ns="shop", tls={"backend": {"clientCertificateRef": {"name": "cert"}}}),
        tls_secret(ns="shop"),
        route("hr", ns="shop", rules=[{"backendRefs": [{"name": "s0", "port": 80}]}]),
        backend_tls("p", target("s0"), ns="shop"),
        backend_tls("q", target("s0"), ns="shop", refs=(), wellKnownCACertificates="System"),
        bundle(ns="shop"),
    )
)
"""Gateways, and what they do in TLS."""
_TO_S0 = [{"backendRefs": [{"name": "s0", "namespace": "shop", "port": 80}]}]
CONNECTIONS = st.sampled_from(
    (
        gateway("edge", passthrough(hostname="*.test"), terminate(), listener("raw", 9000, "TCP"), ns="shop"),
        tlsroute("a.test", name="sr", ns="shop", rules=_TO_S0),
        tlsroute("*.test", name="sr", ns="shop", parents=(at(), parent("s0", namespace="shop")), rules=_TO_S0),
        tlsroute(name="sr", ns="other", parents=(parent("s0", namespace="shop"),), rules=_TO_S0),
        tcproute("tr", at(), parent("s1", namespace="shop"), ns="shop", rules=_TO_S0),
        tcproute("tr", parent("s0", namespace="shop"), ns="other", rules=_TO_S0),
    )
)
"""Routes of connections, at gateways and at Services."""
INGRESS = st.sampled_from(
    (
        istio.gateway("edge", istio.server(), istio.https("a.test", of="cert"), ns="shop"),
        istio.gateway("edge", istio.server("*.test", tls={"httpsRedirect": True}), ns="other"),
        istio.gateway("edge", istio.server(port=9000, protocol="TCP"), ns="shop", selector={"istio": "egressgateway"}),
        istio.secret(),
        istio.secret(ns="shop"),
        istio.vs("in", istio.to("s0"), hosts=("a.test", "s0"), at=("edge", "other/edge"), ns="shop"),
        istio.vs("in", {"delegate": {"name": "leaf"}}, hosts=("*",), at=("mesh", "edge"), ns="shop"),
        istio.vs("leaf", istio.to("s1", match=[{"gateways": ["shop/edge"]}]), hosts=(), at=(), ns="shop"),
    )
)
"""Istio's Gateways, and VirtualServices at them."""
TARGETS = st.sampled_from(
    (
        {"group": GROUP, "kind": "Gateway", "name": "gw0"},
        {"group": GROUP, "kind": "GatewayClass", "name": "tandem"},
    )
)
OTHERS = st.one_of(
    EDGE,
    CONNECTIONS,
    INGRESS,
    st.builds(lambda s, labels, mesh: namespace(s, **labels, **mesh), SPACES, LABELS, MESH),
    st.builds(
        lambda n, ready, rack, names: node(n, ready=ready, rack=rack, names=names),
        st.sampled_from(NODES),
        st.sampled_from(("True", "False")),
        st.sampled_from("ab"),
        st.sampled_from(("", '{"db.tandem":["10.244.0.9"]}', '{"db.tandem":["10.88.0.9"]}')),
    ),
    SERVICES,
    st.builds(
        lambda of, found, n: endpoint_slice(of, [p for p in found if p.addresses], name=f"{of.metadata.name}-{n}"),
        SERVICES,
        st.lists(pods(), max_size=2),
        NUMBERS,
    ),
    st.builds(
        lambda n, s, spec: peerauth(f"pa{n}", ns=s, **spec),
        NUMBERS,
        SPACES | st.just("istio-system"),
        st.sampled_from(AUTHENTICATION),
    ),
    st.builds(
        lambda n, s, logging, whom: telemetry(f"tm{n}", ns=s, accessLogging=[logging], **whom),
        NUMBERS,
        SPACES | st.just("istio-system"),
        st.sampled_from(({"disabled": True}, {"disabled": False}, {"filter": {"expression": "response.code >= 400"}})),
        LABELS.map(lambda labels: {"selector": {"matchLabels": labels}})
        | NUMBERS.map(lambda n: {"targetRefs": [{"kind": "Service", "name": f"s{n}"}]}),
    ),
    st.builds(
        lambda n, s, action, labels: authz(
            f"ap{n}", ns=s, action=action, rules=[{}], **({"selector": {"matchLabels": labels}} if labels else {})
        ),
        NUMBERS,
        SPACES | st.just("istio-system"),
        st.sampled_from(("ALLOW", "DENY")),
        LABELS,
    ),
    st.builds(
        lambda n, s, of, one: consul.intentions(of, one, name=f"ci{n}", ns=s),
        NUMBERS,
        SPACES,
        st.sampled_from(("s0", "s1", "*")),
        st.sampled_from(
            (consul.source("a"), consul.source("a", permissions=[consul.permission("deny", pathPrefix="/x")]))
        ),
    ),
    st.builds(
        lambda s, made: made(s),
        SPACES,
        st.sampled_from(
            (
                lambda s: consul.router("s0", consul.route("s1", match={"methods": ["GET"]}), ns=s),
                lambda s: consul.splitter("s0", consul.split(50), consul.split(50, "s1"), ns=s),
                lambda s: consul.resolver("s0", subsets=consul.versions("v1"), defaultSubset="v1", ns=s),
                lambda s: consul.defaults("s0", protocol="grpc", mutualTLSMode="strict", ns=s),
                lambda s: consul.defaults("s1", maxInboundConnections=1, ns=s),
                lambda s: consul.defaults("s0", upstreamConfig={"overrides": [{"name": "s1", **CALLS}]}, ns=s),
                lambda s: consul.resolver("s1", redirect={"service": "s0"}, ns=s),
            )
        ),
    ),
    st.builds(
        lambda s, of: consul.intentions(
            "*", consul.source("*", namespace="*"), name="all", ns="istio-system", of=of or s
        ),
        SPACES,
        st.sampled_from(("", "*")),
    ),
    st.builds(
        lambda n, s, port, labels, speaks: lk.server(
            f"sv{n}", ns=s, port=port, podSelector={"matchLabels": labels}, proxyProtocol=speaks
        ),
        NUMBERS,
        SPACES,
        st.sampled_from((80, "http")),
        LABELS,
        st.sampled_from(("unknown", "opaque")),
    ),
    st.builds(
        lambda n, s, target: lk.allowing(target, lk.by("MeshTLSAuthentication", "ids"), name=f"al{n}", ns=s),
        NUMBERS,
        SPACES,
        st.sampled_from(("sv0", lk.at_route("lr0"))),
    ),
    st.builds(
        lambda s, d, p: lk.noted(namespace(s), d, p),
        SPACES,
        st.sampled_from(("", "deny", "audit")),
        st.sampled_from(("", "80")),
    ),
    st.builds(lambda s, who: lk.mesh_tls(ns=s, identities=[who]), SPACES, st.sampled_from(("*", "a.test"))),
    st.builds(
        lambda n, s, of, spec: lk.profile(f"s{n}", ns=s, of=of, **spec),
        NUMBERS,
        SPACES,
        SPACES,
        st.sampled_from(
            ({}, {"opaquePorts": ["80"]}, {"retryBudget": {}}, {"dstOverrides": [{"authority": "s0", "weight": 1}]})
        ),
    ),
    st.builds(lambda n, s: lk.limits(f"ll{n}", "sv0", ns=s, total={"requestsPerSecond": 1}), NUMBERS, SPACES),
    st.builds(lambda n, s: lk.route(f"lr{n}", ns=s, server=f"sv{n}"), NUMBERS, SPACES),
    st.builds(
        lambda n, s, spec: reqauth(f"ra{n}", ns=s, notes={KEYS_FROM: "i=configmap/keys/k"}, **spec),
        NUMBERS,
        SPACES | st.just("istio-system"),
        st.sampled_from(
            (
                {"jwtRules": [{"issuer": "i"}]},
                {"jwtRules": [{"issuer": "i"}], "selector": {"matchLabels": {"app": "web"}}},
                {"jwtRules": [{"issuer": "i"}], "targetRefs": [{"kind": "Service", "name": "s0"}]},
            )
        ),
    ),
    st.builds(
        lambda n, s, host: gateway(f"gw{n}", listener("http", hostname=host), ns=s),
        NUMBERS,
        SPACES,
        st.sampled_from(("a.test", "*.test")),
    ),
    st.builds(lambda n, s: route(f"er{n}", at(f"gw{n}"), host="a.test", ns=s), NUMBERS, SPACES),
    st.just(gateway_class()),
    st.builds(
        lambda n, s, target: authz(f"gp{n}", ns=s, targetRefs=[target], rules=[{}]),
        NUMBERS,
        SPACES | st.just("istio-system"),
        TARGETS,
    ),
    st.builds(
        lambda n, s, target: reqauth(f"gr{n}", ns=s, targetRefs=[target], jwtRules=[{"issuer": "i"}]),
        NUMBERS,
        SPACES | st.just("istio-system"),
        TARGETS,
    ),
    st.builds(
        lambda s, keys: core.ConfigMap(
            api_version="v1", kind="ConfigMap", metadata=Meta(name="keys", namespace=s), data=keys
        ),
        SPACES,
        st.sampled_from(({}, {"k": '{"keys":[{"kty":"EC"}]}'})),
    ),
    st.builds(
        lambda n, s: vs(f"s{n}", ns=s, hosts=[f"s{n}"], http=[{"route": [{"destination": {"host": f"s{n}"}}]}]),
        NUMBERS,
        SPACES,
    ),
    st.builds(
        lambda n, s, labels: dr(f"s{n}", ns=s, host=f"s{n}", subsets=[{"name": "v1", "labels": labels}]),
        NUMBERS,
        SPACES,
        LABELS,
    ),
    st.builds(
        lambda n, s, to, whom: dr(f"c{n}", ns=s, host=f"s{n}.{to}.svc.cluster.local", **whom),
        NUMBERS,
        SPACES,
        SPACES,
        st.sampled_from(({}, {"exportTo": ["."]}, {"workloadSelector": {"matchLabels": {"app": "a"}}})),
    ),
    st.builds(
        lambda n, s: httproute(f"hr{n}", ns=s, parentRefs=[parent(f"s{n}")], rules=[{"name": "r"}]), NUMBERS, SPACES
    ),
    st.builds(
        lambda n, s: faults(limit_at("HTTPRoute", f"hr{n}"), name=f"fi{n}", ns=s, abort={"httpStatus": 503}),
        NUMBERS,
        SPACES,
    ),
    st.builds(
        lambda n, roots: trust_source("partner.example", name=f"ts{n}", roots=roots),
        NUMBERS,
        st.sampled_from(["", "default/gone"]),
    ),
    st.builds(
        lambda n, s: dr(f"td{n}", ns=s, host=f"s{n}", trafficPolicy={"tls": OF_A_PARTNER}),
        NUMBERS,
        SPACES,
    ),
    st.builds(
        lambda n, s, section, part: trafficpolicy(limit_at("Service", f"s{n}", section), name=f"tp{n}", ns=s, **part),
        NUMBERS,
        SPACES,
        st.sampled_from(["", "http", "gone"]),
        st.sampled_from([{"outlierDetection": {}}, {"sessionPersistence": {}}, {"loadBalancer": {"type": "Random"}}]),
    ),
    st.builds(
        lambda n, s, part: backendtraffic(f"s{n}", name=f"bt{n}", ns=s, **part),
        NUMBERS,
        SPACES,
        st.sampled_from([{"retryConstraint": {}}, {"sessionPersistence": {"cookie": {"name": "cart"}}}]),
    ),
    st.builds(
        lambda n, s, refs, staged: ratelimit(*refs, name=f"rl{n}", ns=s, staged=staged),
        NUMBERS,
        SPACES,
        st.sampled_from(
            ([limit_at("Service", "s0")], [limit_at("HTTPRoute", "hr0"), limit_at("HTTPRoute", "hr1", "r")])
        ),
        st.booleans(),
    ),
    st.builds(
        lambda n, s, ref, weight: canary(f"s{n}", ns=s, stable={"service": f"s{n}"}, canary=ref, status=weight),
        NUMBERS,
        SPACES,
        st.sampled_from(({"service": "s0"}, {"subset": "v1"})),
        st.sampled_from((None, {"weight": 20}, {"weight": 60})),
    ),
)


@st.composite
def clusterwide(draw: st.DrawFn) -> Object:
    labels = {"matchLabels": draw(LABELS)}
    chosen = st.sampled_from(
        (
            {"namespaces": {}},
            {"namespaces": labels},
            {"pods": {"namespaceSelector": {}, "podSelector": labels}},
        )
    )
    peer = draw(chosen | st.sampled_from(({"nodes": {"matchLabels": {"rack": "a"}}}, {"networks": ["10.0.0.0/8"]})))
    ports = draw(st.sampled_from(([], [{"namedPort": "http"}], [{"portNumber": {"protocol": "TCP", "port": 80}}])))
    rule = {"action": draw(st.sampled_from(("Allow", "Deny", "Pass"))), "to": [peer]}
    return cluster_policy(
        f"c{draw(st.integers(0, 1))}",
        kind="AdminNetworkPolicy",
        notes=draw(st.sampled_from(({}, {"tandem.io/staged": "true"}, {"tandem.io/deny": "reject"}))),
        priority=draw(st.integers(1, 2)),
        subject=draw(chosen),
        ingress=[{"action": draw(st.sampled_from(("Allow", "Deny"))), "from": [draw(chosen)]}],
        egress=[{**rule, **({"ports": ports} if ports else {})}],
    )


POLICIES = st.one_of(
    st.builds(lambda n, s, spec: policy(f"policy-{n}", ns=s, **spec), st.integers(0, 3), SPACES, SPECS), clusterwide()
)
OBJECTS = st.one_of(pods(), pods(), POLICIES, POLICIES, OTHERS)
FIRST = st.lists(st.tuples(OBJECTS, st.just(True)), min_size=16, max_size=24)  # a world in which much depends on much
NEXT = st.lists(st.tuples(OBJECTS, st.sampled_from((True, True, False))), min_size=1, max_size=2)
STEPS = st.builds(lambda first, more: [first, *more], FIRST, st.lists(NEXT, min_size=4, max_size=8))


def after(world: World, step: list[tuple[Object, bool]]) -> World:
    for obj, there in step:
        if isinstance(obj, core.Pod) and there:  # an API server gives a uid once
            twins = {
                k: None for k, p in world.all(core.Pod).items() if p.metadata.uid == obj.metadata.uid and k != obj.key
            }
            world = world.with_changes("Pod", twins, synced=True)
        world = world.with_changes(obj.kind, {obj.key: obj if there else None}, synced=True)
    return world


def sent_to(name: str, whole: Translation) -> Slice:
    """With groups as they travel."""
    found = slice_for(name, whole)
    groups = found[GROUPS].values()
    return {**found, GROUPS: {n: piece for g in groups if isinstance(g, AddressGroup) for n, piece in cut(g).items()}}


@given(STEPS)
@settings(max_examples=150)
def test_every_step_is_the_translation_of_the_whole(steps: list[list[tuple[Object, bool]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LARGEST", 2)  # so that the groups of so few pods are large ones, too
        every_step(steps)


def every_step(steps: list[list[tuple[Object, bool]]]) -> None:
    options, world = Options(), World(synced=True)
    live, publisher = Live(options), Publisher()
    sent: dict[str, dict[str, Any]] = {}
    for step in steps:
        world = after(world, step)
        found, whole = live.translate(world), translate_world(World.of(world.objects()), options)
        for name in whole.__struct_fields__:
            if name != "policy":
                assert getattr(found, name) == getattr(whole, name), name
        for name in whole.policy.__struct_fields__:
            assert getattr(found.policy, name) == getattr(whole.policy, name), name
        nodes = {name for _, name in world.all(core.Node)}
        for gone in sent.keys() - nodes:
            publisher.forget(gone)
            del sent[gone]
        for name, news in publisher.update(found, nodes):
            sent.setdefault(name, {}).update(news)
        for name in nodes:
            wanted = {url: {n: wire.encode(v) for n, v in named.items()} for url, named in sent_to(name, whole).items()}
            assert {url: {n: e.value for n, e in named.items()} for url, named in sent[name].items()} == wanted
