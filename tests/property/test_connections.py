"""The chains of a pod's outbound listener agree with the reference, on random routes of connections at a Service."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from builders import service
from gatewayworlds import tcproute, tlsroute
from meshworlds import grant, httproute, parent, vs
from tandem.compile.envoy.outbound import dialled
from tandem.compile.envoy.scope import port_scopes
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.reference.routes import decide
from tandem.translate.options import Options
from tandem.translate.world import translate_world

PORTS = [{"name": "http", "port": 80}, {"name": "tls", "port": 443}, {"name": "tcp-x", "port": 9000}]
ALONE = [{"name": "", "port": 70}]
CREATED = ("", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
HOSTS = ("a.test", "b.test", "*.test", "*.a.test")
ASKED = ("", "a.test", "b.test", "c.a.test", "test", "else.org")
Answer = tuple[str, tuple[tuple[str, str, int, int, bool], ...]]
"""The rule's kind and name, empty without one, and where it leads: `requests` where they are read."""

parents = st.builds(
    lambda name, ns, port: parent(name, namespace=ns, **({"port": port} if port else {})),
    st.sampled_from(("many", "one")),
    st.just("shop"),
    st.sampled_from((0, 0, 70, 80, 443, 9000)),
)
backends = st.builds(
    lambda ns, name, port, weight: {"namespace": ns, "name": name, "port": port, "weight": weight},
    st.sampled_from(("shop", "other")),
    st.sampled_from(("many", "one", "gone")),
    st.sampled_from((70, 80, 443, 9000)),
    st.integers(0, 2),
)


@st.composite
def routes(draw: st.DrawFn, kind: str) -> Object:
    name, ns = draw(st.sampled_from(("r", "s", "t"))), draw(st.sampled_from(("shop", "client")))
    given_: dict[str, Any] = {"ns": ns, "created": draw(st.sampled_from(CREATED))}
    above = tuple(draw(st.lists(parents, min_size=1, max_size=2, unique_by=str)))
    if kind == "HTTPRoute":
        rules = [{"backendRefs": [{"name": "one", "namespace": "shop", "port": 70}]}]
        return httproute(name, **given_, parentRefs=list(above), rules=rules)
    rules = [{"backendRefs": draw(st.lists(backends, min_size=1, max_size=2, unique_by=str))}]
    if kind == "TCPRoute":
        return tcproute(name, *above, **given_, rules=rules)
    hosts = draw(st.lists(st.sampled_from(HOSTS), max_size=2, unique=True))
    return tlsroute(*hosts, name=name, parents=above, **given_, rules=rules)


matches = st.builds(
    lambda port, home, subnet, gateways: {
        **({"port": port} if port else {}),
        **({"sourceNamespace": home} if home else {}),
        **({"destinationSubnets": [subnet]} if subnet else {}),
        **({"gateways": gateways} if gateways else {}),
    },
    st.sampled_from((0, 0, 70, 443, 9000)),
    st.sampled_from(("", "", "client")),
    st.sampled_from(("", "", "10.96.0.0/24", "10.97.0.0/16")),
    st.sampled_from(([], [], ["mesh"], ["shop/edge"])),
)
destinations = st.builds(
    lambda name, port, weight: {"destination": {"host": name, "port": {"number": port}}, "weight": weight},
    st.sampled_from(("many", "one")),
    st.sampled_from((70, 443)),
    st.integers(1, 2),
)


@st.composite
def virtualservices(draw: st.DrawFn) -> Object:
    def every(*, named: bool) -> list[dict[str, Any]]:
        names = st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True)
        of = st.builds(lambda match, sni: {**match, "sniHosts": sni}, matches, names) if named else matches
        some = st.lists(of, min_size=1 if named else 0, max_size=2)
        made = st.builds(
            lambda match, to: {"match": match, "route": to}, some, st.lists(destinations, min_size=1, max_size=2)
        )
        return draw(st.lists(made, max_size=2))

    host = draw(st.sampled_from(("many", "one")))
    spec = {"tls": every(named=True), "tcp": every(named=False)}
    if draw(st.booleans()):
        spec["http"] = [{"route": [{"destination": {"host": "one"}}]}]
    name, created = draw(st.sampled_from(("r", "s"))), draw(st.sampled_from(CREATED))
    return vs(name, ns="shop", created=created, hosts=[host], **{k: v for k, v in spec.items() if v})


