"""A connection that was dropped a moment before its name was learned begins again at once, not after a second.

A pod connects within a tenth of a millisecond of its answer; the agent takes one to put the address in force. In:
packets that the kernel dropped, views in force. Out: the packets that are allowed now, sent again out of their pods.
Only of pods whose policy is about names, each packet once, and none that policy still denies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from tandem.base.problems import DriverError
from tandem.compile.nft.domains import patterns_of_pods
from tandem.drivers.resend import opening, send_again
from tandem.ir.node import AttachedPod, NodeView
from tandem.observe.nflog_wire import Tuple5, five_tuple
from tandem.runtime.established import Judges

log = structlog.get_logger()

WAITS: Final = 0.9
"""Seconds; by then the pod's own kernel tries again."""
MOST: Final = 256


@dataclass(frozen=True, slots=True)
class _Dropped:
    at: float
    pod: AttachedPod
    packet: bytes
    ends: Tuple5


@dataclass(slots=True)
class _InForce:
    """What is asked of one view."""

    judges: Judges
    pods: Mapping[str, AttachedPod] = field(default_factory=dict)
    """Pods by address whose policy is about names."""


class Again:
    """One per agent; `monotonic` tells the time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._now: _InForce | None = None
        self._waiting: deque[_Dropped] = deque(maxlen=MOST)
        self._sent: dict[Tuple5, float] = {}
        self._due: asyncio.Queue[_Dropped] = asyncio.Queue(MOST)
        self._sending = False

    def in_force(self, view: NodeView) -> None:
        """The kernel judges by this view now."""
        judged = patterns_of_pods(view)
        if not judged:
            self._now = None
            self._waiting.clear()
            return
        pods = {address: pod for pod in view.pods if pod.pod.egress in judged for address in pod.addresses}
        self._now = _InForce(Judges(view), pods)
        waiting, self._waiting = self._waiting, deque(maxlen=MOST)
        for dropped in waiting:
            self._judge(dropped)

    def dropped(self, payload: bytes) -> None:
        """The beginning of a packet that the kernel dropped."""
        if self._now is None:
            return
        ends = five_tuple(payload)
        pod = self._now.pods.get(ends.source) if ends is not None else None
        if ends is None or pod is None or self._monotonic() - self._sent.get(ends, -WAITS) < WAITS:
            return
        packet = opening(payload)
        if packet is not None:
            self._judge(_Dropped(self._monotonic(), pod, packet, ends))

    def _judge(self, dropped: _Dropped) -> None:
        now, ends = self._monotonic(), dropped.ends
        if self._now is None or now - dropped.at >= WAITS:
            return
        if self._now.judges.denial(dropped.pod.pod.egress, ends.destination, ends.protocol, ends.dport) is not None:
            self._waiting.append(dropped)
        elif not self._due.full():
            self._sent = {known: at for known, at in self._sent.items() if now - at < WAITS} | {ends: now}
            self._due.put_nowait(dropped)

    @property
    def idle(self) -> bool:
        """Nothing is to be sent, or being sent."""
        return self._due.empty() and not self._sending

    async def run(self) -> None:
        """Send what is due, until cancelled. What cannot be sent is sent by the pod."""
        while True:
            dropped = await self._due.get()
            self._sending = True
            try:
                await asyncio.to_thread(send_again, dropped.pod.netns, dropped.packet, dropped.ends.destination)
            except DriverError as err:
                log.info("not sent again", error=str(err))
            self._sending = False
