"""Which server of Istio's Gateways takes a request, and which VirtualService's route it follows, as Istio documents it.

In: the World, the port that is dialled, the name asked for in TLS, the request. Out: a frozen value with every step.
Shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.problems import Origin
from tandem.model.istio import HttpMatch, StringMatch, VirtualService
from tandem.model.istiogateway import IstioGateway, Server
from tandem.model.world import World
from tandem.reference.delegates import Effective, Pair, effective, gateways_of
from tandem.reference.listeners import is_for, precision
from tandem.reference.request import Request, RouteDecision, Step
from tandem.reference.support import refused
from tandem.reference.virtualservices import act, age, holds

ROOT = "istio-system"
LABELS = {"istio": {"ingressgateway", "ingress"}, "app": {"istio-ingressgateway", "istio-ingress"}}
PLAIN = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A server of a Gateway that the gateway of the cluster serves."""

    gateway: IstioGateway
    server: Server
    index: int

    @property
    def origin(self) -> Origin:
        """Where it is written."""
        return self.gateway.origin(f"spec.servers[{self.index}]")

    @property
    def kind(self) -> str:
        """plain, tls or bytes: of one port all are the same."""
        protocol = self.server.port.protocol.upper()
        return "plain" if protocol in PLAIN else "tls" if protocol in {"HTTPS", "TLS"} else "bytes"

    @property
    def hosts(self) -> list[tuple[str, str]]:
        """Namespace (`*`: any) and name of each host."""
        pairs = [host.lower().rpartition("/")[::2] for host in self.server.hosts]
        home = self.gateway.metadata.namespace
        return [({"": "*", ".": home}.get(namespace, namespace), name) for namespace, name in pairs]


def servers(world: World, port: int) -> list[Served]:
    """Those of a port, the older first: what cannot be told from an older one has no part in it."""
    found: list[Served] = []
    for gateway in sorted(world.all(IstioGateway).values(), key=age):
        if all(value in LABELS.get(name, set()) for name, value in gateway.spec.selector.items()):
            for i, server in enumerate(gateway.spec.servers):
                one = Served(gateway=gateway, server=server, index=i)
                if server.port.number == port and not (found and _clashes(one, found)):
                    found.append(one)
    return found


def decide_ingress(world: World, request: Request, *, sni: str = "") -> RouteDecision:
    """What becomes of a request for `request.authority` at `request.port`."""
    steps: list[Step] = []
    here = servers(world, request.port)
    if not here:
        return RouteDecision(steps=(Step(text=f"no server has port {request.port}"),))
    if here[0].kind == "tls":
        chosen = max((one for one in here if _best(one, sni)), key=lambda one: _best(one, sni) or (0, 0), default=None)
        if chosen is None:
            return RouteDecision(steps=(Step(text=f"no server takes the name {sni!r} in TLS"),))
        others = [one for one in here if one is not chosen]
        mine = _hosts(world, [chosen], request.authority)
        if max((_best(o, request.authority) or (-1, 0) for o in others), default=(-1, 0)) > max(mine, default=(-1, 0)):
            return RouteDecision(status=421, steps=(Step(text="another server's host", origin=chosen.origin),))
        here = [chosen]
    return _routed(world, here, request, steps)


def _routed(world: World, here: list[Served], request: Request, steps: list[Step]) -> RouteDecision:
    """The routes of the most specific host that is known, those that take everything last."""
    best = max(_hosts(world, here, request.authority), default=(-1, 0))
    first: list[tuple[Effective, Pair]] = []
    last: list[tuple[Effective, Pair]] = []
    for one in here:
        redirects = _redirects(one)
        for source in _bound(world, one):
            shared = [name for name in _shared(one, source) if is_for(name, request.authority)]
            if best in map(precision, shared):
                if redirects:
                    return _to_https(one, steps)
                for rule, pair in _until_everything(world, source, one):
                    (last if _is_everything(pair) else first).append((rule, pair))
        named = [name for _, name in one.hosts if is_for(name, request.authority)]
        if redirects and best in map(precision, named):
            return _to_https(one, steps)
    asked = msgspec.structs.replace(request, source_namespace="", source_labels={})
    for rule, pair in (*first, *last):
        if all(holds(_content(match), asked) for match in pair):
            steps.append(Step(text="matches", origin=rule.owner.origin(f"spec.http[{rule.index}]")))
            return act(world, asked, rule, ("cluster.local", steps))
    return RouteDecision(status=404, steps=tuple(steps))


