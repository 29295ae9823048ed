"""The kernel's log of dropped packets, and of datagrams at gateways, -> Flows. Reads a netlink socket of the namespace.

A flow says which side dropped it and which policies isolate the pod there. The kernel limits how many are logged, so
that a flood of denied packets costs no more than a trickle; a full socket buffer loses messages, never blocks.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

import msgspec

from tandem.base.clock import Clock
from tandem.base.problems import DriverError, Origin
from tandem.observe import nflog_wire
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.state.ownership import NFLOG_GROUP

_NETLINK_NETFILTER: Final = 12
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 1 << 20


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a datagram at a gateway, whom it reached there, and the route that decided."""

    verdict: Verdict
    gateway: Party
    reason: str
    rules: tuple[Origin, ...]


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """How addresses and log prefixes become names. `party`: address -> Party; `origins`: prefix -> policies.

    `staged` and `isolation` say of a prefix whether the packet went on after all, and whether no rule is about it;
    `handed`, of a prefix, address and port, what a gateway did; None: it is no datagram at a gateway.
    """

    node: str
    party: Callable[[str], Party]
    origins: Callable[[str], tuple[Origin, ...]]
    staged: Callable[[str], bool] = lambda _: False
    isolation: Callable[[str], bool] = lambda _: True
    handed: Callable[[str, str, int], Handed | None] = lambda *_: None


def flow(logged: nflog_wire.Logged, names: Attribution, *, time: float) -> Flow | None:
    """The Flow behind a logged packet; None if it is no IP packet."""
    packet = nflog_wire.five_tuple(logged.payload)
    if packet is None:
        return None
    source = msgspec.structs.replace(names.party(packet.source), address=packet.source, port=packet.sport)
    to = {"address": packet.destination, "port": packet.dport}
    handed = names.handed(logged.prefix, packet.destination, packet.dport)
    if handed is not None:
        return Flow(
            time=time,
            node=names.node,
            verdict=handed.verdict,
            layer=Layer.L4,
            protocol=packet.protocol,
            source=source,
            destination=msgspec.structs.replace(handed.gateway, **to),
            reporter="kernel",
            reason=handed.reason,
            rules=handed.rules,
        )
    rules = names.origins(logged.prefix)
    direction = logged.prefix.rpartition("/")[2]
    staged = names.staged(logged.prefix)
    return Flow(
        time=time,
        node=names.node,
        verdict=Verdict.STAGED if staged else Verdict.DENIED,
        layer=Layer.L4,
        protocol=packet.protocol,
        source=source,
        destination=msgspec.structs.replace(names.party(packet.destination), **to),
        reporter="kernel",
        direction=direction,
        reason=_reason(direction, rules, staged=staged, isolation=names.isolation(logged.prefix)),
        rules=rules,
    )


def _reason(direction: str, rules: tuple[Origin, ...], *, staged: bool, isolation: bool) -> str:
    who = "the destination's ingress" if direction == "ingress" else "the source's egress"
    by = "; ".join(str(o) for o in rules) or "a policy that is no longer known"
    if isolation:
        what = "would be isolated and no rule would allow this" if staged else "is isolated and no rule allows this"
        return f"{who} {what}: {by}"
    return f"a rule for {who} {'would deny' if staged else 'denies'} this: {by}"


def open_log(group: int = NFLOG_GROUP, *, snaplen: int = 128, at_once: bool = False) -> socket.socket:
    """A non-blocking socket bound to the group; raises DriverError if the kernel refuses.

    `at_once`: each packet is delivered by itself, not with those of the next hundredths of a second.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
        sock.bind((0, 0))
        for message in nflog_wire.configure(group, snaplen=snaplen, at_once=at_once):
            _configure(sock, message)
    except OSError as err:
        sock.close()
        text = (
            f"NFLOG group {group}: {err.strerror}; root and the module nfnetlink_log are needed, and nobody else on it"
        )
        raise DriverError(text) from err
    sock.setblocking(False)
    return sock


def _configure(sock: socket.socket, message: bytes) -> None:
    sock.send(message)
    code = nflog_wire.error(sock.recv(4096))
    if code:
        raise OSError(code, os.strerror(code))


async def watch_drops(
    sock: socket.socket,
    names: Attribution,
    emit: Callable[[Flow], object],
    *,
    clock: Clock,
    packets: Callable[[bytes], object] = bool,
) -> None:
    """Gives what is logged to `emit`, and of a drop the packet's beginning to `packets`, until cancelled.

    Closes the socket.
    """

    def take(logged: nflog_wire.Logged) -> None:
        found = flow(logged, names, time=clock.now())
        if found is None or found.verdict is Verdict.DENIED:
            packets(logged.payload)
        if found is not None:
            emit(found)

    await read_log(sock, take)


async def read_log(sock: socket.socket, take: Callable[[nflog_wire.Logged], None]) -> None:
    """Gives each packet that is logged to `take`, until cancelled; what the kernel had no room for is lost.

    Closes the socket.
    """
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                data = await loop.sock_recv(sock, _BUFFER)
            except OSError as err:
                if err.errno != errno.ENOBUFS:
                    raise
                continue
            for logged in nflog_wire.messages(data):
                take(logged)
            await asyncio.sleep(0)  # a socket that always has something is read without a turn for others
    finally:
        sock.close()
