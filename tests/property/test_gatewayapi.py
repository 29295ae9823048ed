"""What is written as Gateway API decides as the VirtualServices did, on random worlds and requests.

Where something could not be carried over it is told, and such worlds are not compared. Prefixes are of whole segments
in Gateway API, which is told too: paths that only differ in that are not asked for.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from builders import service
from meshworlds import dr, vs
from property import test_consul_routes as consul
from property.test_connections import Answer, compiled
from tandem.base.problems import Severity
from tandem.ir.traffic import Traffic
from tandem.model import core
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.reference.routes import decide
from tandem.translate.gatewayapi.write import write_gateway_api
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

SERVICES = [
    service(name, ns=namespace, ports=[{"port": 80, "name": "http"}, {"port": 81, "name": "http-b"}])
    for namespace in ("default", "shop")
    for name in ("a", "b")
]
RULES = [
    dr(
        f"{name}-{namespace}",
        ns=namespace,
        host=name,
        subsets=[{"name": v, "labels": {"version": v}} for v in ("v1", "v2")],
    )
    for namespace in ("default", "shop")
    for name in ("a", "b")
]
PATHS = ("/", "/v1", "/v1/x", "/v1/x/y", "/v2", "/v1?k=1", "/v2?k=2", "/v1/x?k=1")
exacts = st.sampled_from(({"exact": "x"}, {"exact": "y"}, {"regex": "x+"}, {"prefix": "x"}, {}))
matches = st.fixed_dictionaries(
    {},
    optional={
        "uri": st.sampled_from(
            (
                {"exact": "/v1"},
                {"prefix": "/v1"},
                {"prefix": "/v1/x"},
                {"prefix": "/"},
                {"regex": "/v[12]"},
                {"exact": "x"},
            )
        ),
        "method": st.just({"exact": "POST"}),
        "headers": st.dictionaries(st.sampled_from(("x-a", "x-b")), exacts, max_size=2),
        "queryParams": st.dictionaries(st.just("k"), st.sampled_from(({"exact": "1"}, {"exact": "2"}, {})), max_size=1),
        "port": st.sampled_from((80, 81)),
    },
)


@st.composite
def shares(draw: st.DrawFn) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "destination": {"host": draw(st.sampled_from(("a", "b", "b.shop.svc.cluster.local", "gone")))}
    }
    raw["weight"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        raw["destination"]["subset"] = draw(st.sampled_from(("v1", "v2")))
    if draw(st.booleans()):
        raw["destination"]["port"] = {"number": draw(st.sampled_from((80, 81)))}
    return raw


routes = st.fixed_dictionaries(
    {"route": st.lists(shares(), min_size=1, max_size=2)}, optional={"match": st.lists(matches, min_size=1, max_size=2)}
)
virtual = st.builds(
    lambda ns, host, http, more: vs("p", ns=ns, hosts=[host], http=http, **more),
    st.sampled_from(("default", "shop")),
    st.sampled_from(("a", "b", "a.default.svc.cluster.local")),
    st.lists(routes, min_size=1, max_size=4),
    st.sampled_from(({}, {"exportTo": ["."]}, {"exportTo": ["shop"]})),
)
requests = st.builds(
    Request,
    source_namespace=st.sampled_from(("default", "shop")),
    namespace=st.sampled_from(("default", "shop")),
    service=st.sampled_from(("a", "b")),
    port=st.sampled_from((80, 81)),
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(PATHS),
    headers=st.dictionaries(st.sampled_from(("x-a", "x-b")), st.sampled_from(("x", "xx", "y")), max_size=2),
)


def answer(world: World, request: Request) -> tuple[int, dict[tuple[str, str, int], Fraction]]:
    """(0 where it is sent on, 4 or 5), and who gets which part of such requests; a missing backend is nobody."""
    decision = decide(world, request)
    if decision.status:
        return decision.status // 100, {}
    parts: Counter[tuple[str, str, int]] = Counter()
    for share in decision.backends:
        name = f"{share.service}-{share.subset}" if share.subset else share.service
        key = (share.namespace, name, share.port or request.port)
        parts["", "", 0 if share.status else -1] += 0
        parts[
            ("", "", 5) if share.status or world.get(core.Service, share.namespace, share.service) is None else key
        ] += share.weight
    total = sum(parts.values())
    return 0, {key: Fraction(weight, total) for key, weight in parts.items() if weight}


@settings(max_examples=300)
@given(virtual, st.lists(requests, min_size=1, max_size=12))
def test_what_is_written_decides_as_the_virtual_services_did(source: Any, asked: list[Request]) -> None:
    world = World.of([*SERVICES, *RULES, source])
    mesh, _ = translate_mesh(world, Options())
    made = write_gateway_api(world, mesh, Options())
    if any(remark.severity is Severity.ERROR for remark in made.remarks):
        return
    written = World.of([*SERVICES, *(parse(raw) for raw in made.objects)])
    for request in asked:
        assert answer(written, request) == answer(world, request), msgspec.to_builtins(request)


@settings(max_examples=200)
@given(
    consul.ROUTERS,
    st.none() | consul.splitters(),
    st.none() | consul.RESOLVERS,
    st.lists(requests, min_size=1, max_size=8),
)
def test_what_is_written_decides_as_consuls_chain_did(
    source: Any, divided: Any, resolved: Any, asked: list[Request]
) -> None:
    world = World.of([*SERVICES, source, *(one for one in (divided, resolved) if one is not None)])
    mesh, _ = translate_mesh(world, Options())
    made = write_gateway_api(world, mesh, Options())
    assert [line for raw in made.objects for line in validate(raw)] == []
    if any(remark.severity is Severity.ERROR for remark in made.remarks):
        return
    written = World.of([*SERVICES, *(parse(raw) for raw in made.objects)])
    narrowed = any("holds for whole segments" in remark.text for remark in made.remarks)
    for request in asked:
        if not (narrowed and request.path.startswith("/v")):  # as a warning says: /v is no longer /v1
            assert answer(written, request) == answer(world, request), msgspec.to_builtins(request)


keys: list[dict[str, Any]] = [
    {"httpHeaderName": "X-User"},
    {"useSourceIp": True},
    {"httpQueryParameterName": "q"},
    {"httpCookie": {"name": "c", "path": "/", "ttl": "1.5s"}},
    {"httpCookie": {"name": "c"}},
]
sizes: list[dict[str, Any]] = [{}, {"ringHash": {"minimumRingSize": 1024}}, {"maglev": {"tableSize": 1009}}]
balancers = st.one_of(
    st.fixed_dictionaries(
        {"simple": st.sampled_from(("RANDOM", "ROUND_ROBIN", "LEAST_REQUEST"))},
        optional={"warmup": st.just({"duration": "90s", "minimumPercent": 5, "aggression": 1.5})},
    ),
    st.builds(lambda key, size: {"consistentHash": {**key, **size}}, st.sampled_from(keys), st.sampled_from(sizes)),
)
pools = st.fixed_dictionaries(
    {},
    optional={
        "tcp": st.fixed_dictionaries(
            {},
            optional={
                "maxConnections": st.integers(1, 9),
                "connectTimeout": st.sampled_from(("250ms", "100s")),
                "maxConnectionDuration": st.just("24h"),
                "idleTimeout": st.just("1h1s1ms"),
            },
        ),
        "http": st.fixed_dictionaries(
            {},
            optional={
                "http1MaxPendingRequests": st.integers(1, 9),
                "http2MaxRequests": st.integers(1, 9),
                "maxRetries": st.integers(1, 9),
                "maxRequestsPerConnection": st.integers(1, 9),
                "maxConcurrentStreams": st.integers(1, 9),
            },
        ),
    },
)
parts = {
    "loadBalancer": balancers,
    "connectionPool": pools,
    "outlierDetection": st.fixed_dictionaries(
        {},
        optional={
            "consecutive5xxErrors": st.integers(0, 9),
            "consecutiveGatewayErrors": st.integers(1, 9),
            "splitExternalLocalOriginErrors": st.just(True),
            "interval": st.just("1.5s"),
            "maxEjectionPercent": st.integers(1, 100),
            "minHealthPercent": st.integers(0, 100),
        },
    ),
}
traffic = st.fixed_dictionaries(
    {},
    optional={
        **parts,
        "retryBudget": st.sampled_from(
            ({"percent": 12.5, "minRetryConcurrency": 0}, {"percent": 50, "budgetInterval": "1.5s"})
        ),
        "portLevelSettings": st.fixed_dictionaries({"port": st.just({"number": 81})}, optional=parts).map(
            lambda p: [p]
        ),
    },
)


@settings(max_examples=300)
@given(traffic, st.none() | traffic)
def test_what_is_written_of_traffic_means_what_the_rule_meant(whole: Any, own: Any) -> None:
    subset = {"name": "v1", "labels": {"version": "v1"}, **({"trafficPolicy": own} if own is not None else {})}
    rule = dr(host="a", trafficPolicy=whole, subsets=[subset])
    route = vs("p", hosts=["a"], http=[{"route": [{"destination": {"host": "a", "subset": "v1"}}]}])
    world = World.of([*SERVICES, rule, route])
    before = translate_mesh(world, Options())[0].policies.get("default/a")
    made = write_gateway_api(world, translate_mesh(world, Options())[0], Options())
    assert [problem for raw in made.objects for problem in validate(raw)] == []
    assert made.remarks == ()
    after = translate_mesh(World.of([*SERVICES, *(parse(raw) for raw in made.objects)]), Options())[0].policies
    for port in (80, 81):
        for name, meant in (("a", None), ("a-v1", before.subsets[0] if before is not None else None)):
            said = after[f"default/{name}"].of(port) if f"default/{name}" in after else Traffic()
            assert said == (before.of(port, meant) if before is not None else Traffic()), (name, port)


BYTES = [
    service(
        name, ns=namespace, ip=f"10.96.{i}.{j}", ports=[{"port": 443, "name": "tls"}, {"port": 9000, "name": "tcp"}]
    )
    for i, namespace in enumerate(("shop", "other"))
    for j, name in enumerate(("many", "one"), 1)
]
shares_of_bytes = st.builds(
    lambda host, port, weight: {
        "destination": {"host": host, **({"port": {"number": port}} if port else {})},
        "weight": weight,
    },
    st.sampled_from(("many", "one", "one.other.svc.cluster.local", "gone")),
    st.sampled_from((0, 443, 9000)),
    st.integers(1, 3),
)
ends = st.lists(shares_of_bytes, min_size=1, max_size=2)
ports = st.sampled_from(({}, {"port": 443}, {"port": 9000}))
sessions = st.builds(
    lambda names, port, route: {"match": [{"sniHosts": names, **port}], "route": route},
    st.lists(st.sampled_from(("a.test", "b.test", "*.test", "*.a.test")), min_size=1, max_size=2, unique=True),
    ports,
    ends,
)
connections = st.builds(lambda port, route: {"match": [port] if port else [], "route": route}, ports, ends)


@settings(max_examples=300)
@given(
    st.lists(sessions, max_size=3),
    st.lists(connections, max_size=2),
    st.lists(
        st.tuples(
            st.sampled_from((443, 9000)),
            st.sampled_from(("shop", "other")),
            st.sampled_from(("", "a.test", "b.test", "c.a.test", "else.org")),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_connections_go_where_the_virtual_service_sent_them(
    tls: list[Any], tcp: list[Any], asked: list[tuple[int, str, str]]
) -> None:
    world = World.of([*BYTES, vs("v", ns="shop", hosts=["many"], tls=tls, tcp=tcp)])
    made = write_gateway_api(world, translate_mesh(world, Options())[0], Options())
    assert [problem for raw in made.objects for problem in validate(raw)] == []
    if any(remark.severity is Severity.ERROR for remark in made.remarks):
        return
    written = World.of([*BYTES, *(parse(raw) for raw in made.objects)])
    for port, client, name in asked:
        request = Request(source_namespace=client, namespace="shop", service="many", port=port, server_name=name)
        assert sent(compiled(written, request)) == sent(compiled(world, request)), msgspec.to_builtins(request)


def sent(answer: Answer) -> tuple[Any, ...]:
    """Where it leads, whoever says so; shares that are closed are alike."""
    shares = [(("", "", 0) if gone else (ns, name, port), weight) for ns, name, port, weight, gone in answer[1]]
    return tuple(sorted(shares))
