"""NodeView and a meshed pod -> the table inside the pod's namespace that hands its TCP to Envoy's sockets there.

Outbound connections are redirected, inbound ones are handed over with their addresses as they are (TPROXY). Envoy's own
packets carry marks and are not captured again. Envoy speaks to the application with the client's address; answers to
that are turned back to Envoy by a routing rule on the same mark (`drivers/link/messages.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from tandem.base.addresses import family
from tandem.base.memo import each_as_before, same_as_before
from tandem.compile import names
from tandem.compile.addresses import node_address
from tandem.compile.nft.families import FAMILIES, Family, of_family
from tandem.ir.node import AttachedPod, NodeView, meshed_pods, without_pods
from tandem.state import nft
from tandem.state.ownership import ENVOY_MARK, INBOUND_CONNECTION, INBOUND_MARK, TPROXY_MARK

MANGLE: Final = -150
DSTNAT: Final = -100

_LOOPBACK: Final = "lo"
_TCP: Final = nft.Is(nft.Field.L4PROTO, "tcp")
_FROM_LO: Final = nft.Is(nft.Field.IIFNAME, _LOOPBACK)
_OPENING: Final = nft.Is(nft.Field.CT_DIRECTION, "original")
_LOCALHOST: Final = {4: "127.0.0.1", 6: "::1"}


def compile_captures(view: NodeView) -> Iterator[tuple[AttachedPod, nft.Ruleset]]:
    """Each meshed pod and its table, which is the same object until pod, node or configuration change."""
    pods = meshed_pods(view.pods)
    return zip(pods, _one_by_one(without_pods(view))(pods), strict=True)


@same_as_before
def _one_by_one(view: NodeView) -> Callable[[Iterable[AttachedPod]], tuple[nft.Ruleset, ...]]:
    return each_as_before(partial(compile_capture, view))


def compile_capture(view: NodeView, pod: AttachedPod) -> nft.Ruleset:
    """The pod's table; empty for a pod outside the mesh."""
    if not pod.pod.meshed:
        return nft.ruleset()
    versions = {family(address) for address in pod.addresses}
    families = tuple(f for f in FAMILIES if f.version in versions)
    gateways = [node_address(cidr) for cidr in view.node.pod_cidrs]
    if pod.foreign is not None:
        gateways = list(pod.foreign.node_addresses)
    bypass = (*gateways, *view.config.dns_addresses)
    return nft.ruleset(chains=(_inbound(families, pod, gateways), _answers(), _outbound(families, bypass)))


def _to_envoy(f: Family) -> tuple[nft.Statement, ...]:
    return (
        nft.TProxy(f.word, names.INBOUND_PORT, _LOCALHOST[f.version]),
        nft.SetMark(nft.Field.MARK, TPROXY_MARK),
        nft.Accept(),
    )


def _of(f: Family) -> nft.Match:
    return nft.Is(nft.Field.NFPROTO, f.nfproto)


def _inbound(families: tuple[Family, ...], pod: AttachedPod, gateways: list[str]) -> nft.Chain:
    """What arrives. The node itself is exempt: the kubelet's probes reach the application directly."""
    rules = [
        *_itself(families),
        *(rule for f in families for rule in _own_service(f, pod)),
        nft.Rule(match=(_FROM_LO,), then=(nft.Accept(),)),
        nft.Rule(
            match=(nft.Is(nft.Field.CT_MARK, INBOUND_CONNECTION),),
            then=(nft.Drop(),),
            comment="Envoy speaks to the application over lo only",
        ),
        nft.Rule(match=(nft.Is(nft.Field.CT_DIRECTION, "reply"),), then=(nft.Accept(),)),
        nft.Rule(match=(nft.Is(nft.Field.L4PROTO, "tcp", negate=True),), then=(nft.Accept(),)),
        # Envoy listens to the families that the pod has: TCP of another one would go round it, STRICT or not.
        *(nft.Rule(match=(_of(f),), then=(nft.Drop(),), comment="not captured") for f in FAMILIES if f not in families),
        *_from_node(families, gateways),
        nft.Rule(
            match=(nft.Is(nft.Field.SOCKET_TRANSPARENT, 1),),
            then=(nft.SetMark(nft.Field.MARK, TPROXY_MARK), nft.Accept()),
        ),
        *(nft.Rule(match=(_of(f), _TCP), then=_to_envoy(f)) for f in families),
        # Where Envoy does not listen, the rules before this one do not apply, and the application would be next. What
        # is dropped is sent again in a second; what has begun before ends by the kernel's own reset.
        # Connection tracking may remember more than the proxy did: a SYN there opens a connection and is not "new".
        nft.Rule(match=(nft.Syn(),), then=(nft.Drop(),), comment="no proxy"),
        nft.Rule(match=(nft.Is(nft.Field.CT_STATE, "new"),), then=(nft.Drop(),), comment="no proxy"),
    ]
    return nft.Chain(
        name="mesh-in", rules=tuple(rules), base=nft.Hook(type="filter", hook="prerouting", priority=MANGLE)
    )


