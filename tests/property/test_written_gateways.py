"""What comes in by the gateway of Istio's Gateways goes the same way by the Gateway that is written, on random worlds.

Where something could not be carried over it is told, and such worlds are not compared.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import event, given, settings

from gatewayworlds import gateway_class
from ingressworlds import KEY, ROOT, gateway
from property.test_ingress import (
    HOSTS,
    NAMES,
    Answer,
    carried_by_ir,
    carrying,
    ended,
    from_ir,
    gateways,
    passed,
    raw,
    requests,
    virtual,
    world_of,
)
from property.test_routes import NAMESPACES
from tandem.base.problems import Severity
from tandem.ir.gateway import Gateway
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.translate.gatewayapi.gateways import NAME
from tandem.translate.gatewayapi.write import write_gateway_api
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

MADE = f"{ROOT}/{NAME}"
PORTS_OF = {"a": (80, 81), "b": (80,)}


def there_and_back(objects: list[Object]) -> tuple[Translation, Translation] | None:
    """Before and after; None where something was lost."""
    world = world_of(objects)
    before = translate_world(world, Options())
    made = write_gateway_api(world, before.mesh, Options(), before.edge)
    assert [problem for one in made.objects for problem in validate(one)] == []
    if any(remark.severity is Severity.ERROR for remark in made.remarks):
        return None
    again: World = world_of([gateway_class(), *(parse(one) for one in made.objects)])
    return before, translate_world(again, Options())


def known(answer: Answer) -> tuple[int, frozenset[tuple[str, str, int, int]]]:
    """Where it goes, whoever says so: a subset is a Service of its own. A share of what is not there is an error.

    Weights are compared as the parts that they are: a lone backend has all whatever its weight.
    """
    status, sent, _ = answer
    whole = gcd(*(weight for *_, weight in sent))
    shares = {
        (ns, f"{name}-{subset}" if subset else name, port, weight // whole)
        if port in PORTS_OF.get(name, ())
        else ("", "", 0, weight // whole)
        for ns, name, port, subset, weight in sent
    }
    lost = shares and not any(name for _, name, _, _ in shares)
    return (5, frozenset()) if lost else (status // 100, frozenset(shares))


@settings(max_examples=200)
@given(
    st.lists(gateways, min_size=1, max_size=3),
    st.lists(virtual, min_size=1, max_size=3),
    st.lists(st.tuples(requests, st.sampled_from(HOSTS)), min_size=3, max_size=8),
)
def test_requests_go_where_they_went(
    some: list[Object], sources: list[Object], asked: list[tuple[Request, str]]
) -> None:
    found = there_and_back([*some, *sources])
    event("written" if found is not None and MADE in found[1].edge.gateways else "not written")
    if found is None:
        return
    before, after = (one.edge.gateways.get(key) for one, key in zip(found, (KEY, MADE), strict=True))
    for request, _ in asked:
        full = msgspec.structs.replace(request, scheme="https" if request.port == 443 else "http")
        sni = request.authority
        assert known(from_ir(after, full, sni)) == known(from_ir(before, full, sni)), full


@settings(max_examples=150)
@given(
    st.lists(
        st.builds(
            lambda ns, servers: gateway("edge", *servers, ns=ns),
            st.sampled_from(NAMESPACES),
            st.lists(passed | ended | raw, min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda one: one.key,
    ),
    st.lists(carrying, min_size=1, max_size=3),
)
def test_connections_go_where_they_went(some: list[Any], sources: list[Any]) -> None:
    found = there_and_back([*some, *sources])
    event("written" if found is not None and MADE in found[1].edge.gateways else "not written")
    if found is None:
        return
    before, after = (one.edge.gateways.get(key) for one, key in zip(found, (KEY, MADE), strict=True))
    for number, name in (*((9443, name) for name in NAMES), (9000, "")):
        assert reached(after, number, name) == reached(before, number, name), (number, name)


def reached(gateway_: Gateway | None, number: int, name: str) -> frozenset[tuple[str, str]]:
    """The Services that get such connections: a has several ports, and no route here names one."""
    _, there = carried_by_ir(gateway_, number, name)
    return frozenset((ns, service) for ns, service in there if service == "b")
