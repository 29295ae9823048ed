"""Routes of gateways, kept from step to step: they are what a beginning makes of them, as trees and as messages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewaybuild import gateway, hosts, listener, port, route
from tandem.compile.envoy import gateway as compiler
from tandem.compile.envoy.scope import Hashes
from tandem.drivers.xds.anytype import message_class
from tandem.drivers.xds.encode import Encoder, encode_tree
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import Redirect
from tandem.ir.traffic import ByHeader
from tandem.state.assembled import Assembled
from tandem.state.xds import ROUTE, Resource, Snapshot

ROUTES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("", "/x", "/y")), st.booleans()), max_size=4)
HOSTS = st.dictionaries(st.sampled_from(("*", "a.test", "b.test", "*.c.test")), ROUTES, max_size=4)
HASHES: tuple[Hashes, ...] = ((), (("svc/shop/web/80", (ByHeader(name="x-user"),)),))
STEPS = st.lists(
    st.tuples(HOSTS, st.booleans(), st.sampled_from((80, 8080)), st.sampled_from(HASHES)), min_size=1, max_size=5
)
Hosts = dict[str, list[tuple[str, str, bool]]]


def made(found: Hosts, number: int, *, tls: bool) -> Gateway:
    own = (
        hosts(host, *(route(n, p, **({"action": Redirect(status=301)} if away else {})) for n, p, away in routes))
        for host, routes in found.items()
    )
    return gateway(port(listener("l", "*", *own, certificates=("c",)), number=number, tls=tls))


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_what_is_kept_equals_a_beginning(steps: list[tuple[Hosts, bool, int, Hashes]]) -> None:
    gateways = [(made(found, number, tls=tls), hashes) for found, tls, number, hashes in steps]
    encoder = Encoder()
    went_on = [compiled(*one) for one in gateways]
    kept = [encoder.encode(snapshot(resources))[ROUTE] for resources in went_on]
    for one, resources, encoded in zip(gateways, went_on, kept, strict=True):
        compiler._book.cache_clear()
        anew = compiled(*one)
        assert [dict(r.body) for r in resources] == [dict(r.body) for r in anew]
        fresh = Encoder().encode(snapshot(anew))[ROUTE]
        for resource in resources:
            assert isinstance(resource.body, Assembled)
            message, whole = message_class(ROUTE)(), message_class(ROUTE)()
            message.ParseFromString(encoded[resource.name].value)
            whole.ParseFromString(encode_tree(ROUTE, dict(resource.body)))
            assert message == whole
            assert encoded[resource.name].version == fresh[resource.name].version


def compiled(one: Gateway, hashes: Hashes) -> tuple[Resource, ...]:
    """Whatever equal gateways became before."""
    compiler.compile_gateway_routes.cache_clear()
    return compiler.compile_gateway_routes(one, hashes)


def snapshot(resources: tuple[Resource, ...]) -> Snapshot:
    return Snapshot(resources={ROUTE: {resource.name: resource for resource in resources}})
