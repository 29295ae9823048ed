"""Limits that a server counts for all proxies together, with a real Envoy that asks it over mTLS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gatewaybuild import gateway, hosts, listener, port
from gatewaybuild import route as gateway_route
from limitbuild import by, counter, limit, limited
from meshbuild import attached, endpoint, endpoints, service, strict, view
from netns.counters import Counts, counter_app
from netns.meshapps import Client, http_app
from netns.meshlab import Lab
from tandem.base.ids import PodUid
from tandem.base.problems import Origin
from tandem.compile.names import destination_log
from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import Gateway
from tandem.ir.limits import Key, RateLimit
from tandem.ir.match import Exact, RouteMatch
from tandem.ir.mesh import Backend, Forward, Route, RouteTable
from tandem.state.xds import STAGED_LIMIT

pytestmark = pytest.mark.root

WEB, PLAIN, COUNTER, OPEN, NODE = "10.96.1.1", "10.96.1.2", "10.96.1.3", "10.96.1.4", "10.244.0.1"
ADDRESSES = {"a": "10.244.0.2", "c": "10.244.0.3", "b": "10.244.0.4", "b2": "10.244.0.5", "counter": "10.244.0.6"}
OUTSIDE = "10.244.0.7"
ORIGIN = Origin(kind="HTTPRoute", namespace="shop", name="web", path="spec.rules[0]")
ASKED = counter(timeout_ms=5000)
TO_WEB = Forward(backends=(Backend(namespace="shop", service="web", port=80),))
TO_PLAIN = Forward(backends=(Backend(namespace="shop", service="plain", port=80),))


class World:
    """Pods a and c call web (b and b2), a gateway calls a plain pod; the counter takes mTLS alone.

    The plain pod has a counter, too.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in {**ADDRESSES, "plain": OUTSIDE}.items()}
        self.counts = Counts()

    def put(
        self, *limits: RateLimit, table: tuple[Route, ...] = (), edge: Gateway | None = None, there: bool = True
    ) -> None:
        """`limits`: of both pods of web; `there`: whether the counter has an endpoint."""
        pods = {name: attached(name, address, netns=str(self.ns[name])) for name, address in ADDRESSES.items()}
        for name in ("b", "b2"):
            judged = msgspec.structs.replace(pods[name].pod, limits=limits, plain_http_ports=(8080,))
            pods[name] = msgspec.structs.replace(pods[name], pod=judged)
        closed = msgspec.structs.replace(pods["counter"].pod, mtls=strict(0))
        pods["counter"] = msgspec.structs.replace(pods["counter"], pod=closed)
        plain = attached("plain", OUTSIDE, netns=str(self.ns["plain"]), meshed=False)
        http, grpc = AppProtocol.HTTP, AppProtocol.GRPC
        parts: list[Any] = [
            service("web", WEB, ("http", 80, http)),
            endpoints("web", *(endpoint(pods[name], http=8080) for name in ("b", "b2"))),
            service("plain", PLAIN, ("http", 80, http)),
            endpoints("plain", endpoint(plain, http=8080)),
            service("open", OPEN, ("grpc", 8081, grpc)),
            endpoints("open", endpoint(plain, grpc=8081)),
            service("counter", COUNTER, ("grpc", 8081, grpc)),
            endpoints("counter", *((endpoint(pods["counter"], grpc=8081),) if there else ())),
        ]
        parts += [RouteTable(namespace="shop", service="web", routes=table)] if table else []
        self.counts.seen.clear()
        gateways = {"edge/edge": edge} if edge is not None else {}
        self.lab.apply(view(*pods.values(), plain, *parts, gateways=gateways))

    def ask(self, who: str = "a", path: str = "/", **headers: str) -> int:
        with contextlib.closing(Client(self.ns[who], WEB, 80)) as client:
            return client.get(path, **headers)[0]

    def staged(self, path: str) -> list[str]:
        """The staged limits that would have refused a request to web."""
        for pod in ("b", "b2"):
            log = destination_log(PodUid(f"uid-{pod}"))
            for entry in self.lab.ads.log_of(log, lambda e: e.request.path == path, seconds=1):
                fields = entry.common_properties.metadata.filter_metadata["tandem.limits"].fields
                return [fields[key].string_value for key in sorted(fields) if key.startswith(STAGED_LIMIT)]
        raise AssertionError(path)

    def ask_gateway(self) -> int:
        with contextlib.closing(Client(self.lab.node, NODE, 20080)) as client:
            return client.get("/", host="a.test")[0]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("rc") as lab, contextlib.ExitStack() as apps:
        made = World(lab)
        for name in ("b", "b2", "plain"):
            apps.enter_context(http_app(made.ns[name], 8080, name))
        apps.enter_context(counter_app(made.ns["plain"], 8081))
        made.counts = apps.enter_context(counter_app(made.ns["counter"], 8081))
        yield made


