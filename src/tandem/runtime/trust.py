"""The loop that makes another authority the mesh's own without a connection that anybody refuses.

In: the Secrets of `authority.py` as they change, and when every node has a bundle. Out: what is trusted (a ConfigMap,
so that a new control goes on), and the authority that signs. Whatever is wrong with a Secret, what was before goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from tandem.base.cell import Cell, any_newer
from tandem.base.clock import Clock, rfc3339
from tandem.base.problems import ObjectKey, Origin, Problem, Severity
from tandem.drivers.ca.authority import INTERMEDIATE_LIFE, Authority
from tandem.identity.rotation import renew_at
from tandem.identity.trust import Trust, extended, switched
from tandem.ingest.errors import AlreadyExists, ApiError, NotFound
from tandem.ingest.kube import KubeClient
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.world import World
from tandem.runtime.authority import (
    KIND,
    NAME,
    NAMESPACE,
    AuthorityError,
    authority_in,
    ensure,
    read_world,
    root_in,
    secret_of,
    without_effect,
)

log = structlog.get_logger()

STATE: Final = "tandem-trust"
"""The ConfigMap of what is trusted."""
FIELD: Final = "trust.json"
PATIENCE: Final = 60.0
"""Seconds that nodes may take to trust a new root; one that is later is cut off, and does not hold up the others."""
LOOK_SECONDS: Final = 60.0
"""At least so often it is looked whether something has come to its end."""
RETRY_SECONDS: Final = 1.0
SOON: Final = 30 * 86_400.0
"""Seconds before the end of an authority from which on it is told."""
_SECRET: Final[ObjectKey] = ("Secret", NAMESPACE, NAME)
_AT: Final = Origin(kind=_SECRET[0], namespace=NAMESPACE, name=NAME)

Everywhere = Callable[[Trust], Awaitable[None]]


async def read_trust(client: KubeClient) -> Trust:
    """What is trusted; nobody where nothing was written, or what is written cannot be read. Raises ApiError."""
    try:
        raw = await client.get(BY_KIND["ConfigMap"], NAMESPACE, STATE)
        return msgspec.json.decode(raw["data"][FIELD], type=Trust)
    except NotFound:
        return Trust()
    except (KeyError, msgspec.DecodeError) as err:
        log.error("trust begins anew with the authority that there is", config_map=f"{NAMESPACE}/{STATE}", why=str(err))
        return Trust()


class TrustLoop:
    """One per control. `begin` before everything else; nodes are told `trust`, and asked for by `everywhere`."""

    def __init__(self, client: KubeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.trust: Cell[Trust] = Cell(Trust())
        self.authority: Cell[Authority | None] = Cell(None)
        """None while the one that signed before is gone, and not every node trusts its successor."""
        self._problem: Problem | None = None
        self._unused: tuple[Problem, ...] = ()

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the Secret that counts, and what ends soon."""
        told = (*self._unused, *((self._problem,) if self._problem is not None else ()))
        authority = self.authority.value
        if authority is None or authority.ends - self._clock.now() > SOON:
            return told
        text = f"the authority of the mesh ends at {rfc3339(authority.ends)}: nothing is signed after that"
        return (*told, Problem(at=_AT, code="AuthorityEnds", text=text, severity=Severity.WARNING))

    async def begin(self, trust_domain: str) -> None:
        """Know what is trusted, and whose word counts; raises ApiError."""
        await ensure(self._client, trust_domain=trust_domain, clock=self._clock)
        self.trust.put(await read_trust(self._client))
        wanted = self._wanted(await read_world(self._client))
        if wanted is None:
            return
        if not self.trust.value.signer:  # nobody has a certificate of anybody
            await self._keep(switched(self.trust.value, wanted.signer, wanted.trusted, self._clock.now()))
        if wanted.signer == self.trust.value.signer:
            self.hold(wanted)

    def hold(self, authority: Authority) -> None:
        """It signs from now on."""
        if not self.trust.value.signer:
            self.trust.put(switched(Trust(), authority.signer, authority.trusted, self._clock.now()))
        self.authority.put(authority)

    async def run(self, worlds: Cell[World], everywhere: Everywhere) -> None:
        """Follow the Secrets until cancelled."""
        seen = -1
        while True:
            seen, world = await worlds.after(seen)
            if world.synced:
                try:
                    await self._follow(world, everywhere)
                except ApiError as err:
                    log.warning("trust not kept", error=str(err))
                    await asyncio.sleep(RETRY_SECONDS)
                    seen = -1
                    continue
                secrets, until = world.all(core.Secret), self._clock.monotonic() + LOOK_SECONDS
                while worlds.value.all(core.Secret) is secrets and (left := until - self._clock.monotonic()) > 0:
                    await any_newer((worlds, worlds.version), seconds=left)
                seen = -1

    async def signing(self) -> Authority:
        """Whoever signs, once somebody does."""
        seen, found = await self.authority.after(-1)
        while found is None:
            seen, found = await self.authority.after(seen)
        return found

    async def _follow(self, world: World, everywhere: Everywhere) -> None:
        wanted = self._wanted(world)
        if wanted is None:
            return
        await self._renew(world, wanted)
        await self._keep(extended(self.trust.value, wanted.signer, wanted.trusted, self._clock.now()))
        if wanted.signer != self.trust.value.signer:
            log.info("another authority", signer=wanted.signer, before=self.trust.value.signer)
            try:
                async with asyncio.timeout(PATIENCE):
                    await everywhere(self.trust.value)
            except TimeoutError:
                log.warning("not every node trusts the new authority yet", seconds=PATIENCE)
            await self._keep(switched(self.trust.value, wanted.signer, wanted.trusted, self._clock.now()))
        self.authority.put(wanted)

    async def _renew(self, world: World, authority: Authority) -> None:
        """Our own intermediate at half of its life, if our root's key is here; the next World has it."""
        try:
            root = root_in(world)
        except AuthorityError as err:
            self._tell(err)
            return
        now, end = self._clock.now(), authority.certificate.not_valid_after_utc.timestamp()
        if root is None or not root.issued(authority):
            return
        if now < renew_at(authority.signer, end - INTERMEDIATE_LIFE, end):
            return
        await self._client.patch(KIND, NAMESPACE, NAME, {"data": secret_of(root.issue(now))["data"]})
        log.info("intermediate renewed")

    def _wanted(self, world: World) -> Authority | None:
        self._unused = without_effect(world)
        try:
            found = authority_in(world)
        except AuthorityError as err:
            self._tell(err)
            return None
        self._problem = None
        if found.ends <= self._clock.now():
            self._tell(AuthorityError(_SECRET, "a certificate on the way up to the root is no longer valid"))
            return None
        return found

    def _tell(self, err: AuthorityError) -> None:
        kind, namespace, name = err.at
        text = f"{err}; the authority before it goes on" if self.authority.value is not None else str(err)
        self._problem = Problem(
            at=Origin(kind=kind, namespace=namespace, name=name), code="InvalidAuthority", text=text
        )
        log.error("not an authority", secret=f"{namespace}/{name}", error=str(err))

    async def _keep(self, trust: Trust) -> None:
        """First where a new control finds it, then where nodes do."""
        if trust == self.trust.value:
            return
        text = msgspec.json.encode(trust).decode()
        raw: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": STATE, "namespace": NAMESPACE},
            "data": {FIELD: text},
        }
        try:
            await self._client.create(BY_KIND["ConfigMap"], raw)
        except AlreadyExists:
            await self._client.patch(BY_KIND["ConfigMap"], NAMESPACE, STATE, {"data": raw["data"]})
        self.trust.put(trust)
