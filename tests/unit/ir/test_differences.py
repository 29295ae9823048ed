"""Of two versions of a value, which objects they differ by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatewaybuild import GATEWAY, backend, gateway, hosts, listener, port, route
from meshbuild import CONFIG, NODE
from tandem.base.problems import Origin
from tandem.ir.differences import differing, origins_in
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import Backend, Forward, RouteTable, Split
from tandem.ir.node import NodeView


def names(old: Any, new: Any) -> set[str]:
    return {f"{o.kind}/{o.name}" for o in differing(old, new)}


def edge(*own: Any, **fields: Any) -> Gateway:
    return gateway(port(listener("a", "*", *own), **fields))


def test_one_route_more_concerns_that_route_alone() -> None:
    before = edge(hosts("*", route("a")))
    assert names(before, edge(hosts("*", route("a"), route("b", "/b")))) == {"HTTPRoute/b"}
    assert names(before, edge(hosts("*", route("a")), hosts("b.test", route("b")))) == {"HTTPRoute/b"}
    assert names(before, before) == set()


def test_a_route_that_goes_is_another_one_or_moves_to_another_host_is_told() -> None:
    before = edge(hosts("*", route("a"), route("b", "/b")))
    assert names(before, edge(hosts("*", route("a")))) == {"HTTPRoute/b"}
    assert names(before, edge(hosts("*", route("a"), route("b", "/c")))) == {"HTTPRoute/b"}
    assert names(before, edge(hosts("*", route("a")), hosts("b.test", route("b", "/b")))) == {"HTTPRoute/b"}


def test_another_order_concerns_all() -> None:
    found = names(edge(hosts("*", route("a"), route("b"))), edge(hosts("*", route("b"), route("a"))))
    assert found == {"HTTPRoute/a", "HTTPRoute/b"}


def test_what_changes_at_the_listener_or_the_gateway_concerns_the_gateway() -> None:
    before = edge(hosts("*", route("a")))
    certified = gateway(port(listener("a", "*", hosts("*", route("a")), certificates=("c",))))
    assert "Gateway/edge" in names(before, certified)
    assert "Gateway/edge" in names(before, msgspec.structs.replace(before, addresses=("192.0.2.9",)))
    assert "Gateway/edge" in names(before, edge(hosts("*", route("a")), target=29999))


def test_weights_concern_the_canary_that_is_named_beside_them() -> None:
    split = Split(origin=Origin(kind="Canary", namespace="shop", name="c"), stable="s", canary="n")

    def table(weight: int) -> RouteTable:
        backends = tuple(
            Backend(namespace="shop", service=name, port=80, weight=part)
            for name, part in (("web", 100 - weight), ("next", weight))
        )
        action = Forward(backends=backends, splits=(split,))
        return RouteTable(namespace="shop", service="web", routes=(route("a", action=action),))

    assert names(table(10), table(20)) == {"HTTPRoute/a", "Canary/c"}


def test_what_names_nothing_concerns_all_that_is_in_it() -> None:
    made = RouteTable(namespace="shop", service="web", routes=(route("a"), route("b")))
    assert names(made, msgspec.structs.replace(made, consumer="other")) == {"HTTPRoute/a", "HTTPRoute/b"}


PARTS = st.dictionaries(
    st.sampled_from(("*", "a.test", "b.test")),
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(("", "/1", "/2"))), min_size=1, max_size=4),
)


def mine(parts: dict[str, list[tuple[str, str]]], name: str) -> dict[str, list[str]]:
    found = {host: [path for who, path in own if who == name] for host, own in parts.items()}
    return {host: paths for host, paths in found.items() if paths}


@given(PARTS, PARTS)
def test_of_routes_whatever_differs_is_told_and_never_the_gateway(
    old: dict[str, list[tuple[str, str]]], new: dict[str, list[tuple[str, str]]]
) -> None:
    def made(parts: dict[str, list[tuple[str, str]]]) -> Gateway:
        own = (
            hosts(h, *(route(n, p, action=Forward(backends=(backend(),))) for n, p in rs)) for h, rs in parts.items()
        )
        return edge(*own)

    found = differing(made(old), made(new))
    assert GATEWAY not in found
    assert {o.name for o in found} >= {name for name in "xyz" if mine(old, name) != mine(new, name)}
    if old == new and list(old) == list(new):
        assert not found


def naive(value: object) -> set[Origin]:
    if isinstance(value, Origin):
        return {value}
    if isinstance(value, msgspec.Struct):
        return set().union(*(naive(getattr(value, name)) for name in value.__struct_fields__))
    return set().union(*map(naive, value)) if isinstance(value, tuple) else set()


CASES = Path(__file__).parents[2] / "golden" / "envoy"


@pytest.mark.parametrize("case", sorted(CASES.glob("*/in.yaml")), ids=lambda path: path.parent.name)
def test_no_origin_is_missed_where_types_say_that_there_is_none(case: Path) -> None:
    raw = yaml.safe_load(case.read_text())
    raw.pop("show")
    base = {"node": msgspec.to_builtins(NODE), "config": msgspec.to_builtins(CONFIG)}
    view = msgspec.convert(base | raw, NodeView)
    named = (view.services, view.tables, view.policies, view.gateways, view.endpoints)
    values = [view.config, *(attached.pod for attached in view.pods), *(v for each in named for v in each.values())]
    for value in values:
        assert set(origins_in(value)) == naive(value)