kinds = st.sampled_from(("TCPRoute", "TLSRoute", "TLSRoute", "HTTPRoute")).flatmap(routes)
# Of both APIs at one port: tests/unit/reference/test_bytesroutes.py.
istios = virtualservices()
worlds = st.builds(
    lambda found, granted: World.of(
        [
            *(service("many", ns=ns, ports=PORTS, ip=f"10.96.{i}.1") for i, ns in enumerate(("shop", "other"))),
            *(service("one", ns=ns, ports=ALONE, ip=f"10.96.{i}.2") for i, ns in enumerate(("shop", "other"))),
            *found,
            *([grant("TCPRoute", "TLSRoute", to="other", source="client")] if granted else []),
        ]
    ),
    st.one_of(*(st.lists(of, max_size=5, unique_by=lambda route: (route.kind, route.key)) for of in (kinds, istios))),
    st.booleans(),
)


def compiled(world: World, request: Request) -> Answer:
    """The chain that Envoy chooses: for the most specific name, else the one for any."""
    found = translate_world(world, Options())
    key = f"{request.namespace}/{request.service}"
    table = found.mesh.tables.get(f"{key}@{request.source_namespace}") or found.mesh.tables.get(key)
    scopes = port_scopes(found.services[key], table, namespace=request.source_namespace, labels=frozenset())
    fitting = [
        (_rank(name), scope, front)
        for scope, front in dialled(scopes, {}).chains
        if front.port == request.port
        for name in front.server_names or ("",)
        if name in {"", request.server_name} or (name[0] == "*" and request.server_name.endswith(name[1:]))
    ]
    _, scope, front = max(fitting, key=lambda one: one[0])
    if front.route is None:
        if scope.port.app.is_http:
            return "requests", ()
        return "", ((request.namespace, request.service, request.port, 1, False),)
    shares = tuple(
        (b.namespace, b.service.partition("!")[0], b.port or request.port, b.weight, "!" in b.service)
        for b in front.route.backends
    )
    closed = all(share[-1] for share in shares)
    who = f"{front.route.origin.kind} {front.route.origin.namespace}/{front.route.origin.name}"
    return who, () if closed else shares


def told(answer: Answer) -> Answer:
    """As explain says it: what is closed is not told as a share of a VirtualService."""
    who, shares = answer
    return who, tuple(share for share in shares if not share[-1] or not who.startswith("VirtualService "))


def _rank(name: str) -> tuple[bool, int]:
    return bool(name) and not name.startswith("*"), len(name)


def referred(world: World, request: Request) -> Answer:
    decision = decide(world, request)
    shares = tuple(
        (b.namespace, b.service, b.port or request.port, b.weight, bool(b.status)) for b in decision.backends
    )
    seen = request.port == 80 or (request.port == 70 and _http_somewhere(world))
    of_requests = decision.rule is not None and decision.rule.path.startswith("spec.http")
    if decision.rule is None or decision.rule.kind == "HTTPRoute" or of_requests:
        return ("requests", ()) if seen else ("", shares)
    return f"{decision.rule.kind} {decision.rule.namespace}/{decision.rule.name}", shares


def _http_somewhere(world: World) -> bool:
    """Some route of requests is at Service one: whoever calls it, its only port is one of HTTP then."""
    found = translate_world(world, Options()).services["shop/one"]
    return found.ports[0].app.is_http


@given(
    worlds,
    st.sampled_from((("many", 80), ("many", 443), ("many", 9000), ("one", 70))),
    st.sampled_from(("shop", "client", "third")),
    st.sampled_from(ASKED),
)
@settings(max_examples=400)
def test_a_connection_goes_where_the_reference_says(world: World, to: tuple[str, int], client: str, asked: str) -> None:
    request = Request(source_namespace=client, namespace="shop", service=to[0], port=to[1], server_name=asked)
    assert told(compiled(world, request)) == referred(world, request)