def test_all_pods_of_a_service_share_what_is_counted(world: World) -> None:
    world.put(limited(limit(5), counter=ASKED))
    assert [world.ask(who) for who in ("a", "c") * 4] == [200] * 5 + [429] * 3
    assert world.counts.of(policy="shop/few/0", limit="0") == 8


def test_a_staged_limit_is_counted_and_told_and_refuses_nothing(world: World) -> None:
    trial, other = (limited(limit(n, name=f"trial{n}"), name=f"trial{n}", staged=True, counter=ASKED) for n in (2, 3))
    world.put(trial, other)
    assert [world.ask(path=f"/staged/{n}") for n in range(5)] == [200] * 5
    would = [world.staged(f"/staged/{n}") for n in range(5)]
    assert [len(found) for found in would] == [0, 0, 1, 2, 2]
    assert [("trial2" in found[0], "trial3" in found[-1]) for found in would[3:]] == [(True, True)] * 2
    world.put(trial, limited(limit(4), counter=ASKED))
    assert [world.ask(path=f"/both/{n}") for n in range(5)] == [200] * 4 + [429]
    assert [len(world.staged(f"/both/{n}")) for n in range(5)] == [0, 0, 1, 1, 1]


def test_a_staged_limit_without_an_answer_lets_all_pass(world: World) -> None:
    world.put(limited(limit(1), staged=True, counter=ASKED), there=False)
    assert [world.ask(path="/silent") for _ in range(2)] == [200] * 2
    assert world.staged("/silent") == []


def test_what_the_application_says_in_that_header_stays_its_own(world: World) -> None:
    world.put(limited(limit(2), staged=True, counter=ASKED))
    for said, n in (("true", 0), ("", 1), ("true", 2)):
        with contextlib.closing(Client(world.ns["a"], WEB, 80)) as client:
            client.request("GET", f"/own/{n}", headers={"x-answer": f"x-envoy-ratelimited={said}"} if said else {})
            answer = client.getresponse()
            answer.read()
            assert answer.headers.get_all("x-envoy-ratelimited") == ([said] if said else None)
            assert [h for h in answer.headers if h.startswith("x-tandem")] == []
    assert [len(world.staged(f"/own/{n}")) for n in range(3)] == [0, 0, 1]


def test_each_value_is_counted_apart_and_what_does_not_match_not_at_all(world: World) -> None:
    keys = by(Key.NAMESPACE), by(Key.HEADER, "x-user")
    world.put(limited(limit(2, *keys, matches=(RouteMatch(path=Exact("/a")),)), counter=ASKED))
    assert [world.ask(path="/a", x_user="bob") for _ in range(3)] == [200, 200, 429]
    assert [world.ask(path="/a", x_user="eve") for _ in range(3)] == [200, 200, 429]
    assert [world.ask(path="/b", x_user="bob") for _ in range(3)] == [200] * 3
    assert sum(world.counts.seen.values()) == 6
    assert world.counts.of(namespace="shop") == 6


def test_routes_of_all_clients_share_it_too(world: World) -> None:
    route = Route(name="r", matches=(), action=TO_WEB, limits=(limited(limit(3), counter=ASKED),), origin=ORIGIN)
    world.put(table=(route,))
    assert [world.ask(who) for who in ("a", "c") * 3] == [200] * 3 + [429] * 3


def test_a_gateway_asks_as_well(world: World) -> None:
    """Of a counter outside the mesh: nothing gives the gateway another source than the node's own here."""
    asked = counter(service="open", timeout_ms=5000)
    own = gateway_route("plain", action=TO_PLAIN, limits=(limited(limit(2), counter=asked),))
    world.put(edge=gateway(port(listener("every", "*", hosts("a.test", own)))))
    assert [world.ask_gateway() for _ in range(4)] == [200, 200, 429, 429]


def test_without_an_answer_a_request_is_refused_unless_it_may_pass(world: World) -> None:
    quick = msgspec.structs.replace(ASKED, timeout_ms=200)
    world.put(limited(limit(5), counter=quick), there=False)
    assert [world.ask() for _ in range(2)] == [503, 503]
    world.put(limited(limit(5), counter=msgspec.structs.replace(quick, fail_open=True)), there=False)
    assert [world.ask() for _ in range(2)] == [200, 200]


def test_a_counter_that_nobody_may_ask_answers_nobody(world: World) -> None:
    world.put(limited(limit(5), counter=counter(namespace="", service="", port=0)))
    assert world.ask() == 503
