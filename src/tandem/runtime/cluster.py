"""The loop of the cluster's controllers: World -> writes -> API, until nothing is left to do, on every change.

In: an API client and the Cell of an Informer that watches at least KINDS. Out: writes. It never fights itself: what
it wrote is laid over the informer's World until the informer has it, so that no write is made twice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import structlog

from tandem.base.cell import Cell, any_newer
from tandem.base.clock import Clock, SystemClock
from tandem.cluster.blocks import absent, holders, share_out
from tandem.cluster.deployments import deploy
from tandem.cluster.endpoints import publish_endpoints
from tandem.cluster.gatewayservices import serve_gateways
from tandem.cluster.live.controllers import Controllers
from tandem.cluster.networks import PODS, PodNetwork
from tandem.cluster.nodes import assign_pod_cidrs
from tandem.cluster.scheduler import schedule
from tandem.cluster.space import Known
from tandem.cluster.statefulsets import keep_ordinals
from tandem.cluster.writes import Create, Delete, Patch, Write
from tandem.ingest.errors import ApiError, NotFound
from tandem.ingest.recorder import Tell
from tandem.ir.holdings import Holdings
from tandem.model.kinds import BY_KIND, Kind, name_of
from tandem.model.meta import Object, RawObject
from tandem.model.parse import parse
from tandem.model.world import World

log = structlog.get_logger(__name__)

KINDS: Final = (
    *("Node", "IPPool", "IPReservation", "IPAMBlock", "Service", "Pod"),
    *("Deployment", "StatefulSet", "EndpointSlice"),
    *("GatewayClass", "Gateway", "ListenerSet"),
)
"""What the informer must watch."""
_PATIENCE: Final = 5.0
"""Seconds after which a write that the informer never showed is no longer believed."""
_ROUNDS: Final = 50
_PARALLEL: Final = 8
_BACKOFF: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TICK: Final = 0.5
GRACE: Final = 900.0
FAILED: Final = "FailedCreate"
"""The reason where the API refuses what a controller makes."""
AWAIT_SECONDS: Final = 15.0
"""For so long after its beginning control waits for what nodes hold, before it gives blocks away."""


class Writer(Protocol):
    """The part of KubeClient that the loop needs."""

    async def create(self, kind: Kind, raw: RawObject) -> RawObject:
        """Make an object."""

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: dict[str, Any], *, subresource: str = ""
    ) -> RawObject:
        """Merge a patch."""

    async def get(self, kind: Kind, namespace: str, name: str) -> RawObject:
        """Read an object."""

    async def delete(self, kind: Kind, namespace: str, name: str, *, grace_seconds: int | None = None) -> None:
        """Remove an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    version: int
    obj: Object | None
    uid: str
    until: float
    shown: bool = False
    """The informer had the object, in any version: that it lacks it now means that it was removed."""


class Memory:
    """Our own writes, as long as the informer has not shown them."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str, str], _Written] = {}

    def remember(self, obj: Object, until: float, *, shown: bool = False) -> None:
        """The API answered a create or a patch with `obj`; `shown`: the informer had it when we wrote."""
        before = self._written.get((obj.kind, *obj.key))
        self._written[obj.kind, *obj.key] = _Written(
            version=int(obj.metadata.resource_version),
            obj=obj,
            uid=obj.metadata.uid,
            until=until,
            shown=shown or (before is not None and before.shown and before.uid == obj.metadata.uid),
        )

    def forget(self, kind: str, key: tuple[str, str], uid: str, until: float) -> None:
        """The API removed the object with this uid."""
        self._written[kind, *key] = _Written(version=0, obj=None, uid=uid, until=until)

    def over(self, world: World, now: float) -> World:
        """`world` with our writes; what it has caught up with is dropped."""
        changed: dict[str, dict[tuple[str, str], Object | None]] = {}
        for (kind, namespace, name), write in list(self._written.items()):
            cls, key = BY_KIND[kind].cls, (namespace, name)
            shown = world.all(cls).get(key)
            if now >= write.until or _caught_up(shown, write):
                del self._written[kind, namespace, name]
                continue
            if shown is not None and not write.shown:
                self._written[kind, namespace, name] = replace(write, shown=True)
            changed.setdefault(kind, {})[key] = write.obj
        for kind, objects in changed.items():
            world = world.with_changes(kind, objects, synced=world.synced)
        return world


def _caught_up(shown: Object | None, write: _Written) -> bool:
    if write.obj is None:
        return shown is None or shown.metadata.uid != write.uid
    if shown is None:
        return write.shown
    return int(shown.metadata.resource_version) >= write.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What an installation chooses of addresses."""

    pods: PodNetwork = PODS
    grace: float = GRACE
    """Seconds for which the blocks of a Node that is gone are kept."""


SHARES: Final = Shares()


def control(world: World, known: Known, *, now: float, shares: Shares = SHARES) -> tuple[Write, ...]:
    """Every controller's writes of a World as a whole, in the order in which they should be made.

    The loop goes on from World to World instead (`cluster/live/`), which comes to the same.
    """
    return (
        *assign_pod_cidrs(world, shares.pods),
        *share_out(world, known, shares.pods),
        *deploy(world, seed=known.seed, now=now),
        *keep_ordinals(world, now=now),
        *schedule(world, now=now),
        *publish_endpoints(world),
        *serve_gateways(world),
    )


