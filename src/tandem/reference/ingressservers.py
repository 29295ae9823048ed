"""The servers of Istio's Gateways that the gateway of the cluster serves, and the VirtualServices at each.

In: the World. Out: frozen values. Shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.problems import Origin
from tandem.model.istio import VirtualService
from tandem.model.istiogateway import IstioGateway, Server
from tandem.model.world import World
from tandem.reference.ingressgateway import has_labels
from tandem.reference.listeners import is_for
from tandem.reference.support import ROOT, age, refused

PLAIN = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
BEFORE_QUIC = ("TLSV1_0", "TLSV1_1", "TLSV1_2")


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
    def handed_on(self) -> bool:
        """TLS does not end here."""
        mode = self.server.tls.mode if self.server.tls is not None else ""
        return self.kind == "tls" and mode in {"PASSTHROUGH", "AUTO_PASSTHROUGH"}

    @property
    def requests(self) -> bool:
        """What comes is read as requests."""
        protocol = self.server.port.protocol.upper()
        return self.kind == "plain" or (protocol == "HTTPS" and not self.handed_on)

    @property
    def by_datagrams(self) -> bool:
        """It takes HTTP/3: its Gateway asks for that, and QUIC can do what it asks of TLS."""
        tls = self.server.tls
        asked = self.gateway.metadata.annotations.get("tandem.io/http3") == "true"
        fits = tls is not None and tls.mode != "ISTIO_MUTUAL" and tls.max_protocol_version not in BEFORE_QUIC
        return asked and self.requests and self.kind == "tls" and fits

    @property
    def spoken(self) -> str:
        """As the Gateway API calls it."""
        if self.requests:
            return "HTTP" if self.kind == "plain" else "HTTPS"
        return "TLS" if self.kind == "tls" else "TCP"

    @property
    def hosts(self) -> list[tuple[str, str]]:
        """Namespace (`*`: any) and name of each host."""
        pairs = [host.lower().rpartition("/")[::2] for host in self.server.hosts]
        home = self.gateway.metadata.namespace
        return [({"": "*", ".": home}.get(namespace, namespace), name) for namespace, name in pairs]


def served(world: World) -> list[IstioGateway]:
    """The Gateways that select the gateway of the cluster, the older first."""
    return [one for one in sorted(world.all(IstioGateway).values(), key=age) if has_labels(one.spec.selector)]


def servers(world: World, port: int) -> list[Served]:
    """Those of a port, the older first: what cannot be told from an older one has no part in it."""
    found: list[Served] = []
    for gateway in served(world):
        for i, server in enumerate(gateway.spec.servers):
            one = Served(gateway=gateway, server=server, index=i)
            if server.port.number == port and not (found and _clashes(one, found)):
                found.append(one)
    return found


def bound(world: World, one: Served) -> Iterator[VirtualService]:
    """The VirtualServices at the server, the older first."""
    for source in sorted(world.all(VirtualService).values(), key=age):
        home = source.metadata.namespace
        named = {g if "/" in g else f"{home}/{g}" for g in source.spec.gateways if g != "mesh"}
        exported = source.spec.export_to or ("*",)
        seen = any(e in {"*", ROOT} or (e == "." and home == ROOT) for e in exported)
        if "/".join(one.gateway.key) in named and source.spec.hosts and seen and not refused(world, source):
            yield source


def shared(one: Served, source: VirtualService) -> list[str]:
    """What hosts of both have in common."""
    home = source.metadata.namespace
    theirs = [h.lower() if "." in h or "*" in h else f"{h}.{home}.svc.cluster.local" for h in source.spec.hosts]
    mine = [name for namespace, name in one.hosts if namespace in {"*", home}]
    pairs = [(a, b) for a in mine for b in theirs]
    return [b if is_for(a, b) else a for a, b in pairs if is_for(a, b) or is_for(b, a)]


def _clashes(one: Served, before: list[Served]) -> bool:
    if one.kind != before[0].kind or one.kind == "bytes":
        return True
    taken = {name for other in before for _, name in other.hosts}
    return one.kind == "tls" and bool(taken & {name for _, name in one.hosts})
