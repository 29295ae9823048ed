"""A tiny evaluator of MeshIR agrees with the reference evaluator of the objects, on random worlds and requests."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

import linkerdworlds
from builders import service
from meshworlds import canary, dr, grant, grpcroute, httproute, vs
from tandem.compile.envoy.callers import among_of, policy_among
from tandem.ir.mesh import (
    Backend,
    Exact,
    Forward,
    MeshIR,
    PathPrefix,
    Prefix,
    Present,
    Regex,
    Respond,
    Route,
    RouteMatch,
    StringMatch,
)
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.reference.routes import decide
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

NAMESPACES = ("default", "shop")
NAMES = ("a", "b")
PORTS = (80, 81)
PATHS = ("/x.A/Get", "/x.A/Put", "/x.B/Get", "/", "/v1", "/v1/x", "/v1x", "/V1", "/v2", "/v1?k=1", "/v2?k=2&k=1")
CREATED = ("", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")


def _holds(match: StringMatch, value: str | None, *, ignore_case: bool = False) -> bool:
    if value is None:
        return False
    if isinstance(match, Present):
        return True
    wanted = match.value
    if isinstance(match, Regex):
        return re.fullmatch(wanted, value) is not None
    if ignore_case:
        wanted, value = wanted.lower(), value.lower()
    if isinstance(match, Exact):
        return value == wanted
    if isinstance(match, Prefix):
        return value.startswith(wanted)
    assert isinstance(match, PathPrefix)
    return value == wanted or value.startswith(wanted + "/")


def _match(match: RouteMatch, request: Request) -> bool:
    url = urlsplit(request.path)
    query: dict[str, str] = {}
    for key, value in parse_qsl(url.query):
        query.setdefault(key, value)
    headers = {
        **request.headers,
        ":authority": request.authority,
        ":scheme": request.scheme,
        ":method": request.method,
        ":path": request.path,
    }
    return (
        (not match.ports or request.port in match.ports)
        and match.source_namespace in {None, request.source_namespace}
        and all(request.source_labels.get(k) == v for k, v in match.source_labels)
        and (match.path is None or _holds(match.path, url.path, ignore_case=match.ignore_case))
        and (match.method is None or _holds(match.method, request.method))
        and all(_holds(h.match, headers.get(h.name)) != h.invert for h in match.headers)
        and all(_holds(q.match, query.get(q.name)) for q in match.query)
        and (
            not match.grpc
            or re.fullmatch(r"application/grpc(\+.*|-web(-text)?(\+proto)?)?", request.headers.get("content-type", ""))
            is not None
        )
    )


def _route(ir: MeshIR, request: Request) -> Route | None:
    key = f"{request.namespace}/{request.service}"
    table = ir.tables.get(f"{key}@{request.source_namespace}") or ir.tables.get(key)
    if table is None:
        return None
    return next(r for r in table.routes if not r.matches or any(_match(m, request) for m in r.matches))


Answer = tuple[int, tuple[tuple[str, str, int, str, int], ...], str]


def from_ir(ir: MeshIR, request: Request) -> Answer:
    """(status, backends, the rule's name and path)."""
    route = _route(ir, request)
    if route is None:
        return 0, ((request.namespace, request.service, request.port, "", 1),), ""
    ours = "/plain" in route.name or route.origin.kind == "Canary"
    rule = "" if ours else f"{route.origin.name} {route.origin.path}"
    if isinstance(route.action, Respond):
        return route.action.status, (), "" if route.action.status == 404 else rule
    assert isinstance(route.action, Forward)
    found = []
    unknown = [_is_unknown(ir, request, backend) for backend in route.action.backends]
    if any(unknown) and all(u or "!" in b.service for u, b in zip(unknown, route.action.backends, strict=True)):
        return 503, (), rule
    for backend in route.action.backends:
        name = backend.service.partition("!")[0]
        found.append((backend.namespace, name, backend.port or request.port, backend.subset, backend.weight))
    return 0, tuple(found), rule


def _is_unknown(ir: MeshIR, request: Request, backend: Backend) -> bool:
    """Whether this caller's proxy has no cluster for it: its rules define no such subset."""
    key = f"{backend.namespace}/{backend.service}"
    who = dict(among_of(ir.policies, request.source_namespace, tuple(request.source_labels.items()))).get(key, "")
    policy = policy_among(ir.policies.get(key), who)
    known = {s.name for s in policy.subsets} if policy is not None else set()
    return bool(backend.subset) and backend.subset not in known


def from_reference(world: World, request: Request) -> Answer:
    decision = decide(world, request)
    found = tuple((b.namespace, b.service, b.port or request.port, b.subset, b.weight) for b in decision.backends)
    rule = f"{decision.rule.name} {decision.rule.path}" if decision.rule else ""
    return decision.status, found, "" if decision.status == 404 else rule


strings = st.sampled_from(
    ({"exact": "/v1"}, {"prefix": "/v1"}, {"regex": "/v[12]"}, {"prefix": "/"}, {"exact": "x"}, {"regex": ".*"})
)
values = st.sampled_from(({}, {"exact": "x"}, {"prefix": "x"}, {"regex": "x+"}))
some_headers = st.dictionaries(st.sampled_from(("X-A", "x-b")), values, max_size=2)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


vs_matches = optional(
    uri=strings,
    method=st.just({"exact": "POST"}),
    headers=st.one_of(some_headers, st.just({":method": {"exact": "POST"}})),
    withoutHeaders=st.one_of(some_headers, st.just({"x-a": {"regex": "*"}})),
    queryParams=st.dictionaries(st.just("k"), st.sampled_from(({"exact": "1"}, {"regex": "[12]"}, {})), max_size=1),
    port=st.sampled_from(PORTS),
    sourceLabels=st.just({"app": "web"}),
    sourceNamespace=st.sampled_from(NAMESPACES),
    ignoreUriCase=st.booleans(),
    authority=st.just({"prefix": "a"}),
    gateways=st.sampled_from((["mesh"], ["edge"], ["mesh", "edge"])),
)
hosts = st.sampled_from(("a", "b", "a.default.svc.cluster.local", "b.shop.svc.cluster.local", "gone", "*.x"))


@st.composite
def destinations(draw: st.DrawFn) -> dict[str, Any]:
    raw: dict[str, Any] = {"destination": {"host": draw(hosts)}, "weight": draw(st.integers(0, 3))}
    if draw(st.booleans()):
        raw["destination"]["subset"] = draw(st.sampled_from(("v1", "v2")))
    if draw(st.booleans()):
        raw["destination"]["port"] = {"number": draw(st.sampled_from((80, 81, 82)))}
    return raw


@st.composite
def vs_routes(draw: st.DrawFn, *, delegates: bool = True) -> dict[str, Any]:
    raw: dict[str, Any] = {"match": draw(st.lists(vs_matches, max_size=2))}
    if delegates and draw(st.integers(0, 2)) == 0:
        raw["delegate"] = {"name": draw(st.sampled_from(("leaf", "p")))}
        if draw(st.booleans()):
            raw["delegate"]["namespace"] = draw(st.sampled_from(NAMESPACES))
    elif draw(st.integers(0, 4)) == 0:
        raw["directResponse"] = {"status": draw(st.sampled_from((200, 418)))}
    else:
        raw["route"] = draw(st.lists(destinations(), min_size=1, max_size=2))
    if draw(st.integers(0, 15)) == 0:
        raw[draw(st.sampled_from(("fault", "rewrite", "corsPolicy")))] = {"x": {}}
    return raw


virtual_services = st.builds(
    lambda name, ns, created, spec: vs(name, ns=ns, created=created, **spec),
    st.sampled_from(("p", "q")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.fixed_dictionaries(
        {"hosts": st.lists(hosts, min_size=1, max_size=2), "http": st.lists(vs_routes(), min_size=1, max_size=3)},
        optional={
            "exportTo": st.sampled_from((["."], ["*"], ["shop"], ["~"])),
            "gateways": st.sampled_from((["mesh"], ["edge"])),
        },
    ),
)
leaves = st.builds(
    lambda ns, spec: vs("leaf", ns=ns, **spec),
    st.sampled_from(NAMESPACES),
    st.fixed_dictionaries(
        {"http": st.lists(vs_routes(delegates=False), min_size=1, max_size=2)},
        optional={"exportTo": st.sampled_from((["."], ["*"], ["shop"]))},
    ),
)
rules = st.builds(
    lambda name, ns, created, spec: dr(name, ns=ns, created=created, **spec),
    st.sampled_from(("p", "q")),
    st.sampled_from((*NAMESPACES, "istio-system")),
    st.sampled_from(CREATED),
    st.fixed_dictionaries(
        {
            "host": hosts.filter(lambda h: h != "*.x"),
            "subsets": st.lists(st.sampled_from(("v1", "v2")), max_size=2).map(
                lambda names: [{"name": n, "labels": {"version": n}} for n in names]
            ),
        },
        optional={
            "exportTo": st.sampled_from((["*"], ["."], ["shop"])),
            "workloadSelector": st.just({"matchLabels": {"app": "web"}}),
        },
    ).filter(lambda spec: "workloadSelector" not in spec or spec.get("exportTo", ["."]) == ["."]),
)
hr_matches = optional(
    path=st.builds(
        lambda kind, value: {"type": kind, "value": value},
        st.sampled_from(("Exact", "PathPrefix", "RegularExpression")),
        st.sampled_from(("/", "/v1", "/v1/", "/v1/x")),
    ),
    method=st.just("POST"),
    headers=st.lists(
        st.builds(
            lambda name, value, kind: {"name": name, "value": value, "type": kind},
            st.sampled_from(("X-A", "x-a", "x-b")),
            st.sampled_from(("x", "xx")),
            st.sampled_from(("Exact", "RegularExpression")),
        ),
        max_size=2,
    ),
    queryParams=st.just([{"name": "k", "value": "1"}]),
)
backends = st.fixed_dictionaries(
    {"name": st.sampled_from(("a", "b", "gone"))},
    optional={
        "namespace": st.sampled_from(NAMESPACES),
        "port": st.sampled_from((80, 81, 82)),
        "weight": st.integers(0, 2),
        "kind": st.just("Bucket"),
    },
)
parents = st.fixed_dictionaries(
    {"group": st.sampled_from(("", "", "core")), "kind": st.just("Service"), "name": st.sampled_from(NAMES)},
    optional={
        "namespace": st.sampled_from(NAMESPACES),
        "port": st.sampled_from((80, 81, 82)),
        "sectionName": st.sampled_from(("http", "http-b")),
    },
)
hr_rules = st.fixed_dictionaries(
    {"backendRefs": st.lists(backends, max_size=2)},
    optional={
        "matches": st.lists(hr_matches, max_size=3),
        "filters": st.sampled_from(([], [{"type": "URLRewrite", "urlRewrite": {}}])),
    },
)
http_routes = st.builds(
    lambda make, name, ns, created, spec: make(name, ns=ns, created=created, **spec),
    st.sampled_from((httproute, httproute, linkerdworlds.route)),
    st.sampled_from(("p", "q")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.fixed_dictionaries(
        {
            "parentRefs": st.lists(parents, min_size=1, max_size=2),
            "rules": st.lists(hr_rules, min_size=1, max_size=3),
        }
    ),
)
methods = st.fixed_dictionaries(
    {"type": st.sampled_from(("Exact", "RegularExpression"))},
    optional={
        "service": st.sampled_from(("x.A", "x.B", "x..", "", "(")),
        "method": st.sampled_from(("Get", "Put", "G.*")),
    },
)
grpc_matches = optional(method=methods, headers=st.just([{"name": "X-A", "value": "x"}, {"name": "x-a", "value": "y"}]))
grpc_rules = st.fixed_dictionaries(
    {"backendRefs": st.lists(backends, max_size=2)},
    optional={
        "matches": st.lists(grpc_matches, max_size=3),
        "filters": st.sampled_from(([], [{"type": "ExtensionRef", "extensionRef": {}}])),
    },
)
grpc_routes = st.builds(
    lambda name, ns, created, spec: grpcroute(name, ns=ns, created=created, **spec),
    st.sampled_from(("p", "q")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.fixed_dictionaries(
        {
            "parentRefs": st.lists(parents, min_size=1, max_size=2),
            "rules": st.lists(grpc_rules, max_size=3),
        }
    ),
)
grants = st.builds(
    lambda kinds, homes, name: grant(*kinds, to=homes[0], source=homes[1], name=name),
    st.sets(st.sampled_from(("HTTPRoute", "GRPCRoute")), min_size=1).map(sorted),
    st.permutations(NAMESPACES),
    st.sampled_from(("", *NAMES)),
)
content_types = st.sampled_from(
    (
        {},
        *({"content-type": f"application/grpc{kind}"} for kind in ("", "+proto", "-web", "-web-text+proto", "-webber")),
    )
)
refs = st.one_of(
    st.builds(lambda name: {"service": name}, st.sampled_from(("a", "b", "gone"))),
    st.builds(lambda name: {"subset": name}, st.sampled_from(("v1", "v2"))),
)
ab = st.lists(
    st.one_of(
        st.builds(
            lambda name, kind: {
                "headers": [{"name": name, "type": kind, **({} if kind == "Present" else {"value": "x"})}]
            },
            st.sampled_from(("X-A", "x-b")),
            st.sampled_from(("Exact", "RegularExpression", "Present")),
        ),
        st.just({"cookies": [{"name": "g", "value": "x+"}]}),
    ),
    max_size=2,
)
canaries = st.builds(
    lambda name, ns, created, spec, weight: canary(name, ns=ns, created=created, status={"weight": weight}, **spec),
    st.sampled_from(NAMES),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.fixed_dictionaries({"stable": refs, "canary": refs, "match": ab}),
    st.sampled_from((0, 1, 20, 50, 100)),
)
requests = st.builds(
    Request,
    source_namespace=st.sampled_from(NAMESPACES),
    source_labels=st.sampled_from(({}, {"app": "web"})),
    namespace=st.sampled_from(NAMESPACES),
    service=st.sampled_from(NAMES),
    port=st.sampled_from(PORTS),
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(PATHS),
    headers=st.builds(
        lambda some, kind: {**some, **kind},
        st.dictionaries(
            st.sampled_from(("x-a", "x-b", "cookie")),
            st.sampled_from(("x", "xx", "y", "g=x+; b=1", "a=1; g=xx")),
            max_size=3,
        ),
        content_types,
    ),
    authority=st.sampled_from(("a", "b")),
).filter(lambda r: (r.service, r.port) != ("b", 81))  # b has no such port


def _services() -> list[Object]:
    two = [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]
    found: list[Object] = [service("a", ns=ns, ip="10.96.0.1", ports=two) for ns in NAMESPACES]
    found += [service("b", ns=ns, ip="10.96.0.2", ports=two[:1]) for ns in NAMESPACES]
    return found


@settings(max_examples=300)
@given(
    objects=st.tuples(
        st.lists(virtual_services, max_size=3),
        st.lists(leaves, max_size=2),
        st.lists(rules, max_size=3),
        st.lists(http_routes, max_size=2),
        st.lists(grpc_routes, max_size=2),
        st.lists(grants, max_size=1),
        st.lists(canaries, max_size=2),
    ),
    asked=st.lists(requests, min_size=1, max_size=8),
)
def test_tables_agree_with_the_reference(objects: tuple[list[Object], ...], asked: list[Request]) -> None:
    world = World.of([*_services(), *(o for kind in objects for o in kind)])
    ir, _ = translate_mesh(world, Options())
    for request in asked:
        assert from_ir(ir, request) == from_reference(world, request)


at_one_service = st.lists(
    st.fixed_dictionaries(
        {"group": st.just(""), "kind": st.just("Service"), "name": st.just("a"), "namespace": st.just("default")},
        optional={"port": st.sampled_from(PORTS)},
    ),
    min_size=1,
    max_size=2,
)
homes = st.sampled_from(NAMESPACES)
plain_rules = st.lists(
    st.fixed_dictionaries({"matches": st.lists(hr_matches, max_size=2), "backendRefs": st.lists(backends, max_size=1)}),
    min_size=1,
    max_size=2,
)
call_rules = st.lists(
    st.fixed_dictionaries(
        {"backendRefs": st.lists(backends, max_size=1)}, optional={"matches": st.lists(grpc_matches, max_size=2)}
    ),
    max_size=2,
)


@settings(max_examples=100)
@given(
    http=st.lists(st.tuples(homes, at_one_service, plain_rules), min_size=1, max_size=2),
    grpc=st.lists(st.tuples(homes, at_one_service, call_rules), min_size=1, max_size=2),
    asked=st.lists(
        requests.map(lambda r: msgspec.structs.replace(r, namespace="default", service="a")), min_size=4, max_size=8
    ),
)
def test_kinds_of_routes_at_one_service_agree_with_the_reference(
    http: list[tuple[str, Any, Any]], grpc: list[tuple[str, Any, Any]], asked: list[Request]
) -> None:
    routes: list[Object] = []
    for make, drawn in ((httproute, http), (grpcroute, grpc)):
        for i, (home, parents, rules) in enumerate(drawn):
            routes.append(make(f"r{i}", ns=home, parentRefs=parents, rules=rules))
    world = World.of([*_services(), *routes])
    ir, _ = translate_mesh(world, Options())
    for request in asked:
        assert from_ir(ir, request) == from_reference(world, request)


@settings(max_examples=50)
@given(
    st.lists(virtual_services, max_size=3),
    st.lists(http_routes | grpc_routes, max_size=3),
    st.lists(canaries, max_size=2),
)
def test_every_table_answers_every_request_and_names_lead_to_one_origin(
    virtual: list[Object], routes: list[Object], divided: list[Object]
) -> None:
    ir, _ = translate_mesh(World.of([*_services(), *virtual, *routes, *divided]), Options())
    origins: dict[str, object] = {}
    for table in ir.tables.values():
        last = table.routes[-1]
        assert not last.matches or RouteMatch() in last.matches or _total(table.routes)
        for route in table.routes:
            assert origins.setdefault(route.name, route.origin) == route.origin


def _total(routes: tuple[Route, ...]) -> bool:
    return any(not r.matches or RouteMatch() in r.matches for r in routes)
