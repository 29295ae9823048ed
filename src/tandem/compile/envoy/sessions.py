"""Listeners of a gateway that hand on the bytes of TLS -> filter chains, chosen by the name that is asked for. Pure.

Each route has a chain for its names. What a listener is for and no route is refused by a chain of its own, before any
certificate is shown: it must not come to a listener for more hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tandem.base.ids import SpiffeId
from tandem.compile import names
from tandem.compile.envoy import hcm, tls
from tandem.compile.envoy.filters.external import network_guards
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.peers import before_peers
from tandem.compile.envoy.proto import Json
from tandem.ir.gateway import GatewayListener, Sessions
from tandem.ir.mesh import BytesRoute

EVERY: Final = "*"


def session_chains(
    listener: GatewayListener, shares: Callable[[BytesRoute], list[Json]], guard: Guarded, identity: SpiffeId
) -> Iterator[Json]:
    """Of a listener of a port with TLS that reads no requests; `shares` gives the clusters of a route by weight.

    What `guard` says of connections is asked before anything is handed on.

    One that has no certificate and needs one refuses everything.
    """
    served = listener.sessions is Sessions.PASSTHROUGH or (listener.sessions is Sessions.TERMINATE and listener.can_end)
    routed, log_name = listener.named if served else (), names.destination_log(guard.uid)
    for route in routed:
        asked = tuple(name for match in route.matches for name in match.server_names) or listener.hostnames
        to = shares(route) or names.REFUSED
        filters = [
            *before_peers(listener.terms.mesh),
            *network_guards(guard, hcm.EDGE),
            hcm.tcp(hcm.EDGE, to, log_name, sticky=True, divided=hcm.divided(route)),
        ]
        chain = {"name": f"{listener.name}:{route.name}", "filter_chain_match": matching(asked), "filters": filters}
        # Nobody here knows what the bytes are, so that no protocol is agreed on.
        ended = listener.sessions is Sessions.TERMINATE
        yield {**chain, **({"transport_socket": ending(listener, identity, ())} if ended else {})}
    known = {name for route in routed for match in route.matches for name in match.server_names}
    left = tuple(name for name in listener.hostnames if name not in known)
    if left and all(route.matches for route in routed):
        refuse = hcm.tcp(hcm.EDGE, names.REFUSED, log_name)
        yield {"name": listener.name, "filter_chain_match": matching(left), "filters": [refuse]}


def matching(asked: tuple[str, ...]) -> Json:
    """TLS that asks for one of these names; every host: for any, or for none."""
    return {"transport_protocol": "tls"} if EVERY in asked else {"server_names": list(asked)}


def ending(listener: GatewayListener, identity: SpiffeId, alpn: tuple[str, ...]) -> Json:
    """TLS, as it ends at a listener of the gateway with this identity."""
    if listener.terms.mesh is not None:
        return tls.downstream(identity, listener.terms.mesh, alpn)
    return tls.terminating(listener.certificates, alpn, listener.terms)
