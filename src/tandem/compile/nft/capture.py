"""NodeView and a meshed pod -> the table inside the pod's namespace that hands its TCP to Envoy's sockets there.

Outbound connections are redirected, inbound ones are handed over with their addresses as they are (TPROXY). Envoy's own
packets carry marks and are not captured again. Envoy speaks to the application with the client's address; answers to
that are turned back to Envoy by a routing rule on the same mark (installed at ADD, `state/ownership.py`).
"""

from __future__ import annotations

import ipaddress
from typing import Final

from tandem.compile import names
from tandem.ir.node import AttachedPod, NodeView
from tandem.state import nft
from tandem.state.ownership import ENVOY_MARK, INBOUND_MARK, TPROXY_MARK

MANGLE: Final = -150
DSTNAT: Final = -100

_LOOPBACK: Final = "lo"
_TCP: Final = nft.Is(nft.Field.L4PROTO, "tcp")
_FROM_LO: Final = nft.Is(nft.Field.IIFNAME, _LOOPBACK)
_OPENING: Final = nft.Is(nft.Field.CT_DIRECTION, "original")
_TO_ENVOY: Final = (
    nft.TProxy("ip", names.INBOUND_PORT, "127.0.0.1"),
    nft.SetMark(nft.Field.MARK, TPROXY_MARK),
    nft.Accept(),
)


def compile_capture(view: NodeView, pod: AttachedPod) -> nft.Ruleset:
    """The pod's table; empty for a pod outside the mesh."""
    if not pod.pod.meshed:
        return nft.ruleset()
    gateways = tuple(str(ipaddress.ip_network(cidr)[1]) for cidr in view.node.pod_cidrs if ":" not in cidr)
    own = tuple(address for address in pod.addresses if ":" not in address)
    bypass = tuple(sorted({*gateways, *(a for a in view.config.dns_addresses if ":" not in a)}))
    return nft.ruleset(chains=(_inbound(gateways, own), _answers(), _outbound(bypass)))


def _inbound(gateways: tuple[str, ...], own: tuple[str, ...]) -> nft.Chain:
    """What arrives. The node itself is exempt: the kubelet's probes reach the application directly."""
    rules = [
        # A pod that dials its own service meets itself: Envoy's connection must reach Envoy, not the application.
        nft.Rule(
            match=(
                _FROM_LO,
                nft.Is(nft.Field.MARK, ENVOY_MARK),
                nft.OneOf(nft.Field.DADDR4, own),
                _TCP,
                _OPENING,
            ),
            then=_TO_ENVOY,
            comment="own service",
        ),
        nft.Rule(match=(_FROM_LO,), then=(nft.Accept(),)),
        nft.Rule(
            match=(nft.Is(nft.Field.CT_MARK, INBOUND_MARK),),
            then=(nft.Drop(),),
            comment="Envoy speaks to the application over lo only",
        ),
        nft.Rule(match=(nft.Is(nft.Field.CT_DIRECTION, "reply"),), then=(nft.Accept(),)),
        nft.Rule(match=(nft.Is(nft.Field.L4PROTO, "tcp", negate=True),), then=(nft.Accept(),)),
        # The mesh listens on IPv4 only: TCP over IPv6 would go round it, STRICT or not.
        nft.Rule(
            match=(nft.Is(nft.Field.NFPROTO, "ipv6"),),
            then=(nft.Drop(),),
            comment="not captured",
        ),
        nft.Rule(
            match=(nft.Is(nft.Field.SOCKET_TRANSPARENT, 1),),
            then=(nft.SetMark(nft.Field.MARK, TPROXY_MARK), nft.Accept()),
        ),
        nft.Rule(match=(_TCP,), then=_TO_ENVOY),
    ]
    if gateways:
        node = nft.Rule(match=(nft.OneOf(nft.Field.SADDR4, gateways),), then=(nft.Accept(),), comment="the node")
        rules.insert(-2, node)
    if not own:
        del rules[0]
    return nft.Chain(
        name="mesh-in", rules=tuple(rules), base=nft.Hook(type="filter", hook="prerouting", priority=MANGLE)
    )


def _answers() -> nft.Chain:
    """Envoy's connections to the application are remembered, so that the application's answers return to Envoy."""
    from_envoy = nft.Is(nft.Field.MARK, INBOUND_MARK)
    rules = (
        nft.Rule(
            match=(from_envoy, nft.Is(nft.Field.CT_STATE, "new")),
            then=(nft.CopyMark(nft.Field.CT_MARK, nft.Field.MARK), nft.Accept()),
        ),
        # The port that the kernel chose for Envoy is that of a live connection of the same client. Sent on, the
        # packet would end that connection; dropped, Envoy tries again with another port.
        nft.Rule(
            match=(from_envoy, nft.Is(nft.Field.CT_MARK, INBOUND_MARK, negate=True)),
            then=(nft.Drop(),),
            comment="port in use by the client",
        ),
        nft.Rule(
            match=(nft.Is(nft.Field.CT_MARK, INBOUND_MARK),),
            then=(nft.SetMark(nft.Field.MARK, INBOUND_MARK), nft.Accept()),
        ),
    )
    return nft.Chain(name="mesh-answer", rules=rules, base=nft.Hook(type="route", hook="output", priority=MANGLE))


def _outbound(bypass: tuple[str, ...]) -> nft.Chain:
    """What the pod opens, except to itself, to the node and to DNS."""
    rules = [
        nft.Rule(match=(nft.OneOf(nft.Field.MARK, (ENVOY_MARK, INBOUND_MARK)),), then=(nft.Accept(),)),
        nft.Rule(match=(nft.Is(nft.Field.OIFNAME, _LOOPBACK),), then=(nft.Accept(),)),
        nft.Rule(match=(nft.Is(nft.Field.NFPROTO, "ipv4"), _TCP), then=(nft.Redirect(names.OUTBOUND_PORT),)),
    ]
    if bypass:
        rules.insert(2, nft.Rule(match=(nft.OneOf(nft.Field.DADDR4, bypass),), then=(nft.Accept(),)))
    return nft.Chain(name="mesh-out", rules=tuple(rules), base=nft.Hook(type="nat", hook="output", priority=DSTNAT))
