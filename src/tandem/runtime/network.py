"""The node's part of the cluster's network beside the kernel's: the underlay's MTU, and what the paths really carry.

In: the newest view. Out: the MTU for views and new links, and sentences on what does not fit. It changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from tandem.base.addresses import FAMILIES, family
from tandem.base.problems import DriverError
from tandem.compile.addresses import node_address
from tandem.compile.fabric import fabric_of
from tandem.compile.fabric.interface import others
from tandem.compile.fabric.mtu import overhead, pod_mtu, room
from tandem.drivers.link.port import LinkDriver
from tandem.drivers.probe.port import Prober
from tandem.ir.node import NodeView
from tandem.runtime.paths import carried
from tandem.runtime.views import Views
from tandem.state.links import HostSide

log = structlog.get_logger()

SETTLE_SECONDS: Final = 1.0
"""After a change, until the kernels of both ends have it."""
AGAIN_SECONDS: Final = 10.0
"""Until a path that was silent or narrow is probed again."""
EVERY_SECONDS: Final = 20.0
WHERE: Final = "spec.mtu of Network default"


class NetworkWatch:
    """One per agent. `on_underlay` is told the underlay's MTU when it has changed."""

    def __init__(self, links: LinkDriver, prober: Prober, views: Views, on_underlay: Callable[[int], None]) -> None:
        self._links = links
        self._prober = prober
        self._views = views
        self._on_underlay = on_underlay
        self._asked: tuple[int, Mapping[str, str]] = (0, {})
        self._carried: dict[str, int] = {}

    @property
    def _view(self) -> NodeView | None:
        newest = self._views.value
        return newest.view if newest is not None else None

    async def underlay(self, addresses: tuple[str, ...]) -> int:
        """The MTU by which a node with these addresses reaches the others."""
        return await self._links.underlay_mtu(addresses[0] if addresses else "")

    async def run(self) -> None:
        """Probe after each change of nodes or MTU, and now and then; until cancelled."""
        seen = -1
        while True:
            pause = AGAIN_SECONDS if self._unsound() else EVERY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    seen = await self._change(seen)
                await asyncio.sleep(SETTLE_SECONDS)
            except TimeoutError:
                await self._look_at_underlay()
            await self._probe()

    async def _change(self, seen: int) -> int:
        """The version of the first view whose nodes or MTU are others than those that were probed."""
        while True:
            seen, newest = await self._views.after(seen)
            if newest is not None and (pod_mtu(newest.view), _peers(newest.view)) != self._asked:
                return seen

    async def _look_at_underlay(self) -> None:
        view = self._view
        if view is not None:
            mtu = await self.underlay(view.node.addresses)
            if mtu != view.underlay_mtu:
                log.info("underlay changed", mtu=mtu, before=view.underlay_mtu)
                self._on_underlay(mtu)

    async def _probe(self) -> None:
        view = self._view
        if view is None:
            return
        length, peers = self._asked = pod_mtu(view), _peers(view)
        try:
            found = await carried(self._prober, peers.values(), length)
        except DriverError as err:
            log.warning("paths not probed", error=str(err))
            return
        before, self._carried = self._carried, {node: found[address] for node, address in peers.items()}
        if before != self._carried:
            log.info("paths", mtu=length, carried=self._carried)

    def _unsound(self) -> bool:
        return any(self._carried.get(node, 0) < self._asked[0] for node in self._asked[1])

    def fit(self, host: HostSide) -> HostSide:
        """`host` with the MTU of pods and the segment that they share, as the newest view has them."""
        view = self._view
        if view is None:
            return host
        shared = fabric_of(view.config.network).segment
        return replace(host, mtu=pod_mtu(view), segment=view.node.pod_cidrs if shared else ())

    def narrow(self) -> tuple[str, ...]:
        """Where packets as long as pods send them get lost, one sentence each, with what to do."""
        view = self._view
        if view is None:
            return ()
        length, left = pod_mtu(view), room(view)
        found = [f"pods have the MTU {length}, and the underlay leaves {left}: lower {WHERE}"] if length > left else []
        sent = self._asked[0]
        return (
            *found,
            *(
                f"the path to node {node} carries packets of {size} bytes, and pods send {sent}: "
                f"set {WHERE} to {size}, or find the link that is narrower than the nodes' own"
                for node, size in sorted(self._carried.items())
                if 0 < size < sent
            ),
        )

    def _silent(self) -> list[str]:
        return sorted(node for node, size in self._carried.items() if not size)

    def status(self, far: Iterable[str]) -> dict[str, Any]:
        """For `tandem status`; what a path carries is 0 where no answer came. `far`: what else is known of."""
        view = self._view
        if view is None:
            return {}
        return {
            "fabric": view.config.network.fabric,
            "mtu": pod_mtu(view),
            "underlayMTU": view.underlay_mtu,
            "overhead": overhead(view),
            "paths": [{"node": node, "carries": size} for node, size in sorted(self._carried.items())],
            "problems": [*far, *self.narrow(), *(f"node {n} does not answer" for n in self._silent())],
        }


def _peers(view: NodeView) -> dict[str, str]:
    """Another node -> its own address among its pods' addresses, so that a probe goes the way that pods' packets go."""
    mine = {family(cidr) for cidr in view.node.pod_cidrs}
    found = {}
    for node in others(view):
        for version in FAMILIES:
            cidr = next((c for c in node.pod_cidrs if family(c) == version), "")
            if cidr and version in mine:
                found[str(node.name)] = node_address(cidr)
                break
    return found
