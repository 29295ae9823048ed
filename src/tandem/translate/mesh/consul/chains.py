"""Consul's discovery chain of every Service -> Layers of routes, with Problems. Pure.

A router chooses a service, its splitter a share of it, and the resolver the endpoints (Consul, "discovery chain"). What
a chain leads to and is not there keeps its share, which is answered with 503.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import Backend, BytesRoute, Forward, Respond, Route, RouteAction, RouteMatch
from tandem.model.consulroutes import ServiceResolver, ServiceRouter, ServiceSplitter
from tandem.model.meta import Object
from tandem.model.world import Key
from tandem.translate.mesh.consul.resolvers import Resolvers, Target, follow
from tandem.translate.mesh.consul.routers import REQUEST_MS, Routed, RouterReader
from tandem.translate.mesh.consul.splitters import Share, Splitters, read_splitters
from tandem.translate.mesh.context import Context, Layer, Layers, not_http
from tandem.translate.protocols import app_protocol

MISSING = 503
Routers = dict[Key, tuple[ServiceRouter, tuple[Routed, ...]]]


def translate_chains(context: Context, resolvers: Resolvers, spoken: Mapping[str, frozenset[int]]) -> Layers:
    """The layer of each Service that a router, a splitter or a resolver has the name of.

    `spoken`: the ports of Services (`namespace/name`) of which it is said elsewhere that they are HTTP.
    """
    problems: list[Problem] = []
    routers: Routers = {}
    for source in context.world.sorted(ServiceRouter):
        reader = RouterReader(source)
        routes = tuple(reader.routes())
        problems += reader.problems
        if not any(p.severity is Severity.ERROR for p in reader.problems):
            routers[source.key] = source, routes
    splitters = read_splitters(context.world)
    chains = _Chains(context, routers, splitters, resolvers)
    keys = sorted(routers.keys() | splitters.found.keys() | resolvers.found.keys())
    layers = [layer for key in keys if (layer := chains.layer(key, spoken.get("/".join(key), frozenset()))) is not None]
    return Layers(layers=tuple(layers), problems=(*problems, *splitters.problems, *dict.fromkeys(chains.problems)))


class _Chains:
    """Follows chains; what they lead to and is not there is in `problems`."""

    def __init__(self, context: Context, routers: Routers, splitters: Splitters, resolvers: Resolvers) -> None:
        self._context = context
        self._routers, self._splitters, self._resolvers = routers, splitters, resolvers
        self.problems: list[Problem] = []

    def layer(self, key: Key, spoken: frozenset[int]) -> Layer | None:
        """What becomes of requests and connections to a Service; None: nobody dials it, or nothing is changed."""
        service, source = self._context.service(key), self._source(key)
        if service is None:
            text = f"no Service {'/'.join(key)}: nobody dials it, and it counts where others name it"
            self._tell(source.origin(), "HostNotFound", text, Severity.WARNING)
            return None
        parsed = [app_protocol(port).is_http or port.port in spoken for port in service.spec.ports]
        routes: tuple[Route, ...] = ()
        if any(parsed) or not isinstance(source, ServiceResolver):
            self.problems += not_http(service, (), source.origin()) if not any(parsed) else ()
            routes = tuple(self._routes(key, source))
        connections = () if all(parsed) else tuple(self._bytes(key))
        if not routes and not connections:
            return None
        return Layer(
            service=key, routes=routes, scopes=(RouteMatch(),), bytes=connections, origin=_whole(source.origin())
        )

    def _source(self, key: Key) -> Object:
        """The object that comes first."""
        if key in self._routers:
            return self._routers[key][0]
        if key in self._splitters.found:
            return self._context.world.all(ServiceSplitter)[key]
        return self._resolvers.found[key].source

    def _routes(self, key: Key, source: Object) -> Iterator[Route]:
        for i, routed in enumerate(self._routers[key][1] if key in self._routers else ()):
            at = source.origin(routed.path)
            yield Route(
                name=f"{_name(source)}/{i}",
                matches=routed.matches,
                action=self._action(self._shares(routed.target, at), routed),
                timeout_ms=routed.timeout_ms,
                idle_ms=routed.idle_ms,
                retry=routed.retry,
                request_headers=routed.request,
                response_headers=routed.response,
                origin=at,
            )
            if not routed.matches:
                return
        resolver = self._resolvers.found.get(key)
        asked = resolver.request_ms if resolver is not None and source is resolver.source else None
        yield Route(
            name=f"{_name(source)}/rest",
            matches=(),
            action=self._action(self._shares(Target(*key), source.origin()), None),
            timeout_ms=REQUEST_MS if asked is None else asked,
            origin=source.origin(),
        )

    def _shares(self, target: Target, at: Origin) -> Sequence[Share]:
        """A splitter is asked where no subset is named."""
        return (Share(target=target, at=at),) if target.subset else self._splitters.shares(target.key, at)

    def _action(self, shares: Sequence[Share], routed: Routed | None) -> RouteAction:
        backends, missing = [], 0
        for share in shares:
            backend, exists = self._resolve(share.target, share.at)
            missing += not exists
            backends.append(
                msgspec.structs.replace(
                    backend,
                    weight=share.weight if len(shares) > 1 else 1,
                    request_headers=share.request,
                    response_headers=share.response,
                )
            )
        if missing == len(backends):
            return Respond(status=MISSING, body="no destination of this route exists")
        forward = Forward(backends=tuple(backends), missing_status=MISSING)
        return msgspec.structs.replace(forward, rewrite=routed.rewrite) if routed is not None else forward

    def _bytes(self, key: Key) -> Iterator[BytesRoute]:
        """Connections go where a resolver leads; without one that does so, to the Service."""
        source = self._resolvers.found[key].source if key in self._resolvers.found else None
        if source is None:
            return
        backend, _ = self._resolve(Target(*key), source.origin())
        if (backend.namespace, backend.service, backend.subset) != (*key, ""):
            yield BytesRoute(name=f"{_name(source)}/bytes", matches=(), backends=(backend,), origin=source.origin())

    def _resolve(self, target: Target, at: Origin) -> tuple[Backend, bool]:
        """The backend, and whether it exists: redirects are followed, and the default subset is meant by none."""
        target, leads = follow(target, self._resolvers.found)
        if leads:
            return self._backend(target, at)
        text = f"redirects lead in a circle at {target.namespace}/{target.service}: answered with {MISSING}"
        self._tell(at, "Circular", text)
        return Backend(namespace=target.namespace, service=target.service, subset="?"), False

    def _backend(self, target: Target, at: Origin) -> tuple[Backend, bool]:
        service = self._context.service(target.key)
        ports = [p.port for p in service.spec.ports if p.protocol == "TCP"] if service is not None else []
        # Consul's services have one port. Of several here the one that was dialled is meant.
        backend = Backend(
            namespace=target.namespace,
            service=target.service,
            port=ports[0] if len(ports) == 1 else 0,
            subset=target.subset,
        )
        where = f"{target.namespace}/{target.service}"
        if service is None:
            self._tell(at, "BackendNotFound", f"no Service {where}: answered with {MISSING}")
            return backend, False
        policy = self._context.policies.get(target.key)
        if target.subset and target.subset not in {s.name for s in (policy.subsets if policy is not None else ())}:
            text = f"no ServiceResolver in force defines the subset {target.subset!r} of {where}"
            self._tell(at, "SubsetNotFound", f"{text}: answered with {MISSING}")
            return backend, False
        return backend, True

    def _tell(self, at: Origin, code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        self.problems.append(Problem(at=at, code=code, text=text, severity=severity))


def _name(source: Object) -> str:
    return f"{source.kind}/{source.metadata.namespace}/{source.metadata.name}"


def _whole(origin: Origin) -> Origin:
    return msgspec.structs.replace(origin, path="")


def beneath(virtual: Iterable[Layer], consul: Layers) -> tuple[tuple[Layer, ...], tuple[Problem, ...]]:
    """Layers of VirtualServices, and those of Consul where none of the former is for everyone."""
    layers = tuple(virtual)
    taken = {layer.service: layer.origin for layer in layers if not layer.consumer}
    kept = tuple(layer for layer in consul.layers if layer.service not in taken)
    told = tuple(
        Problem(
            at=layer.origin,
            code="Shadowed",
            text=f"not used for Service {'/'.join(layer.service)}: {taken[layer.service]} has precedence",
            severity=Severity.WARNING,
        )
        for layer in consul.layers
        if layer.service in taken
    )
    return (*layers, *kept), told