def _until_everything(world: World, source: VirtualService, one: Served) -> Iterator[tuple[Effective, Pair]]:
    """Routes with their matches, one by one; what stands after one that takes everything has no part in it."""
    for rule in effective(world, source, lambda pair: _counts(pair, one)):
        if rule.owner is not source and refused(world, rule.owner):
            continue
        for pair in rule.pairs if rule.pairs is not None else ((),):
            yield rule, pair
        if rule.pairs is None or any(map(_is_everything, rule.pairs)):
            return


def _is_everything(pair: Pair) -> bool:
    return all(_content(match) in (HttpMatch(), HttpMatch(uri=StringMatch(prefix="/"))) for match in pair)


def _content(match: HttpMatch) -> HttpMatch:
    """The part of a match that is about the request itself."""
    bare = msgspec.structs.replace(match, name="", port=0, source_labels={}, source_namespace="", gateways=())
    return msgspec.structs.replace(bare, ignore_uri_case=bare.ignore_uri_case and bare.uri is not None)


def _counts(pair: Pair, one: Served) -> bool:
    """A pair that names this Gateway, or none and no clients but the gateway; of this port, if of any."""
    named = gateways_of(pair)
    if any(match.port not in {0, one.server.port.number} for match in pair):
        return False
    if named:
        return "/".join(one.gateway.key) in named
    labels = {(name, value) for match in pair for name, value in match.source_labels.items()}
    homes = {match.source_namespace for match in pair} - {""}
    return homes <= {ROOT} and all(value in LABELS.get(name, set()) for name, value in labels)


def _redirects(one: Served) -> bool:
    return one.kind == "plain" and one.server.tls is not None and one.server.tls.https_redirect


def _to_https(one: Served, steps: list[Step]) -> RouteDecision:
    rule = one.gateway.origin(f"spec.servers[{one.index}].tls.httpsRedirect")
    return RouteDecision(rule=rule, index=0, status=301, steps=tuple(steps))


def _bound(world: World, one: Served) -> Iterator[VirtualService]:
    """The VirtualServices at the server, the older first."""
    for source in sorted(world.all(VirtualService).values(), key=age):
        home = source.metadata.namespace
        named = {g if "/" in g else f"{home}/{g}" for g in source.spec.gateways if g != "mesh"}
        exported = source.spec.export_to or ("*",)
        seen = any(e in {"*", ROOT} or (e == "." and home == ROOT) for e in exported)
        if "/".join(one.gateway.key) in named and source.spec.hosts and seen and not refused(world, source):
            yield source


def _shared(one: Served, source: VirtualService) -> list[str]:
    """What hosts of both have in common."""
    home = source.metadata.namespace
    theirs = [h.lower() if "." in h or "*" in h else f"{h}.{home}.svc.cluster.local" for h in source.spec.hosts]
    mine = [name for namespace, name in one.hosts if namespace in {"*", home}]
    pairs = [(a, b) for a in mine for b in theirs]
    return [b if is_for(a, b) else a for a, b in pairs if is_for(a, b) or is_for(b, a)]


def _hosts(world: World, here: list[Served], host: str) -> list[tuple[int, int]]:
    """How specific each host is that the servers know and that is for this one.

    In plain text a host of a server counts if something is said of it: a route, or a redirect.
    """
    names = [name for one in here if one.kind == "tls" or _redirects(one) for _, name in one.hosts]
    names += [name for one in here for source in _bound(world, one) for name in _shared(one, source)]
    return [precision(name) for name in names if is_for(name, host)]


def _best(one: Served, host: str) -> tuple[int, int] | None:
    names = [name for _, name in one.hosts]
    names = ["*"] if "*" in names else names
    return max((precision(name) for name in names if is_for(name, host)), default=None)


def _clashes(one: Served, before: list[Served]) -> bool:
    if one.kind != before[0].kind or one.kind == "bytes":
        return True
    taken = {name for other in before for _, name in other.hosts}
    return one.kind == "tls" and bool(taken & {name for _, name in one.hosts})
