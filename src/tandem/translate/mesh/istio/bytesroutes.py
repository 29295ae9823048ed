"""spec.tls[] and spec.tcp[] of a VirtualService -> BytesRoute values, with Problems at the exact field. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import Backend, BytesMatch, BytesRoute
from tandem.model.istio import L4Match, L4Route, VirtualService
from tandem.translate.mesh.istio.delegates import MESH
from tandem.translate.mesh.istio.egressgateways import Through
from tandem.translate.mesh.istio.httproutes import RouteReader

Here = Callable[[L4Match], bool]


def in_mesh(match: L4Match) -> bool:
    """Whether it is not about gateways alone."""
    return not match.gateways or MESH in match.gateways


class BytesReader:
    """Reads the routes of one VirtualService; destinations are read, and mistakes gathered, by its RouteReader.

    `here`: which matches count; a route that has some, of which none does, is left out.
    """

    def __init__(self, owner: VirtualService, routes: RouteReader, through: Through, here: Here = in_mesh) -> None:
        self._owner = owner
        self._routes = routes
        self._through = through
        self._here = here
        self.problems: list[Problem] = []

    def read(self) -> Iterator[BytesRoute]:
        """Those of TLS first, as Istio has them."""
        for kind, routes in (("tls", self._owner.spec.tls), ("tcp", self._owner.spec.tcp)):
            for i, route in enumerate(routes):
                at = f"spec.{kind}[{i}]"
                if kind == "tls" and not route.match:
                    self._wrong(f"{at}.match", "InvalidValue", "a route of TLS needs matches with sniHosts")
                matches = tuple(self._matches(route.match, at, named=kind == "tls"))
                if self._through.leads(self._owner, route):
                    yield from self._led(route, at, matches)
                elif not route.match or matches:
                    yield self._route(at, matches, self._backends(route, at))

    def _led(self, route: L4Route, at: str, matches: tuple[BytesMatch, ...]) -> Iterator[BytesRoute]:
        """Those at the egress gateway; what is left of it is closed. At a gateway there is nothing of the mesh."""
        if not matches:
            return
        for led in self._through.connections(route, at):
            reader = BytesReader(led.owner, self._routes.beside(led.owner), self._through)
            matched = tuple(reader._matches(led.route.match, led.path, named=False))
            made = self._route(f"{at}/{led.path}", matched, reader._backends(led.route, led.path))
            yield msgspec.structs.replace(made, origin=led.owner.origin(led.path), authorization=led.judges)
            self.problems += reader.problems
        yield self._route(at, matches, (Backend(namespace=self._owner.metadata.namespace, service="!gone"),))

    def _route(self, at: str, matches: tuple[BytesMatch, ...], backends: tuple[Backend, ...]) -> BytesRoute:
        meta, name = self._owner.metadata, at.replace("spec.", "").replace("[", "/").replace("]", "")
        return BytesRoute(
            name=f"VirtualService/{meta.namespace}/{meta.name}/{name}",
            matches=matches,
            backends=backends,
            origin=self._owner.origin(at),
        )

    def _matches(self, matches: Sequence[L4Match], at: str, *, named: bool) -> Iterator[BytesMatch]:
        for j, match in enumerate(matches):
            where = f"{at}.match[{j}]"
            if match.source_subnet:
                self._wrong(f"{where}.sourceSubnet", "UnsupportedField", "match sourceLabels or sourceNamespace")
            if named and not match.sni_hosts:
                self._wrong(f"{where}.sniHosts", "InvalidValue", "name at least one")
            for k, name in enumerate(match.sni_hosts):
                if not self._is_own(name.lower()):
                    self._wrong(f"{where}.sniHosts[{k}]", "InvalidValue", f"{name!r} is none of spec.hosts")
            if not self._here(match):
                continue
            yield BytesMatch(
                ports=(match.port,) if match.port else (),
                source_namespace=match.source_namespace or None,
                source_labels=tuple(sorted(match.source_labels.items())),
                subnets=tuple(self._subnets(match, where)),
                server_names=tuple(dict.fromkeys(name.lower() for name in match.sni_hosts)),
            )

    def _is_own(self, name: str) -> bool:
        hosts = [host.lower() for host in self._owner.spec.hosts]
        return any(name == h or (h.startswith("*") and name.endswith(h[1:])) or "." not in h for h in hosts)

    def _subnets(self, match: L4Match, at: str) -> Iterator[str]:
        for k, text in enumerate(match.destination_subnets):
            try:
                yield str(ipaddress.ip_network(text, strict=False))
            except ValueError:
                where = f"{at}.destinationSubnets[{k}]"
                self._wrong(where, "InvalidValue", f"{text!r} is neither an address nor a prefix")

    def _backends(self, route: L4Route, at: str) -> tuple[Backend, ...]:
        """A share of what does not exist is closed."""
        found: list[Backend] = []
        alone = len(route.route) == 1
        for j, share in enumerate(route.route):
            backend, exists = self._routes.backend(share.destination, f"{at}.route[{j}].destination")
            weight = 1 if alone else share.weight
            if weight > 0:
                gone = {} if exists else {"service": f"{backend.service}!gone"}
                found.append(msgspec.structs.replace(backend, weight=weight, **gone))
        if not found:
            self._wrong(f"{at}.route", "InvalidValue", "no destination gets a connection")
        return tuple(found)

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
