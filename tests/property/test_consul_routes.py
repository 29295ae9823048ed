"""Tables made of Consul's objects agree with the reference evaluator of the objects, on random worlds and requests."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from builders import service
from consulworlds import Raw, resolver, route, router, split, splitter, versions
from meshworlds import to, vs
from property.test_routes import from_ir, from_reference
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.reference.routes import decide
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

NAMES = ("a", "b", "c")
SERVICES = st.sampled_from(("", *NAMES, "gone"))
SUBSETS = st.sampled_from(("", "", "v1", "v2"))
ONE_OF = st.sampled_from(({"present": True}, {"exact": "x"}, {"regex": "x+"}))
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "header": st.lists(
            st.builds(
                lambda value, invert: {"name": "X-A", "invert": invert, **value},
                ONE_OF | st.sampled_from(({"prefix": "x"}, {"suffix": "y"})),
                st.booleans(),
            ),
            max_size=1,
        ),
        "queryParam": st.lists(st.builds(lambda value: {"name": "k", **value}, ONE_OF), max_size=1),
        "methods": st.lists(st.sampled_from(("GET", "PUT")), max_size=2, unique=True),
        "caseInsensitive": st.booleans(),
    },
)
PATHS = st.sampled_from(({}, {"pathExact": "/v1"}, {"pathPrefix": "/v"}, {"pathRegex": "/v[12]"}))
FIELDS = st.sampled_from(({}, {}, {"requestTimeout": "3s"}, {"requestTimeout": "-1s"}, {"partition": "x"}))
ROUTES = st.builds(
    lambda name, subset, path, match, fields: route(name, subset, match={**path, **match}, **fields),
    SERVICES,
    SUBSETS,
    PATHS,
    MATCHES,
    FIELDS,
)
ROUTERS = st.builds(lambda name, routes: router(name, *routes), st.sampled_from(NAMES), st.lists(ROUTES, max_size=3))
WEIGHTS: st.SearchStrategy[tuple[float, ...]] = st.sampled_from(
    ((100,), (50, 50), (33.33, 66.67), (0, 100), (0.01, 9.99, 90))
)


@st.composite
def splitters(draw: st.DrawFn) -> Object:
    parts: list[Raw] = [split(weight, draw(SERVICES), draw(SUBSETS)) for weight in draw(WEIGHTS)]
    return splitter(draw(st.sampled_from((*NAMES, "gone"))), *parts)


RESOLVERS = st.builds(
    lambda name, spec: resolver(name, **spec),
    st.sampled_from((*NAMES, "gone")),
    st.sampled_from(
        (
            {"subsets": versions("v1", "v2"), "defaultSubset": "v1"},
            {"subsets": versions("v2"), "requestTimeout": "7s"},
            {"subsets": {"v1": {"filter": '"x" in Service.Tags and Service.Meta["k"] == "y z"'}}},
            {"subsets": {"v1": {"filter": "Service.Meta.a != b"}}},
            {"subsets": versions("v1"), "defaultSubset": "v2"},
            {"redirect": {"service": "b"}},
            {"failover": {"*": {"service": "c"}}},
            {"failover": {"v9": {"service": "c"}}},
            {"redirect": {"service": "c", "serviceSubset": "v2"}},
            {"redirect": {"serviceSubset": "v1", "service": "a"}, "subsets": versions("v1")},
            {"redirect": {"service": "b", "peer": "p"}},
        )
    ),
)
REQUESTS = st.builds(
    Request,
    source_namespace=st.just("default"),
    namespace=st.just("default"),
    service=st.sampled_from(NAMES),
    port=st.just(80),
    method=st.sampled_from(("GET", "PUT", "POST")),
    path=st.sampled_from(("/", "/v1", "/V1", "/v2/x", "/v1?k=x", "/v2?k=2")),
    headers=st.sampled_from(({}, {"x-a": "x"}, {"x-a": "xy"}, {"x-a": "z"})),
    authority=st.just("a"),
)
VIRTUAL = vs("v", hosts=["a"], http=[{"route": [to("b")]}])
HTTP = [{"name": "http", "port": 80}]


def shared(answer: tuple[int, tuple[Any, ...], str]) -> tuple[int, dict[Any, Fraction], str]:
    """Shares of one place together, and of the whole."""
    status, backends, rule = answer
    found: Counter[Any] = Counter()
    for *place, weight in backends:
        found[tuple(place)] += weight
    total = sum(found.values())
    return status, {place: Fraction(weight, total) for place, weight in found.items()}, rule


@settings(max_examples=300)
@given(
    st.lists(
        st.builds(lambda name, routes: router(name, *routes), st.sampled_from(NAMES), st.lists(ROUTES)), max_size=2
    ),
    st.lists(splitters(), max_size=3),
    st.lists(RESOLVERS, max_size=3),
    st.sampled_from(((), (VIRTUAL,))),
    st.lists(REQUESTS, min_size=1, max_size=6),
)
def test_chains_agree_with_the_reference(
    routers: list[Object],
    splits: list[Object],
    resolvers: list[Object],
    others: tuple[Object, ...],
    asked: list[Request],
) -> None:
    services = [service(name, ports=HTTP) for name in NAMES]
    world = World.of([*services, *routers, *splits, *resolvers, *others])
    ir, _ = translate_mesh(world, Options())
    for request in asked:
        assert shared(from_ir(ir, request)) == shared(from_reference(world, request)), decide(world, request)
        table = ir.tables.get(f"default/{request.service}")
        decision = decide(world, request)
        if table is not None and decision.rule is not None and decision.backends:
            times = {r.timeout_ms for r in table.routes if r.origin == decision.rule}
            assert times == {decision.timeout_ms}
