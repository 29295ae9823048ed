"""Which server of Istio's Gateways takes a request, and which VirtualService's route it follows, as Istio documents it.

In: the World, the port that is dialled, the name asked for in TLS, the request. Out: a frozen value with every step.
Shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tandem.model import core
from tandem.model.istio import HttpMatch, StringMatch, VirtualService
from tandem.model.world import World
from tandem.reference.authorizers import trusted_proxies
from tandem.reference.delegates import Effective, Pair, effective, gateways_of
from tandem.reference.ingressbytes import names_asked
from tandem.reference.ingressgateway import has_labels
from tandem.reference.ingressservers import Served, bound, servers, shared
from tandem.reference.listeners import is_for, precision
from tandem.reference.request import Request, RouteDecision, Step
from tandem.reference.support import ROOT, refused
from tandem.reference.virtualservices import act, holds


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The servers that take it: of plain text all of a port. None: nobody, and `status` is the answer (0: the end)."""

    servers: tuple[Served, ...] = ()
    status: int = 0
    steps: tuple[Step, ...] = ()


def take_ingress(world: World, port: int, *, sni: str, host: str) -> Taken:
    """By port, then by the name in TLS; a request in TLS for a host of another server is misdirected."""
    here = servers(world, port)
    if not here:
        return Taken(steps=(Step(text=f"no server has port {port}"),))
    if here[0].kind != "tls":
        takes = f"takes every {'request' if here[0].kind == 'plain' else 'connection'} of port {port}"
        return Taken(servers=tuple(here), steps=tuple(Step(text=takes, origin=one.origin) for one in here))
    fitting = [(found, one) for one in here if (found := _best(world, one, sni)) is not None]
    _, chosen = max(fitting, key=lambda each: each[0], default=(None, None))
    if chosen is None:
        return Taken(steps=(Step(text=f"no server takes the name {sni!r} in TLS"),))
    takes = f"takes the name {sni!r} in TLS{', by HTTP/3 too' if chosen.by_datagrams else ''}"
    if not _certified(world, chosen):
        return Taken(steps=(Step(text=f"{takes}, and has no certificate: nobody is served", origin=chosen.origin),))
    if chosen.requests:
        others = [one for one in here if one is not chosen]
        mine = _hosts(world, [chosen], host)
        if max((_best(world, o, host) or (-1, 0) for o in others), default=(-1, 0)) > max(mine, default=(-1, 0)):
            text = f"{takes}, and host {host!r} is another server's: answered with 421"
            return Taken(status=421, steps=(Step(text=text, origin=chosen.origin),))
    return Taken(servers=(chosen,), steps=(Step(text=takes, origin=chosen.origin),))


def decide_ingress(world: World, request: Request, *, sni: str = "") -> RouteDecision:
    """What becomes of a request for `request.authority` at `request.port`."""
    taken = take_ingress(world, request.port, sni=sni, host=request.authority)
    if not taken.servers:
        return RouteDecision(status=taken.status, steps=taken.steps)
    return routed(world, taken.servers, request)


def routed(world: World, here: Sequence[Served], request: Request) -> RouteDecision:
    """What servers that take a request do with it.

    The routes of the most specific host that is known, those that take everything last.
    """
    steps: list[Step] = []
    best = max(_hosts(world, here, request.authority), default=(-1, 0))
    first: list[tuple[Effective, Pair]] = []
    last: list[tuple[Effective, Pair]] = []
    secure = request.headers.get("x-forwarded-proto") == "https" and trusted_proxies(world) > 0
    for one in here:
        redirects = _redirects(one) and not secure
        for source in bound(world, one):
            both = [name for name in shared(one, source) if is_for(name, request.authority)]
            if best in map(precision, both):
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
    steps.append(Step(text=f"no route at the gateway is for it ({request.authority!r}): answered with 404"))
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
    return homes <= {ROOT} and all(has_labels({name: value}) for name, value in labels)


def _redirects(one: Served) -> bool:
    return one.kind == "plain" and one.server.tls is not None and one.server.tls.https_redirect


def _to_https(one: Served, steps: list[Step]) -> RouteDecision:
    rule = one.gateway.origin(f"spec.servers[{one.index}].tls.httpsRedirect")
    return RouteDecision(rule=rule, index=0, status=301, steps=tuple(steps))


def _hosts(world: World, here: Sequence[Served], host: str) -> list[tuple[int, int]]:
    """How specific each host is that the servers know and that is for this one.

    In plain text a host of a server counts if something is said of it: a route, or a redirect.
    """
    names = [name for one in here if one.kind == "tls" or _redirects(one) for _, name in one.hosts]
    names += [name for one in here for source in bound(world, one) for name in shared(one, source)]
    return [precision(name) for name in names if is_for(name, host)]


def _certified(world: World, one: Served) -> bool:
    """Of a server that ends TLS with a certificate of its own: every Secret that it names is there."""
    tls = one.server.tls
    if tls is None or one.handed_on or tls.mode == "ISTIO_MUTUAL":
        return True
    names = (tls.credential_name,) if tls.credential_name else tls.credential_names
    homes = (ROOT, one.gateway.metadata.namespace)
    plain = [name.removeprefix("kubernetes://") for name in names]
    return bool(names) and all(any(world.get(core.Secret, home, name) for home in homes) for name in plain)


def _best(world: World, one: Served, host: str) -> tuple[int, int] | None:
    return max((precision(name) for name in names_asked(world, one) if is_for(name, host)), default=None)