def _itself(families: tuple[Family, ...]) -> Iterator[nft.Rule]:
    """Who dials Envoy's sockets themselves: handed on to where it was sent it would come back there, without end."""
    dialled, redirected = nft.Is(nft.Field.TCP_DPORT, names.OUTBOUND_PORT), nft.Is(nft.Field.CT_STATUS, "dnat")
    inbound = (nft.Is(nft.Field.TCP_DPORT, names.INBOUND_PORT), _OPENING)
    yield nft.Rule(match=inbound, then=(nft.Drop(),), comment="Envoy's own port")
    yield nft.Rule(match=(_FROM_LO, dialled, redirected), then=(nft.Accept(),))
    for f in families:
        direct = (_FROM_LO, dialled, nft.Is(f.daddr, _LOCALHOST[f.version]), _OPENING)
        yield nft.Rule(match=direct, then=(nft.Drop(),), comment="Envoy's own port")


def _own_service(f: Family, pod: AttachedPod) -> tuple[nft.Rule, nft.Rule]:
    """A pod that dials its own service meets itself: Envoy's connection must reach Envoy, never the application."""
    match = (
        _FROM_LO,
        nft.Is(nft.Field.MARK, ENVOY_MARK),
        nft.OneOf(f.daddr, tuple(of_family(pod.addresses, f))),
        _TCP,
        _OPENING,
    )
    return (
        nft.Rule(match=match, then=_to_envoy(f), comment="own service"),
        nft.Rule(match=match, then=(nft.Drop(),), comment="no proxy"),
    )


def _from_node(families: tuple[Family, ...], gateways: list[str]) -> Iterator[nft.Rule]:
    for f in families:
        if own := tuple(of_family(gateways, f)):
            yield nft.Rule(match=(nft.OneOf(f.saddr, own),), then=(nft.Accept(),), comment="the node")


def _answers() -> nft.Chain:
    """Envoy's connections to the application are remembered, so that the application's answers return to Envoy."""
    from_envoy = nft.Is(nft.Field.MARK, INBOUND_MARK)
    rules = (
        nft.Rule(
            match=(from_envoy, nft.Is(nft.Field.CT_STATE, "new")),
            then=(nft.SetMark(nft.Field.CT_MARK, INBOUND_CONNECTION), nft.Accept()),
        ),
        # The port that the kernel chose for Envoy is that of a live connection of the same client. Sent on, the
        # packet would end that connection; dropped, Envoy tries again with another port.
        nft.Rule(
            match=(from_envoy, nft.Is(nft.Field.CT_MARK, INBOUND_CONNECTION, negate=True)),
            then=(nft.Drop(),),
            comment="port in use by the client",
        ),
        nft.Rule(
            match=(nft.Is(nft.Field.CT_MARK, INBOUND_CONNECTION),),
            then=(nft.SetMark(nft.Field.MARK, INBOUND_MARK), nft.Accept()),
        ),
    )
    return nft.Chain(name="mesh-answer", rules=rules, base=nft.Hook(type="route", hook="output", priority=MANGLE))


def _outbound(families: tuple[Family, ...], bypass: tuple[str, ...]) -> nft.Chain:
    """What the pod opens, except to itself, to the node and to DNS."""
    past = [(f, tuple(of_family(dict.fromkeys(bypass), f))) for f in families]
    rules = [
        nft.Rule(match=(nft.OneOf(nft.Field.MARK, (ENVOY_MARK, INBOUND_MARK)),), then=(nft.Accept(),)),
        nft.Rule(match=(nft.Is(nft.Field.OIFNAME, _LOOPBACK),), then=(nft.Accept(),)),
        *(nft.Rule(match=(nft.OneOf(f.daddr, own),), then=(nft.Accept(),)) for f, own in past if own),
        *(nft.Rule(match=(_of(f), _TCP), then=(nft.Redirect(names.OUTBOUND_PORT),)) for f in families),
    ]
    return nft.Chain(name="mesh-out", rules=tuple(rules), base=nft.Hook(type="nat", hook="output", priority=DSTNAT))
