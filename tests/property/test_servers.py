"""A tiny evaluator of the IR agrees with the reference evaluator of Linkerd's objects, on random ones and requests."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import event, given, settings

from authzjudge import holding
from builders import namespace, pod
from linkerdworlds import END, allowing, at_route, by, limits, mesh_tls, networks, noted, older, route, server
from meshworlds import grpcroute, httproute
from tandem.base.problems import Origin
from tandem.ir.authz import Action
from tandem.ir.limits import RateLimit
from tandem.model.meta import Object
from tandem.model.unreadable import UNREADABLE, unreadable
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.serverlimits import counted_at_server
from tandem.reference.servers import decide_servers
from tandem.translate.mesh.linkerd.servers import ServerIndex

GATEWAY = "gateway.networking.k8s.io"
PROBE = {"httpGet": {"port": "http", "path": "/ready?x=1"}}
CONTAINERS = [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": PROBE}]
SIDECAR = {"name": "s", "restartPolicy": "Always", "ports": [{"name": "more", "containerPort": 9090}]}
PODS = (
    {"containers": CONTAINERS},
    {"containers": [{"name": "c"}], "initContainers": [*CONTAINERS, SIDECAR]},
)
REQUIRED = ("", "", "8080", "9090, 1-3", "1-9000", "http", "2-1", "1-65535")
POLICIES = ("deny", "audit", "all-authenticated", "all-unauthenticated", "cluster-authenticated", "what")
IDENTITIES = (
    *("*", f"a.shop.{END}", f"*.shop.{END}", f"*.{END}", "*.cluster.local", "*.x", f"*.b.shop.{END}", "a.test"),
    *("spiffe://cluster.local/ns/shop/sa/a", "spiffe://x/ns/shop/sa/a", "spiffe://x"),
)
PATHS = (
    {"value": "/"},
    {"value": "/a"},
    {"value": "/a/b", "type": "Exact"},
    {"value": "/a/[^/]+", "type": "RegularExpression"},
)
MATCHES = st.fixed_dictionaries(
    {"path": st.sampled_from(PATHS)},
    optional={
        "method": st.sampled_from(("GET", "POST")),
        "headers": st.just([{"name": "X-A", "value": "1"}]),
        "queryParams": st.sampled_from(
            (
                [{"name": "q", "value": "1"}],
                [{"name": "q", "value": "1"}],
                [{"name": "q", "value": "[0-9]+", "type": "RegularExpression"}],
                [{"name": "q", "value": "1"}, {"name": "r", "value": "2"}],
                [{"name": "q", "value": "[^&]", "type": "RegularExpression"}],
            )
        ),
    },
)
HOSTS = st.lists(st.sampled_from(("web.test", "*.test", "other.test")), max_size=2, unique=True)
PARENTS = st.sampled_from(
    (
        [{"kind": "Server", "group": "policy.linkerd.io", "name": "web"}],
        [{"kind": "Server", "group": "policy.linkerd.io", "name": "web", "namespace": "default"}],
        [{"kind": "Server", "group": "policy.linkerd.io", "name": "web", "namespace": "other"}],
        [{"kind": "Server", "group": "policy.linkerd.io", "name": "web", "port": 8080}],
        [{"kind": "Server", "group": "policy.linkerd.io", "name": "gone"}],
        [{"kind": "Service", "group": "", "name": "web"}],
    )
)
FILTERS = st.sampled_from(
    (
        (),
        (),
        ({"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}},),
        ({"type": "RequestRedirect", "requestRedirect": {"hostname": "b.test"}},),
        ({"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["host"]}},),
    )
)
RULES = st.lists(
    st.builds(lambda m, f: {"matches": m, "filters": [*f]}, st.lists(MATCHES, max_size=2), FILTERS),
    min_size=1,
    max_size=2,
)
CALLED = st.sampled_from(
    (
        {},
        {"method": {"service": "a", "method": "b"}},
        {"method": {"service": "a"}},
        {"method": {"method": "b"}},
        {"method": {"service": "[a-c]", "type": "RegularExpression"}},
    )
)
GRPC_RULES = st.lists(st.builds(lambda m: {"matches": m}, st.lists(CALLED, max_size=2)), min_size=1, max_size=2)
SERVERS = st.builds(
    lambda name, created, port, protocol, policy, selector: server(
        name,
        created=f"2026-01-0{created}T00:00:00Z",
        port=port,
        labels={"of": name},
        podSelector=selector,
        **({"proxyProtocol": protocol} if protocol else {}),
        **({"accessPolicy": policy} if policy else {}),
    ),
    st.sampled_from(("web", "web", "db")),
    st.integers(1, 2),
    st.sampled_from((8080, "http", 9090, "more")),
    st.sampled_from(("", "HTTP/1", "gRPC", "opaque", "what")),
    st.sampled_from(("", *POLICIES)),
    st.sampled_from(
        ({}, {}, {"matchLabels": {"app": "web"}}, {"matchExpressions": [{"key": "app", "operator": "Is"}]})
    ),
)
REFS = st.lists(
    st.sampled_from(
        (
            by("ServiceAccount", "a", "shop"),
            by("MeshTLSAuthentication", "ids"),
            by("NetworkAuthentication", "nets"),
            by("NetworkAuthentication", "none"),
        )
    ),
    max_size=2,
    unique_by=lambda ref: "Network" in ref["kind"],
)
TARGETS = st.sampled_from(
    (
        "web",
        "db",
        {"kind": "Namespace", "name": "default"},
        {"kind": "Namespace", "name": "other"},
        at_route("r"),
        at_route("r", group=GATEWAY),
        at_route("g", group=GATEWAY, kind="GRPCRoute"),
    )
)
CLIENTS = st.sampled_from(
    (
        {"unauthenticated": True},
        {"unauthenticated": True, "networks": [{"cidr": "192.0.2.0/24", "except": ["192.0.2.9"]}]},
        {"meshTLS": {"identities": [f"*.shop.{END}"]}},
        {"meshTLS": {"serviceAccounts": [{"name": "a", "namespace": "shop"}]}},
        {"meshTLS": {"unauthenticatedTLS": True}},
    )
)
SERVERS_NAMED = st.sampled_from(("web", "web", "db", "gone"))
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "total": st.just({"requestsPerSecond": 9}),
        "identity": st.just({"requestsPerSecond": 3}),
        "overrides": st.lists(
            st.builds(
                lambda refs: {"requestsPerSecond": 5, "clientRefs": refs},
                st.lists(st.sampled_from([by("ServiceAccount", n, "shop") for n in ("a", "a.b")]), min_size=1),
            ),
            max_size=2,
        ),
    },
)
OLD = st.sampled_from(({}, {"selector": {"matchLabels": {"of": "db"}}}))
OBJECTS = st.one_of(
    SERVERS,
    SERVERS,
    st.builds(lambda n, t, refs: allowing(t, *refs, name=n), st.sampled_from("abc"), TARGETS, REFS),
    st.builds(lambda n, t, refs: allowing(t, *refs, name=n), st.sampled_from("abc"), TARGETS, REFS),
    st.builds(
        lambda c, t: older(client=c, **t), CLIENTS, st.sampled_from(({}, {"selector": {"matchLabels": {"of": "db"}}}))
    ),
    st.builds(lambda i: mesh_tls(identities=i), st.lists(st.sampled_from(IDENTITIES), min_size=1, max_size=2)),
    st.builds(
        lambda r: mesh_tls(identityRefs=r),
        st.sampled_from(([{"kind": "ServiceAccount", "name": "a"}], [{"kind": "Namespace", "name": "shop"}])),
    ),
    st.builds(
        networks,
        st.sampled_from(("10.0.0.0/8", {"cidr": "10.0.0.0/8", "except": ["10.0.0.2"]}, "192.0.2.7")),
    ),
    st.builds(lambda p, h, rules: route("r", parentRefs=p, hostnames=h, rules=rules), PARENTS, HOSTS, RULES),
    st.builds(lambda p, rules: httproute("r", parentRefs=p, rules=rules), PARENTS, RULES),
    st.builds(lambda p, rules: grpcroute("g", parentRefs=p, rules=rules), PARENTS, GRPC_RULES),
    st.builds(lambda *notes: noted(namespace("default"), *notes), st.sampled_from(POLICIES), st.sampled_from(REQUIRED)),
    st.builds(lambda n, target, parts: limits(n, target, **parts), st.sampled_from("kl"), SERVERS_NAMED, LIMITS),
)
ASKED = st.builds(
    Asked,
    principal=st.sampled_from(("", "cluster.local/ns/shop/sa/a", "cluster.local/ns/shop/sa/a.b", "x/ns/shop/sa/a")),
    source=st.sampled_from(("10.0.0.2", "10.0.0.9", "192.0.2.7", "192.0.2.9")),
    port=st.sampled_from((8080, 9090)),
    parsed=st.booleans() | st.just(value=True),
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(("/a", "/a/b", "/a/b/c", "/ready", "/c/b"))
    | st.sampled_from(("/", "/ab", "//a", "/a%2Fb", "/x?q=1", "/a/..%2Fb"))
    | st.builds(
        lambda path, query: f"{path}?{query}",
        st.sampled_from(("/a", "/a/b")),
        st.lists(st.sampled_from(("q=1", "q=2", "r=2", "%71=1", "q=%31", "q", "qq=1", "", "r=2;q=1")), max_size=3).map(
            "&".join
        ),
    ),
    host=st.sampled_from(("web.test", "WEB.test:8080", "a.web.test", "test")),
    headers=st.sampled_from(({}, {"x-a": "1"})),
)
UNREAD = {"kind": "HTTPRoute", "apiVersion": f"{GATEWAY}/v1", "metadata": {"name": "n", "namespace": "default"}}
LOST: st.SearchStrategy[list[Object]] = st.sampled_from(([], [], [], [unreadable(UNREAD, "spec.x: unknown field")]))


def _counted(limits: tuple[RateLimit, ...], asked: Asked) -> set[Origin]:
    """The limits of which a request takes from a bucket."""
    who = f"spiffe://{asked.principal}"
    at = [one for limit in limits if asked.parsed and asked.port in limit.ports for one in limit.limits]
    return {one.origin for one in at if who not in one.others and (not one.clients or who in one.clients)}


SOUND = st.builds(
    lambda p, m: {"path": p, **m},
    st.sampled_from(PATHS),
    st.sampled_from(({}, {"method": "GET"}, {"queryParams": [{"name": "q", "value": "1"}]})),
)
NAMES = st.sampled_from("rs")
ROUTED = st.lists(
    st.builds(lambda n, m: route(n, *m), NAMES, st.lists(SOUND, min_size=1, max_size=2))
    | st.builds(lambda n, r, refs: allowing(at_route(r), *refs, name=n), st.sampled_from("abc"), NAMES, REFS),
    min_size=2,
    max_size=6,
)
"""Objects that mean something together: two routes, and who may use each."""


@settings(max_examples=500)
@given(
    st.builds(lambda first, others: [first, *others], SERVERS, st.lists(OBJECTS, max_size=8) | ROUTED),
    LOST,
    st.tuples(st.sampled_from(PODS), st.sampled_from(("", "", *POLICIES)), st.sampled_from(REQUIRED)),
    st.lists(ASKED, min_size=1, max_size=4),
)
def test_translation_agrees_with_the_reference(
    objects: list[Object], lost: list[Object], at: tuple[dict[str, Any], str, str], asked: list[Asked]
) -> None:
    spec, *notes = at
    called = noted(pod("web", app="web", spec=spec), *notes)
    world = World.of([*objects, called]).with_kind(UNREADABLE, {one.key: one for one in lost}, synced=True)
    judged = ServerIndex(world, "cluster.local").judged(called)
    for one in asked:
        found = decide_servers(world, called, one)
        denials = holding(tuple(p for p in judged.policies if not p.staged), one, Action.DENY)
        event("denied" if denials else "allowed")
        assert bool(denials) is not found.allowed, (one, denials, found)
        assert set(found.by) <= denials, (one, denials, found)
        counted = {counting.rule for counting in counted_at_server(world, called, one)}
        assert _counted(judged.limits, one) == counted, (one, counted)