class ClusterLoop:
    """Runs the controllers."""

    def __init__(
        self,
        client: Writer,
        worlds: Cell[World],
        tell: Tell,
        *,
        holdings: Cell[Mapping[str, Holdings]] | None = None,
        shares: Shares = SHARES,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._worlds = worlds
        self._tell = tell
        self._holdings = holdings or Cell({})
        self._shares = shares
        self._absent: dict[str, float] = {}
        self._awaited: tuple[frozenset[str], float] | None = None if holdings is not None else (frozenset(), 0.0)
        """Who had addresses when the first World was whole, and until when they are waited for."""
        self._clock = clock or SystemClock()
        self._memory = Memory()
        self._controllers = Controllers(shares.pods)
        self._slots = asyncio.Semaphore(_PARALLEL)

    async def run(self) -> None:
        """On every new World, until cancelled; again after a while where the API refused a write."""
        seen, held, failures = -1, -1, 0
        while True:
            wait = _BACKOFF[min(failures, len(_BACKOFF)) - 1] if failures else None
            if self._controllers.wait or self._absent or (self._awaited and self._awaited[0]):
                wait = min(wait or _TICK, _TICK)
            await any_newer((self._worlds, seen), (self._holdings, held), seconds=wait)
            seen, held = self._worlds.version, self._holdings.version
            if self._worlds.value.synced:
                failures = 0 if await self.settle() else failures + 1

    async def settle(self) -> bool:
        """Write until nothing is left to do; False if the API refused something that is worth another try."""
        for _ in range(_ROUNDS):
            world = self._memory.over(self._worlds.value, self._clock.monotonic())
            writes = self._controllers.update(world, self._known(world), now=self._clock.now())
            if not writes:
                return True
            if not await self._apply(writes, world):
                return False
        log.error("controllers do not come to rest", last=[repr(w)[:200] for w in writes[:3]])
        return False

    def _known(self, world: World) -> Known:
        """Nodes that were not there for the grace period, from one observation to another; by the monotonic clock."""
        now = self._clock.monotonic()
        away = absent(world, self._holdings.value.keys())
        self._absent = {name: self._absent.get(name, now) for name in sorted(away)}
        gone = frozenset(name for name, since in self._absent.items() if 0 < now - since >= self._shares.grace)
        awaited = self._unheard(world, now)
        return Known(holdings=self._holdings.value, gone=gone, awaited=awaited, seed=secrets.token_hex(8))

    def _unheard(self, world: World, now: float) -> frozenset[str]:
        """Nodes that have been silent since control began; those that stay so are not waited for for ever."""
        if self._awaited is None:
            self._awaited = holders(world), now + AWAIT_SECONDS
        names, until = self._awaited
        names -= self._holdings.value.keys()
        self._awaited = (names if now < until else frozenset()), until
        return self._awaited[0]

    async def _apply(self, writes: Iterable[Write], world: World) -> bool:
        async with asyncio.TaskGroup() as tasks:
            done = [tasks.create_task(self._write(w, world)) for w in writes]
        return all(t.result() for t in done)

    async def _write(self, write: Write, world: World) -> bool:
        until = self._clock.monotonic() + _PATIENCE
        async with self._slots:
            try:
                match write:
                    case Create(raw=raw):
                        answer = await self._client.create(BY_KIND[name_of(raw)], raw)
                        self._memory.remember(parse(answer), until)
                    case Patch(kind=kind, namespace=namespace, name=name):
                        shown = (namespace, name) in self._worlds.value.all(BY_KIND[kind].cls)
                        answer = await self._client.patch(
                            BY_KIND[kind], namespace, name, write.patch, subresource=write.subresource
                        )
                        self._memory.remember(parse(answer), until, shown=shown)
                    case Delete():
                        await self._delete(write, world, until)
            except ApiError as err:
                # Gone meanwhile is no fault: the informer is about to say so.
                if isinstance(write, Create) or not isinstance(err, NotFound):
                    log.warning("write refused", write=repr(write)[:200], reason=err.message)
                if isinstance(write, Create):
                    for told in write.told:
                        self._tell(replace(told, reason=FAILED, message=f"Error creating: {err.message}", warning=True))
                return False
        for told in write.told:
            self._tell(told)
        return True

    async def _delete(self, write: Delete, world: World, until: float) -> None:
        kind, key = BY_KIND[write.kind], (write.namespace, write.name)
        known = world.all(kind.cls).get(key)
        uid = known.metadata.uid if known is not None else ""
        await self._client.delete(kind, write.namespace, write.name)
        try:
            left = parse(await self._client.get(kind, write.namespace, write.name))
        except NotFound:
            self._memory.forget(write.kind, key, uid, until)
        else:
            self._memory.remember(left, until, shown=known is not None and key in self._worlds.value.all(kind.cls))
