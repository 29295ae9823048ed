"""Listeners whose chains are copies: Envoy is sent what it would be sent if each had been encoded whole."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from meshbuild import attached, endpoint, endpoints, service, view
from tandem.base.problems import Origin
from tandem.compile.envoy.snapshot import compile_envoy
from tandem.drivers.xds.anytype import message_class
from tandem.drivers.xds.encode import Encoder, encode_tree
from tandem.ir.fabric import AppProtocol
from tandem.ir.logged import Logged, Logging
from tandem.ir.mesh import Backend, BytesRoute, RouteTable
from tandem.ir.node import NodeView
from tandem.ir.outbound import Outbound
from tandem.ir.paths import Paths
from tandem.state.assembled import Assembled
from tandem.state.xds import LISTENER
from working import calls_of

APPS = (AppProtocol.HTTP, AppProtocol.TCP, AppProtocol.GRPC, AppProtocol.DETECTED)
NAMES = st.sampled_from(("a", "b", "with-a-long-name", "with-a-long-mane", "ünd-%-auch"))
PODS = st.lists(
    st.tuples(NAMES, st.sampled_from(("", "if %CEL(connection.mtls)%")), st.sampled_from(Paths), st.booleans()),
    min_size=1,
    max_size=5,
    unique_by=lambda pod: pod[0],
)
PORTS = st.lists(st.tuples(st.integers(80, 83), st.sampled_from(APPS)), max_size=3, unique_by=lambda p: p[0])
SERVICES = st.dictionaries(st.sampled_from(("s", "t", "u")), st.tuples(PORTS, st.booleans(), st.booleans()))
WORLDS = st.lists(st.tuples(PODS, SERVICES), min_size=1, max_size=4)
Pods = list[tuple[str, str, Paths, bool]]
Services = dict[str, tuple[list[tuple[int, AppProtocol]], bool, bool]]


def made(pods: Pods, services: Services) -> NodeView:
    """A node with these pods and Services: of a Service its ports, whether it is headless, and whether it is routed."""
    found = [
        attached(
            name,
            f"10.244.0.{i + 2}",
            netns=f"/run/netns/{name}",
            logging=Logging(client=Logged(when=when)),
            paths=paths,
            outbound=Outbound(registry_only=closed),
        )
        for i, (name, when, paths, closed) in enumerate(pods)
    ]
    parts: list[object] = []
    for i, (name, (ports, headless, routed)) in enumerate(sorted(services.items())):
        one = service(name, f"10.96.0.{i + 1}", *((f"p{number}", number, app) for number, app in ports))
        parts.append(msgspec.structs.replace(one, cluster_ips=()) if headless else one)
        parts.append(endpoints(name, endpoint(found[0], **{f"p{number}": number for number, _ in ports})))
        if routed:
            to = (Backend(namespace="shop", service="s", port=80),)
            origin = Origin(kind="TCPRoute", namespace="shop", name=name)
            route = BytesRoute(name=name, matches=(), backends=to, origin=origin)
            parts.append(RouteTable(namespace="shop", service=name, routes=(), bytes=(route,)))
    return view(*found, *parts)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(WORLDS)
def test_each_listener_is_the_message_of_its_tree_after_any_steps(worlds: list[tuple[Pods, Services]]) -> None:
    kept, versions = Encoder(), dict[bytes, str]()
    for pods, services in worlds:
        snapshot = compile_envoy(made(pods, services))
        for name, encoded in kept.encode(snapshot)[LISTENER].items():
            body = snapshot.resources[LISTENER][name].body
            message, whole = message_class(LISTENER)(), message_class(LISTENER)()
            message.ParseFromString(encoded.value)
            whole.ParseFromString(encode_tree(LISTENER, dict(body)))
            assert message == whole
            assert isinstance(body, Assembled) is name.startswith("out/")
            # What is equal has one version, in this process and in others.
            assert versions.setdefault(encoded.value, encoded.version) == encoded.version
        fresh = Encoder().encode(snapshot)[LISTENER]
        assert {n: e.version for n, e in fresh.items()} == {
            n: e.version for n, e in kept.encode(snapshot)[LISTENER].items()
        }


def test_one_service_more_costs_hardly_more_where_there_are_more_pods() -> None:
    def cost(count: int) -> int:
        pods: Pods = [(f"somebody-{i:04}", "", Paths.BASE, False) for i in range(count)]
        services: Services = {f"s{i}": ([(80, AppProtocol.HTTP)], False, False) for i in range(20)}
        encoder, world = Encoder(), made(pods, services)
        encoder.encode(compile_envoy(world))
        more = service("more", "10.96.1.1", ("p80", 80, AppProtocol.HTTP))
        # What it has of pods is the very same.
        world = msgspec.structs.replace(world, services={**world.services, "shop/more": more})
        return calls_of(lambda: encoder.encode(compile_envoy(world)))

    assert cost(20) - cost(10) < cost(10) / 2
