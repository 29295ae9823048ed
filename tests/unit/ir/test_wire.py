"""Every value that control sends survives the journey, and says whom it came from."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.base.ids import GroupId, NodeName, PodUid, PolicySetId, SpiffeId
from tandem.base.problems import Origin
from tandem.ir import wire
from tandem.ir.fabric import Endpoints, LocalPod, MeshConfig, MtlsMode, Node, PortMtls
from tandem.ir.mesh import Backend, Forward, Respond, Route, RouteTable
from tandem.ir.policy import AddressGroup, Anyone, Cidr, Group, PolicySet, PortMatch, Rule, Side
from tandem.ir.traffic import Subset, TrafficPolicy

A = Origin(kind="VirtualService", namespace="shop", name="a", path="spec.http[0]", source="a.yaml:7")
B = Origin(kind="NetworkPolicy", namespace="shop", name="b")
LEAVES: dict[type, st.SearchStrategy[Any]] = {
    msgspec.inspect.StrType: st.text(max_size=6),
    msgspec.inspect.IntType: st.integers(0, 70_000),
    msgspec.inspect.FloatType: st.floats(0, 100),
    msgspec.inspect.BoolType: st.booleans(),
    msgspec.inspect.NoneType: st.none(),
}


def _strategy(info: msgspec.inspect.Type, within: tuple[type, ...] = ()) -> st.SearchStrategy[Any]:
    """Any value of a type; tuples are kept short. `within`: the structs around it, of which it has no more."""
    match info:
        case msgspec.inspect.EnumType(cls=cls):
            return st.sampled_from(list(cls))
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(*(_strategy(one, within) for one in types))
        case msgspec.inspect.VarTupleType(item_type=item):
            again = isinstance(item, msgspec.inspect.StructType) and item.cls in within
            return st.just(()) if again else st.lists(_strategy(item, within), max_size=2).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*(_strategy(one, within) for one in items))
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{f.name: _strategy(f.type, (*within, cls)) for f in fields})
        case _:
            return LEAVES[type(info)]


@pytest.mark.parametrize("url", wire.TYPES)
def test_every_type_comes_back_as_it_went_and_equal_values_are_equal_bytes(url: str) -> None:
    @settings(max_examples=25, database=None)
    @given(_strategy(msgspec.inspect.type_info(wire.TYPES[url])))
    def travels(value: Any) -> None:
        data = wire.encode(value)
        back = wire.decode(url, data)
        assert back == value
        assert type(back) is wire.TYPES[url]
        assert wire.encode(back) == data
        assert wire.version(data) == wire.version(wire.encode(back))

    travels()


def test_each_type_has_a_url_of_its_own() -> None:
    assert {wire.URLS[cls] for cls in wire.TYPES.values()} == set(wire.TYPES)


def test_what_others_refer_to_is_sent_first() -> None:
    order = list(wire.TYPES.values())
    assert order.index(AddressGroup) < order.index(PolicySet) < order.index(LocalPod)
    assert order.index(TrafficPolicy) < order.index(RouteTable)
    assert order[0] is MeshConfig


def test_another_value_has_another_version() -> None:
    one = wire.encode(Endpoints(namespace="n", service="s", endpoints=()))
    assert wire.version(one) != wire.version(wire.encode(Endpoints(namespace="n", service="t", endpoints=())))


def test_the_version_of_known_bytes_never_changes() -> None:
    """Agents of another release compare versions across a reconnect."""
    data = wire.encode(Node(name=NodeName("n1"), addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/24",)))
    assert data == b'{"name":"n1","addresses":["192.0.2.1"],"pod_cidrs":["10.244.0.0/24"]}'


def test_a_foreign_type_and_broken_bytes_are_told_apart() -> None:
    with pytest.raises(KeyError):
        wire.decode("type.googleapis.com/other", b"{}")
    with pytest.raises(msgspec.ValidationError):
        wire.decode(wire.URLS[Node], b'{"name": 1}')
    with pytest.raises(msgspec.DecodeError):
        wire.decode(wire.URLS[Node], b"{")


def test_an_older_agent_reads_past_fields_that_it_does_not_know() -> None:
    data = b'{"name":"n1","addresses":[],"pod_cidrs":[],"colour":"a"}'
    assert wire.decode(wire.URLS[Node], data) == Node(name=NodeName("n1"), addresses=(), pod_cidrs=())


def pod(**fields: Any) -> LocalPod:
    return LocalPod(
        uid=PodUid("u"), namespace="n", name="p", service_account="s", identity=SpiffeId("spiffe://x"), **fields
    )


RULE = Rule(
    peers=(Anyone(), Cidr(prefix="10.0.0.0/8"), Group(id=GroupId("g"))), ports=(PortMatch(protocol="TCP"),), origin=A
)
ROUTE = Route(name="r", matches=(), action=Forward(backends=(Backend(namespace="n", service="s"),)), origin=A)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (PolicySet(id=PolicySetId("p"), side=Side.INGRESS, rules=(RULE,), isolated_by=(B,)), {A, B}),
        (AddressGroup(id=GroupId("g"), addresses=("10.0.0.1",)), set()),
        (RouteTable(namespace="n", service="s", routes=(ROUTE,)), {A}),
        (
            RouteTable(
                namespace="n", service="s", routes=(Route(name="x", matches=(), action=Respond(status=503), origin=B),)
            ),
            {B},
        ),
        (
            TrafficPolicy(
                namespace="n", service="s", origin=B, subsets=(Subset(name="v1", labels=(("a", "b"),), origin=A),)
            ),
            {A, B},
        ),
        (pod(mtls=(PortMtls(port=80, mode=MtlsMode.STRICT, origin=A), PortMtls(port=0, mode=MtlsMode.STRICT))), {A}),
        (pod(), set()),
        (Endpoints(namespace="n", service="s", endpoints=()), set()),
    ],
)
def test_the_origins_of_a_value_are_all_that_lie_in_it(value: wire.Value, found: set[Origin]) -> None:
    assert wire.origins(value) == found
