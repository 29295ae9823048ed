"""Rate limits with real requests through a real Envoy: how many of them are refused, whose, and where."""

from __future__ import annotations

import contextlib
import http.client
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from envoy.service.accesslog.v3 import als_pb2

from consulworlds import defaults
from gatewaybuild import gateway, hosts, listener, port
from gatewaybuild import route as gateway_route
from limitbuild import by, limit, limited
from meshbuild import attached, endpoint, endpoints, service, view
from netns.meshapps import dial, http_app
from netns.meshlab import Lab
from tandem.base.ids import SpiffeId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import Gateway
from tandem.ir.limits import Key, RateLimit
from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Regex, RouteMatch
from tandem.ir.mesh import Backend, Forward, Respond, Route, RouteTable
from tandem.observe.accesslog import Names, flows_of
from tandem.observe.flow import Flow, Party, Verdict
from tandem.translate.mesh.consul.limits import read_rate_limits

pytestmark = pytest.mark.root

WEB = "10.96.1.1"
NODE = "10.244.0.1"
NAMESPACES = {"a": "shop", "c": "shop", "guest": "tools", "b": "shop"}
ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "c": "10.244.0.4", "guest": "10.244.0.5", "plain": "10.244.0.6"}
ORIGIN = Origin(kind="HTTPRoute", namespace="shop", name="web", path="spec.rules[0]")


def route(name: str, *limits: RateLimit, path: str = "/") -> Route:
    matches = (RouteMatch(path=PathPrefix(path.rstrip("/"))),) if path != "/" else ()
    to = Forward(backends=(Backend(namespace="shop", service="web", port=80),))
    return Route(name=name, matches=matches, action=to, limits=limits, origin=ORIGIN)


