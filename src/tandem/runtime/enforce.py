"""The two loops that put a NodeView in force: one for the kernel, one for Envoy, so that neither holds up the other.

In: the newest NodeView with its number, and that others have changed what was in force. Out: the number that is in
force, and what was refused with which words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from tandem.base.cell import Cell
from tandem.base.members import changes
from tandem.base.memo import same_as_before
from tandem.base.problems import DriverError, Origin
from tandem.compile.envoy import compile_envoy
from tandem.compile.fabric import fabric_of
from tandem.compile.gateways import with_gateways
from tandem.compile.links import compile_node_net, with_segment
from tandem.compile.nft.judged import compiles_alike
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.segment import compile_segment
from tandem.drivers.link.port import LinkDriver
from tandem.drivers.nft.plan import Delta, plan
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.split import split
from tandem.drivers.xds.board import Board, Key, NotAcceptedError
from tandem.drivers.xds.encode import EncodeError, Encoder
from tandem.drivers.xds.messages import Encoded
from tandem.ir.node import NodeView, without_pods
from tandem.podnet.hangup import cut_short
from tandem.runtime.captures import Captures
from tandem.runtime.drift import Drift
from tandem.runtime.views import SILENT, Outcome, Views, newest_of
from tandem.state.links import NodeNet
from tandem.state.xds import Snapshot

log = structlog.get_logger()

ENVOY_TIMEOUT: Final = 5.0
RETRY_SECONDS: Final = 0.5
TURNS: Final = 3
"""Of the event loop, until an outcome has become an acknowledgement that has left."""
LOOK_SECONDS: Final = 15.0
"""Between two looks at what the node has beside pods' links, where nothing changed."""
REACH_SECONDS: Final = 5.0
"""Before a route is tried again whose next hop was on no network: an address of the node may have come meanwhile."""

_node_net: Final = same_as_before(compile_node_net)


class KernelLoop:
    """Policy, Services and node routes in the node's namespace."""

    def __init__(
        self,
        nft: NftDriver,
        links: LinkDriver,
        on_applied: Callable[[NodeView | None, NodeView], None],
        segment: NftDriver,
        drift: Drift,
    ) -> None:
        self._drift = drift
        self._nft = nft
        self._links = links
        self._segment = segment
        self._shared: bool | None = None
        """Whether the table of the bridge is there; None: an earlier agent may have left it."""
        self._net: NodeNet | None = None
        self._far: dict[str, str] = {}
        self._view: NodeView | None = None
        self._on_applied = on_applied
        self._untold: tuple[NodeView | None, NodeView] | None = None
        self.outcome: Cell[Outcome] = Cell(Outcome())

    @property
    def far(self) -> tuple[str, ...]:
        """Prefixes of other nodes that have no route, one sentence each."""
        return tuple(self._far.values())

    async def run(self, views: Views) -> None:
        """Apply each newest view; a refusal by the kernel is tried again until it holds."""
        seen, healed, retry = -1, 0, None
        await self._drift.begin(self._nft)
        while True:
            before = seen
            seen, newest = await newest_of(views, seen, (self._drift.found, healed), retry=retry)
            healed = self._drift.found.version
            try:
                far = await self._apply(newest.view, again=seen == before)
            except DriverError as err:
                retry = RETRY_SECONDS
                log.error("kernel refuses", error=str(err))
                self.outcome.put(Outcome(number=self.outcome.value.number, failed={"kernel": str(err)}))
            else:
                retry = REACH_SECONDS if far else LOOK_SECONDS
                self.outcome.put(Outcome(number=newest.number, failed=far))
            await self._tell()

    async def _tell(self) -> None:
        """What follows from rules in force, such as the end of connections: after ADD and control have heard."""
        if self._untold is not None:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            (before, now), self._untold = self._untold, None
            self._on_applied(before, now)

    async def _apply(self, view: NodeView, *, again: bool) -> dict[str, str]:
        """What of the other nodes cannot be reached; all else is in force.

        `again`: nothing is new; what others took away of devices, routes and addresses is put back.
        """
        try:
            await self._apply_net(view, again=again)
        except DriverError:
            await self._apply_policy(view)  # which must not wait for a device that the kernel refuses
            raise
        await self._apply_policy(view)
        return self._far

    async def _apply_net(self, view: NodeView, *, again: bool) -> None:
        net = with_gateways(with_segment(_node_net(without_pods(view)), view), view)
        if again or self._far or (net is not self._net and net != self._net):
            fabric = fabric_of(view.config.network)
            why = f"the fabric {fabric.name} needs {fabric.needs}"
            sentences = await self._links.apply_node(net)
            self._far = {f"far/{i}": f"{sentence}; {why}" for i, sentence in enumerate(sentences)}
            self._net = net

    async def _apply_policy(self, view: NodeView) -> None:
        drifted = self._drift.found.value
        if drifted != self._drift.healed:
            self._view = None  # what began while it was open is looked at, as after a start
            self._nft.forget()
            self._segment.forget()
            self._shared = None
            await self._apply_segment(view)
        elif self._view is not None and self._nft.read() is not None and compiles_alike(self._view, view):
            self._view = view
            return
        delta = plan(self._nft.read(), compile_nft(view))
        await self._hang_up(view)
        for part in await self._parts(delta):
            await self._drift.own(partial(self._nft.apply, part))
        await self._apply_segment(view)
        await self._drift.repaired(drifted)
        before, self._view = self._view, view
        if delta or (before is not None and before.learned.keys() != view.learned.keys()):
            self._untold = before, view

    async def _hang_up(self, view: NodeView) -> None:
        """Meshed pods that are known no more are closed: whoever talks with them hears of it while it still can."""
        gone, come = changes(self._view.pods, view.pods) if self._view is not None else ((), ())
        stay = {pod.container_id for pod in come}  # as something else than before
        await cut_short([one.netns for one in gone if one.pod.meshed and one.container_id not in stay])

    async def _parts(self, delta: Delta) -> tuple[Delta, ...]:
        """One transaction; several where it is large and nobody meets a verdict that is neither old nor new."""
        fresh = self._nft.read() is None and not await asyncio.to_thread(self._nft.present)
        return split(delta, fresh=fresh)

    async def _apply_segment(self, view: NodeView) -> None:
        """The table of the bridge; a node without one has none, and its kernel may not know such tables."""
        wanted = compile_segment(view)
        if wanted is not None:
            delta = plan(self._segment.read(), wanted)
            if delta:
                await self._drift.own(partial(self._segment.apply, delta))
        elif self._shared is not False:
            with suppress(*(DriverError,) if self._shared is None else ()):
                await self._drift.own(self._segment.remove)
        self._shared = wanted is not None


