"""Tables made of ServiceProfiles agree with the reference evaluator of the objects, on random profiles and requests."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
from hypothesis import event, given, settings

from builders import service
from linkerdworlds import Raw, profile
from meshworlds import to, vs
from property.test_consul_routes import shared
from property.test_routes import from_ir, from_reference
from tandem.base.problems import Severity
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.reference.routes import decide
from tandem.translate.gatewayapi.write import write_gateway_api
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

LEAVES = st.sampled_from(
    (
        {"pathRegex": "/v1"},
        {"pathRegex": "/v[12](/.*)?"},
        {"method": "GET"},
        {"method": "PUT"},
        {"pathRegex": "/v2", "method": "PUT"},
    )
)


def more(inner: st.SearchStrategy[Raw]) -> st.SearchStrategy[Raw]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda one: {"not": one}, inner),
        st.builds(lambda every: {"all": every}, several),
        st.builds(lambda some: {"any": some}, several),
        st.builds(lambda one, some: {**one, "any": some}, LEAVES, several),
    )


CONDITIONS: st.SearchStrategy[Raw] = st.recursive(LEAVES, more, max_leaves=6)
ROUTES = st.builds(
    lambda condition, extra: {"name": "r", "condition": condition, **extra},
    CONDITIONS,
    st.sampled_from(({}, {"timeout": "300ms"}, {"isRetryable": True}, {"timeout": "soon"})),
)
OVERRIDES = st.lists(
    st.builds(
        lambda host, weight: {"authority": f"{host}.svc.cluster.local{':80' if weight == 1 else ''}", "weight": weight},
        st.sampled_from(("a.default", "b.default", "gone.default")),
        st.sampled_from((1, 0, "500m", "1.5")),
    ),
    min_size=1,
    max_size=3,
)
PROFILES = st.builds(
    lambda of, ns, routes, extra: profile(of, *routes, ns=ns, **extra),
    st.sampled_from(("a", "b", "gone")),
    st.sampled_from(("default", "shop")),
    st.lists(ROUTES, max_size=3),
    st.just({}) | st.builds(lambda overrides: {"dstOverrides": overrides}, OVERRIDES),
)
REQUESTS = st.builds(
    Request,
    source_namespace=st.sampled_from(("default", "shop")),
    namespace=st.just("default"),
    service=st.sampled_from(("a", "b")),
    port=st.just(80),
    method=st.sampled_from(("GET", "PUT", "POST")),
    path=st.sampled_from(("/", "/v1", "/v1?k=1", "/v2", "/v2/x", "/v2?k=2", "/v12")),
    authority=st.just("a"),
)
VIRTUAL = vs("v", hosts=["a"], http=[{"route": [to("b")]}])


@settings(max_examples=200)
@given(st.lists(PROFILES, max_size=3), st.lists(REQUESTS, min_size=1, max_size=6))
def test_what_is_written_of_profiles_decides_as_they_did(profiles: list[Object], asked: list[Request]) -> None:
    services = [service(name, ports=[{"name": "http", "port": 80}]) for name in ("a", "b")]
    world = World.of([*services, *profiles])
    made = write_gateway_api(world, translate_mesh(world, Options())[0], Options())
    assert [problem for raw in made.objects for problem in validate(raw)] == []
    event("lost" if any(r.severity is Severity.ERROR for r in made.remarks) else "written")
    if any(remark.severity is Severity.ERROR for remark in made.remarks):
        return
    written = World.of([*services, *(parse(raw) for raw in made.objects)])
    for request in asked:
        found = reached(from_reference(written, request)), reached(from_reference(world, request))
        assert found[0] == found[1], decide(written, request)


def reached(answer: tuple[int, tuple[Any, ...], str]) -> tuple[int, dict[Any, Fraction]]:
    """Where it goes, whoever says so: what is not there is answered by an error of one API or the other."""
    status, shares, _ = shared(answer)
    found = {"gone" if "gone" in place else place[:3]: part for place, part in shares.items()}
    return (5, {}) if found.keys() == {"gone"} else (status // 100, found)


@settings(max_examples=300)
@given(
    st.lists(PROFILES, max_size=3), st.sampled_from(((), (), (VIRTUAL,))), st.lists(REQUESTS, min_size=1, max_size=6)
)
def test_profiles_agree_with_the_reference(
    profiles: list[Object], others: tuple[Object, ...], asked: list[Request]
) -> None:
    services = [service(name, ports=[{"name": "http", "port": 80}]) for name in ("a", "b")]
    world = World.of([*services, *profiles, *others])
    ir, _ = translate_mesh(world, Options())
    for request in asked:
        assert shared(from_ir(ir, request)) == shared(from_reference(world, request)), decide(world, request)
        decision = decide(world, request)
        tables: list[Any] = [t for t in ir.tables.values() if t.service == request.service]
        if decision.rule is not None and decision.rule.kind == "ServiceProfile" and decision.backends:
            times = {r.timeout_ms for t in tables for r in t.routes if r.origin == decision.rule}
            assert times == {decision.timeout_ms}
