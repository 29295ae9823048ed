"""A port of a gateway -> its listener of QUIC, whose requests have the routes of the port's connections. Pure.

In front of the routes stands what stands there for connections: the same certificates, demands on clients, policies and
logs. What a client asks for that no listener with HTTP/3 is for ends in the handshake.
"""

from __future__ import annotations

from typing import Final

from tandem.compile import names
from tandem.compile.envoy import hcm, tls
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.proto import BUFFER_BYTES, Json, listening_at
from tandem.compile.envoy.sessions import EVERY
from tandem.ir.gateway import Gateway, GatewayListener, GatewayPort
from tandem.state.xds import Resource

_TERMS: Final[Json] = {
    # What a client may send before anything of it was taken: 16 MiB and 24 MiB if nobody says, for each connection.
    "initial_stream_window_size": 65_536,
    "initial_connection_window_size": 1_048_576,
    # Of connections with requests in flight: the kernel forgets exchanges of datagrams that are silent for longer, and
    # the late answer would leave with the node's address in place of the gateway's.
    "connection_keepalive": {"initial_interval": "20s", "max_interval": "30s"},  # without a first one Envoy sends none
}
_DAY: Final = 86_400
"""For so many seconds clients remember where HTTP/3 is spoken; also the interval that is usual."""


def quic_listener(gateway: Gateway, port: GatewayPort, own: tuple[str, ...], guard: Guarded) -> Resource:
    """The listener at `own`, beside that of connections; `guard` is what judges at the port."""
    name = names.gateway_listener(gateway.namespace, gateway.name, port.port, quic=True)
    taking = [listener for listener in port.listeners if listener.http3]
    body = {
        "name": name,
        "stat_prefix": hcm.EDGE,
        **listening_at(own, port.target, "", protocol="UDP"),
        "traffic_direction": "INBOUND",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "udp_listener_config": {"quic_options": {}},
        "filter_chains": [_chain(gateway, port, listener, guard) for listener in taking],
    }
    return Resource(name=name, body=body, origins=frozenset(listener.origin for listener in taking))


def _chain(gateway: Gateway, port: GatewayPort, listener: GatewayListener, guard: Guarded) -> Json:
    routes = names.gateway_routes(gateway.namespace, gateway.name, port.port, listener.name)
    asked = {} if EVERY in listener.asked else {"filter_chain_match": {"server_names": list(listener.asked)}}
    return {
        "name": listener.name,
        **asked,
        "filters": [hcm.gateway_http(gateway, guard, port.port, routes, quic=_TERMS)],
        "transport_socket": tls.terminating_quic(listener.certificates, listener.terms),
    }


def offered(port: GatewayPort, listener: GatewayListener) -> Json:
    """What the hosts of a listener add to answers that lack it: where HTTP/3 is spoken (RFC 7838)."""
    if not listener.http3:
        return {}
    header = {"key": "alt-svc", "value": f'h3=":{port.port}"; ma={_DAY}'}
    return {"response_headers_to_add": [{"header": header, "append_action": "ADD_IF_ABSENT"}]}