class EnvoyLoop:
    """Envoy's configuration, and the capture of traffic inside meshed pods."""

    def __init__(
        self,
        client: str,
        board: Board,
        captures: Captures,
        *,
        beside: Callable[[], Mapping[Key, str]] = dict,
    ) -> None:
        """`beside`: versions of what others publish for the same Envoy, without which no view is in force."""
        self._beside = beside
        self._client = client
        self._board = board
        self._captures = captures
        self._encoder = Encoder()
        self._published: set[tuple[str, str]] = set()
        self.outcome: Cell[Outcome] = Cell(Outcome())

    async def run(self, views: Views) -> None:
        """Publish each newest view and wait for Envoy's word; what it refuses is told and does not hold up others."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._captures.keep())
            await self._follow(views)

    async def _follow(self, views: Views) -> None:
        seen, again, failed = -1, 0, False
        while True:
            retry = RETRY_SECONDS if failed else None
            seen, newest = await newest_of(views, seen, (self._captures.refused, again), retry=retry)
            again = self._captures.refused.version
            # Released before the listeners go, captured after they are there: no connection meets a closed port.
            problems = await self._captures.release(newest.view)
            refused, origins = await self._publish(compile_envoy(newest.view))
            # Captured also when Envoy refused: then connections fail, which is better than going round the mesh.
            problems |= refused | await self._captures.apply(newest.view)
            failed = bool(problems)
            self.outcome.put(Outcome(number=newest.number, failed=problems, origins=origins))

    async def _publish(self, snapshot: Snapshot) -> tuple[dict[str, str], dict[Origin, str]]:
        wanted, broken = self._encode(snapshot)
        self._board.publish(self._client, wanted)
        versions = {(url, name): e.version for url, named in wanted.items() for name, e in named.items()}
        gone = self._published - versions.keys()
        self._published = set(versions)
        beside = self._beside()
        problems = await self._accepted({**versions, **dict.fromkeys(gone, ""), **beside})
        problems |= {name: f"{name}: {text}" for (_, name), (_, text) in self._refused(beside).items()}
        refused = broken | {key: text for key, (_, text) in self._refused(versions).items()}
        origins: dict[Origin, str] = {}
        for (url, name), text in refused.items():
            problems[name] = text
            origins |= dict.fromkeys(snapshot.resources[url][name].origins, text)
        return problems, origins

    def _encode(self, snapshot: Snapshot) -> tuple[dict[str, dict[str, Encoded]], dict[Key, str]]:
        """What can be encoded, and what cannot: one bad resource must not keep the others from Envoy."""
        left = {url: dict(named) for url, named in snapshot.resources.items()}
        broken: dict[Key, str] = {}
        while True:
            try:
                return self._encoder.encode(Snapshot(resources=left)), broken
            except EncodeError as err:
                log.error("not encoded", error=str(err))
                broken[err.type_url, err.name] = str(err)
                del left[err.type_url][err.name]

    async def _accepted(self, versions: Mapping[Key, str]) -> dict[str, str]:
        """Wait for Envoy's word on each; what it refuses does not end the wait for the others."""
        left = dict(versions)
        while True:
            try:
                await self._board.accepted(self._client, left, ENVOY_TIMEOUT)
            except NotAcceptedError as err:
                refused = self._refused(left)
                if not refused:
                    return {SILENT: str(err)}
                left = {key: version for key, version in left.items() if key not in refused}
            else:
                return {}

    def _refused(self, versions: Mapping[Key, str]) -> dict[Key, tuple[str, str]]:
        known = self._board.refusals(self._client)
        return {key: found for key, found in known.items() if versions.get(key) == found[0]}