class World:
    """Pods a, c and guest, and a plain one, call b, which is web:80; so does a gateway."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}

    def put(self, *limits: RateLimit, table: tuple[Route, ...] = (), edge: Gateway | None = None) -> None:
        """`limits`: of the pod b. What was counted before is forgotten."""
        pods = {
            name: attached(name, ADDRESSES[name], netns=str(self.ns[name]), namespace=namespace)
            for name, namespace in NAMESPACES.items()
        }
        server = pods["b"]
        judged = msgspec.structs.replace(server.pod, limits=limits, plain_http_ports=(8080, 8081))
        pods["b"] = server = msgspec.structs.replace(server, pod=judged)
        parts: list[Any] = [
            service("web", WEB, ("http", 80, AppProtocol.HTTP)),
            endpoints("web", endpoint(server, http=8080)),
        ]
        tables = [RouteTable(namespace="shop", service="web", routes=table)] if table else []
        gateways = {"edge/edge": edge} if edge is not None else {}
        self.lab.apply(view(*pods.values(), *parts, *tables, gateways=gateways))

    def ask(self, who: str = "a", path: str = "/", method: str = "GET", *, own: int = 0, **headers: str) -> int:
        """The status of a request to web; from the plain pod, or with `own`, to b's own address."""
        direct = own or (8080 if who == "plain" else 0)
        response = self._ask(self.ns[who], (ADDRESSES["b"], direct) if direct else (WEB, 80), method, path, headers)
        return response.status

    def ask_gateway(self, host: str = "a.test", path: str = "/") -> int:
        return self._ask(self.lab.node, (NODE, 20080), "GET", path, {"host": host}).status

    def response(self, who: str = "a", **headers: str) -> http.client.HTTPResponse:
        return self._ask(self.ns[who], (WEB, 80), "GET", "/", headers)

    def _ask(
        self, netns: object, to: tuple[str, int], method: str, path: str, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        with contextlib.closing(dial(netns, *to)) as sock:  # type: ignore[arg-type]
            connection = http.client.HTTPConnection("web.test", 80)
            connection.sock = sock
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            response.read()
            return response

    def flows(self, log: str, number: int, path: str) -> list[Flow]:
        """The flows of requests for a path in a log, as soon as there are so many."""

        def own() -> list[Any]:
            return [e for name, e in list(self.lab.ads.logs) if name == log and e.request.path == path]

        self.lab.ads.log_of(log, lambda _: len(own()) >= number)
        empty: tuple[Origin, ...] = ()
        told = Names(
            node="n1", pod=lambda _: Party(), party=lambda a: Party(address=a), route=lambda _: ORIGIN,
            fault=lambda _: None, refused=lambda _u, _p: None, outbound=lambda _: None, authorized=lambda _u, _n: empty,
            staged=lambda _: empty, authenticated=lambda _: empty,
        )  # fmt: skip
        return [flow for entry in own() for flow in flows_of(log, _message(entry), told)]


def _message(entry: Any) -> Any:
    message = als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.append(entry)
    return message


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("rl") as lab:
        made = World(lab)
        with http_app(made.ns["b"], 8080, "b"), http_app(made.ns["b"], 8081, "other"):
            yield made


def test_whoever_asks_takes_from_the_one_bucket_of_a_pod(world: World) -> None:
    world.put(limited(limit(4)))
    found = [world.ask(who) for who in ("a", "c", "guest", "plain", "a", "plain")]
    assert found == [200, 200, 200, 200, 429, 429]


def test_other_ports_of_the_pod_are_not_counted(world: World) -> None:
    world.put(limited(limit(2), ports=(8080,)))
    assert [world.ask("plain", own=8081) for _ in range(4)] == [200] * 4
    assert [world.ask("plain", own=8080) for _ in range(4)] == [200, 200, 429, 429]
    assert [world.ask("plain", own=8081) for _ in range(2)] == [200] * 2


def test_a_burst_is_as_large_as_it_says(world: World) -> None:
    world.put(limited(limit(1, burst=3)))
    assert [world.ask() for _ in range(5)] == [200, 200, 200, 429, 429]


def test_each_namespace_has_a_bucket_and_those_without_an_identity_share_one(world: World) -> None:
    world.put(limited(limit(2, by(Key.NAMESPACE))))
    assert [world.ask(who) for who in ("a", "c", "a")] == [200, 200, 429]
    assert [world.ask("guest") for _ in range(3)] == [200, 200, 429]
    claimed = "By=x;URI=spiffe://cluster.local/ns/nobody/sa/x"
    lies: tuple[dict[str, Any], ...] = ({}, {"x_forwarded_client_cert": claimed}, {"x_tandem_limit_namespace": "z"})
    assert [world.ask("plain", **lie) for lie in lies] == [200, 200, 429]


def test_each_service_account_has_a_bucket(world: World) -> None:
    world.put(limited(limit(1, by(Key.SERVICE_ACCOUNT))))
    assert [world.ask(who) for who in ("a", "c", "guest", "a", "c", "guest")] == [200, 200, 200, 429, 429, 429]


def test_some_clients_have_a_bucket_together_and_the_others_one_each(world: World) -> None:
    some = tuple(SpiffeId(f"spiffe://cluster.local/ns/shop/sa/{name}") for name in ("a", "c"))
    few = limit(3, clients=some, index=0)
    world.put(limited(few, limit(1, by(Key.SERVICE_ACCOUNT), others=some, index=1)))
    assert [world.ask(who) for who in ("a", "c", "a", "c", "a")] == [200, 200, 200, 429, 429]
    assert [world.ask(who) for who in ("guest", "plain", "guest", "plain")] == [200, 200, 429, 429]


def test_an_address_is_that_of_the_connection_and_not_what_a_client_says(world: World) -> None:
    world.put(limited(limit(2, by(Key.ADDRESS))))
    assert [world.ask("a", x_forwarded_for=f"192.0.2.{i}") for i in range(3)] == [200, 200, 429]
    assert [world.ask("plain", x_forwarded_for=f"192.0.2.{i}") for i in range(3)] == [200, 200, 429]
    assert world.ask("c") == 200


def test_each_value_of_a_header_has_a_bucket_and_so_has_its_absence(world: World) -> None:
    world.put(limited(limit(2, by(Key.HEADER, "x-user"))))
    assert [world.ask(x_user="bob") for _ in range(3)] == [200, 200, 429]
    assert [world.ask(x_user="eve") for _ in range(3)] == [200, 200, 429]
    assert [world.ask() for _ in range(3)] == [200, 200, 429]


def test_paths_are_told_apart_without_their_queries_and_methods_too(world: World) -> None:
    world.put(limited(limit(2, by(Key.PATH), by(Key.METHOD))))
    assert [world.ask(path=f"/x?{i}") for i in range(3)] == [200, 200, 429]
    assert world.ask(path="/y") == 200
    assert world.ask(path="/x", method="HEAD") == 501  # the application's own answer


def test_only_what_matches_is_counted_and_once_where_two_matches_hold(world: World) -> None:
    matches = (
        RouteMatch(path=PathPrefix("/a")),
        RouteMatch(path=Regex("/a/.*"), method=Exact("GET")),
        RouteMatch(headers=(HeaderMatch(name="x-quoted", match=Exact('say "no"')),)),
    )
    world.put(limited(limit(3, matches=matches)))
    assert [world.ask(path=p) for p in ("/ab", "/", "/b/a", "/ab", "/c")] == [200] * 5
    assert [world.ask(path="/a/b?c"), world.ask(path="/a"), world.ask(x_quoted='say "no"')] == [200] * 3
    assert [world.ask(path="/a/"), world.ask(x_quoted='say "no"'), world.ask(x_quoted="no")] == [429, 429, 200]


def test_of_several_limits_the_first_that_is_reached_refuses(world: World) -> None:
    one = limit(2, by(Key.HEADER, "x-user"), index=0)
    world.put(limited(one, limit(5, index=1)))
    assert [world.ask(x_user="bob") for _ in range(3)] == [200, 200, 429]
    assert [world.ask(x_user=f"u{i}") for i in range(4)] == [200, 200, 200, 429]


def test_who_is_refused_is_told_when_to_come_back_and_everybody_what_is_left_if_it_says_so(world: World) -> None:
    world.put(limited(limit(2), tells=True))
    first, _, refused = (world.response() for _ in range(3))
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
    assert (refused.status, refused.headers["x-ratelimit-remaining"]) == (429, "0")
    assert refused.headers["retry-after"] == "1800"
    assert refused.headers["x-tandem-limit"] is None
    world.put(limited(limit(1), retry_after=False))
    first, refused = (world.response() for _ in range(2))
    assert refused.status == 429
    for response in (first, refused):
        assert not {"retry-after", "x-ratelimit-limit"} & {name.lower() for name in response.headers}


def test_a_flow_names_the_limit_that_refused(world: World) -> None:
    few, none = limited(limit(9), name="many"), limited(limit(1, index=0), limit(1, index=1), name="few")
    world.put(few, none)
    assert [world.ask(path="/flow"), world.ask(path="/flow")] == [200, 429]
    found = world.flows(names.destination_log(attached("b", "").pod.uid), 2, "/flow")
    (denied,) = (flow for flow in found if flow.verdict is Verdict.DENIED)
    assert (len(found), denied.direction) == (2, "ingress")
    assert [str(rule) for rule in denied.rules] == ["RateLimit shop/few spec.limits[0]"]


def test_a_staged_limit_refuses_nothing_and_says_what_it_would(world: World) -> None:
    staged = limited(limit(1, name="staged"), name="staged", staged=True)
    world.put(staged, limited(limit(3)))
    spoofed: dict[str, Any] = {"x_tandem_limit_staged_0": "1"}
    found = [world.ask(path="/staged", **h) for h in (spoofed, {}, {}, {})]
    assert found == [200, 200, 200, 429]
    flows = world.flows(names.destination_log(attached("b", "").pod.uid), 4, "/staged")
    verdicts = Counter(flow.verdict for flow in flows)  # two workers tell of them in whatever order
    assert verdicts == {Verdict.ALLOWED: 1, Verdict.STAGED: 2, Verdict.DENIED: 1}
    staged_by = {str(rule) for flow in flows if flow.verdict is Verdict.STAGED for rule in flow.rules}
    assert staged_by == {"RateLimit shop/staged spec.limits[0]"}


def test_what_counts_leaves_nothing_in_what_the_application_sees(world: World) -> None:
    world.put(limited(limit(1), name="staged", staged=True), limited(limit(9, by(Key.NAMESPACE), by(Key.ADDRESS))))
    with contextlib.closing(dial(world.ns["a"], WEB, 80)) as sock:
        for _ in range(2):
            connection = http.client.HTTPConnection("web.test", 80)
            connection.sock = sock
            connection.request("GET", "/")
            seen = connection.getresponse().read().decode()
            assert "tandem" not in seen.lower().replace("tdm", "")


def test_a_route_has_one_bucket_however_many_matches_and_clients_it_has(world: World) -> None:
    few = limited(limit(3))
    table = (route("one", few, path="/one"), route("two", few, path="/two"), route("rest"))
    world.put(table=table)
    asked = [("a", "/one"), ("c", "/two"), ("guest", "/one"), ("a", "/two"), ("c", "/one")]
    assert [world.ask(who, path) for who, path in asked] == [200, 200, 200, 429, 429]
    assert world.ask("a", "/else") == 200
    (last,) = world.flows(names.source_log(attached("c", "").pod.uid), 1, "/one")
    assert (last.verdict, last.direction) == (Verdict.DENIED, "egress")
    assert [str(rule) for rule in last.rules] == ["RateLimit shop/few spec.limits[0]"]


def test_at_a_route_clients_are_told_apart_by_who_they_are(world: World) -> None:
    world.put(table=(route("one", limited(limit(2, by(Key.NAMESPACE)))),))
    assert [world.ask(who) for who in ("a", "c", "a")] == [200, 200, 429]
    assert [world.ask("guest") for _ in range(3)] == [200, 200, 429]


def test_a_gateway_counts_what_comes_in_by_it_beside_what_its_routes_count(world: World) -> None:
    whole, own = limited(limit(5), name="whole"), limited(limit(2), name="own")
    limits = {"a": (whole, own), "b": (whole,)}
    made = {name: gateway_route(name, action=Respond(status=200), limits=found) for name, found in limits.items()}
    edge = gateway(port(listener("every", "*", hosts("a.test", made["a"]), hosts("b.test", made["b"]))))
    world.put(edge=edge)
    assert [world.ask_gateway("a.test") for _ in range(3)] == [200, 200, 429]
    assert [world.ask_gateway("b.test") for _ in range(3)] == [200, 200, 429]
    assert world.ask_gateway("c.test") == 404


def test_the_first_route_of_consuls_has_its_limit_in_place_of_the_whole(world: World) -> None:
    routes = [{"pathExact": "/few", "requestsPerSecond": 1}, {"pathRegex": "/[fg].*", "requestsPerSecond": 1000}]
    said = {"instanceLevel": {"requestsPerSecond": 1, "requestsMaxBurst": 3, "routes": routes}}
    found = read_rate_limits(defaults("web", ns="shop", rateLimits=said), lambda *told: pytest.fail(str(told)))
    assert found is not None
    world.put(msgspec.structs.replace(found, ports=(8080,)))
    assert 429 in [world.ask(path="/few") for _ in range(20)]
    assert [world.ask(path="/g") for _ in range(20)] == [200] * 20
    assert [world.ask(path="/other") for _ in range(3)] == [200] * 3
    assert 429 in [world.ask(path="/other?q=1") for _ in range(20)]
    assert [world.ask(path="/few", own=8081), world.ask(path="/other", own=8081)] == [200, 200]
