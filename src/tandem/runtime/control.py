"""The wiring of the control plane: API watch -> World -> translate -> slices -> agents; acknowledgements -> status.

In: an API client and a socket for the agents. Out: resources on that socket, conditions on objects. May not import
`compile`: what a node makes of the IR is the node's business (docs/design/0001).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import structlog

from tandem.base.cell import Cell, any_newer
from tandem.base.clock import Clock
from tandem.base.ids import NodeName
from tandem.base.memory import spare_collector
from tandem.base.problems import ObjectKey, Origin, Problem, Severity
from tandem.base.table import changes
from tandem.drivers.bgp.wire import PASSWORDS
from tandem.drivers.bgp.wire import encode as encode_passwords
from tandem.drivers.ca.wire import SIGN
from tandem.drivers.edge import CERTIFICATES
from tandem.drivers.edge import encode as encode_pairs
from tandem.drivers.xds.client import REPORTS
from tandem.drivers.xds.server import XdsServer
from tandem.identity.issuance import Binding, allowed
from tandem.identity.trust import Trust
from tandem.ingest.informer import Informer
from tandem.ingest.kube import ApiError, KubeClient, NotFound
from tandem.ingest.recorder import Recorder
from tandem.ir import wire
from tandem.ir.announcement import ANNOUNCE, Announcement, Known, decode_announcement, encode
from tandem.ir.fabric import MeshConfig
from tandem.ir.gateway import Gateway
from tandem.ir.names import write_names
from tandem.ir.pieces import name_of
from tandem.ir.policy import AddressGroup
from tandem.ir.shown import certificates_needed
from tandem.model import core, events
from tandem.model.kinds import BY_KIND, KINDS, PROGRAMMED
from tandem.model.meta import RawObject
from tandem.model.parse import ParseError, parse
from tandem.model.said import say
from tandem.model.world import World
from tandem.observe.flow import Party
from tandem.runtime.announced import Announced
from tandem.runtime.authority import sign_for
from tandem.runtime.awaited import Awaited
from tandem.runtime.draining import DRAINED, Draining
from tandem.runtime.homes import Homes
from tandem.runtime.ledger import Ledger
from tandem.runtime.publisher import Publisher
from tandem.runtime.reports import Reports
from tandem.runtime.trust import TrustLoop
from tandem.translate.conditions import Patch
from tandem.translate.gateway.edge import Edge
from tandem.translate.live import Live
from tandem.translate.network import passwords_for
from tandem.translate.pairs import pairs_for
from tandem.translate.slices import serving
from tandem.translate.status import PATHS_BROKEN, WRITTEN, Given, patches_of
from tandem.translate.world import Options, Translation

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.03
"""After a change, before status is written: most nodes have answered by then, and "waiting" need not be told of them.

Each write is an event and a World more, at the moment when nodes are being told of the change itself.
"""
RETRY_SECONDS: Final = 0.5
"""Before status that the API refused is written again."""
UNTRANSLATED: Final = frozenset({"Lease", *events.NAMES})
"""Kinds that mean nothing for traffic, and change all the time (`runtime/lifecycle.py` watches them)."""
NETWORK: Final = ("Network", "", "default")
NOT_IN_FORCE: Final = "NotProgrammed"
"""The reason of the Event where a node refuses what it was sent."""


class Control:
    """One per cluster. `run()` never returns; everything else is read by the HTTP views."""

    def __init__(
        self, client: KubeClient, server: XdsServer, trust: TrustLoop, *, options: Options, clock: Clock
    ) -> None:
        self.client = client
        self.trust = trust
        self._trusted: Cell[Trust] = Cell(Trust())
        """What nodes have been sent."""
        self.server = server
        self.options = options
        self.clock = clock
        self.events = Recorder(client, "tandem-control", clock)
        self.ledger = Ledger()
        self._awaited = Awaited(self.ledger)
        self.reports = Reports()
        self.informer = Informer(client, tuple(k for k in KINDS if k.name not in UNTRANSLATED))
        self.translation: Cell[Translation | None] = Cell(None)
        self._live = Live(options)
        self._translated = World()
        self._settled = asyncio.Event()
        self._publisher = Publisher()
        self._stale: set[ObjectKey] = set()
        """Objects whose status may have to be another one."""
        self._draining = Draining()
        self._homes = Homes()
        self._paths: list[Problem] = []
        self._refused: dict[ObjectKey, tuple[bool, str]] = {}
        self._announced = Announced(clock)
        self._asking: Counter[str] = Counter()
        """How many ADDs wait on each node for what they have announced."""
        self._told: Cell[int] = Cell(-1)
        """Which version of what is announced the newest publication has."""
        server.add_unary(ANNOUNCE, self._announce)
        server.add_unary(SIGN, self._sign)
        server.add_unary(PASSWORDS, self._passwords)
        server.add_unary(CERTIFICATES, self._certificates)
        server.add_push(REPORTS, self._report)
        server.on_ack = self._on_ack
        server.on_nack = self._on_nack
        server.on_connect = lambda node: self._on_connection(node, up=True)
        server.on_disconnect = lambda node: self._on_connection(node, up=False)

    @property
    def world(self) -> World:
        """The newest World."""
        return self.informer.world.value

    @property
    def translated(self) -> World:
        """The World of which nodes have been sent the translation."""
        return self._translated

    async def run(self) -> None:
        """Watch, translate, publish, report; until cancelled."""
        await self.server.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.informer.run())
                tasks.create_task(self.events.run())
                tasks.create_task(self._translate())
                tasks.create_task(self._write_status())
                tasks.create_task(self._spare_collector())
                tasks.create_task(self.trust.run(self.informer.world, self._trusts))
        finally:
            await self.server.stop()

    async def _spare_collector(self) -> None:
        """Once nodes have been told: what a cluster comes to stays."""
        await self.translation.after(0)
        spare_collector()

    async def _sign(self, node: str, request: bytes) -> bytes:
        """A node may hold the identities of its pods and of the gateways that it serves, and no others."""
        translation = self.translation.value
        pods = self._homes.pods(translation, node) if translation is not None else {}
        bindings = (Binding(node=NodeName(node), identity=pod.identity) for pod in pods.values())
        may = allowed(bindings, NodeName(node)) | {gateway.identity for gateway in self._served(node)}
        authority = await self.trust.signing()
        return sign_for(authority, node, request, allowed=may, now=self.clock.now())

    async def _announce(self, node: str, request: bytes) -> bytes:
        """Answered once every connected node that has a rule about the pod has its addresses in force."""
        announcement = decode_announcement(request)
        self._announced.take(self.world, node, announcement)
        self._asking[node] += 1
        try:
            return encode(await self._known(announcement))
        finally:
            self._asking[node] -= 1
            if not self._asking[node]:
                del self._asking[node]

    async def _known(self, announcement: Announcement) -> Known:
        wanted, told = self._announced.known.version, -1
        seen = -1
        while told < wanted:
            seen, told = await self._told.after(seen)
        translation = self.translation.value
        groups = translation.policy.groups if translation is not None else {}
        having = [groups[name] for name in self._announced.groups_of(announcement.uid) if name in groups]
        names = {name_of(group, address) for group in having for address in announcement.addresses}
        await self._awaited.everywhere((wire.URLS[AddressGroup], name) for name in names)
        return Known(groups=len(having))

    async def _trusts(self, trust: Trust) -> None:
        """Return once every connected node trusts that bundle."""
        seen, sent = await self._trusted.after(-1)
        while sent != trust:
            seen, sent = await self._trusted.after(seen)
        await self._awaited.everywhere([(wire.URLS[MeshConfig], "mesh")])

    async def _passwords(self, node: str, _: bytes) -> bytes:
        """A node may know the passwords of the sessions that it is to have, and no others."""
        return encode_passwords(passwords_for(self.world, node))

    async def _certificates(self, node: str, _: bytes) -> bytes:
        """A node may have the certificates that its gateways and proxies show, with their keys, and no others."""
        translation = self.translation.value
        if translation is None:
            return encode_pairs({})
        here = {pod.namespace for pod in self._homes.pods(translation, node).values() if pod.meshed}
        wanted = certificates_needed(self._served(node), translation.mesh.policies, translation.services, here)
        pairs = pairs_for(self._translated, wanted)
        return encode_pairs({name: (pair.chain, pair.key) for name, pair in pairs.items()})

    def _served(self, node: str) -> tuple[Gateway, ...]:
        translation = self.translation.value
        if translation is None or node not in serving(translation):
            return ()
        return tuple(translation.edge.gateways.values())

    def _report(self, node: str, payload: bytes) -> None:
        before = self._reported(node)
        try:
            self.reports.add(node, payload, self._named)
        except msgspec.DecodeError as err:
            log.warning("report not understood", node=node, error=str(err))
        if self._reported(node) != before:
            self.ledger.revision += 1
            self._settled.set()

    def _reported(self, node: str) -> tuple[object, ...]:
        """Of what this node has told, whatever becomes a status or a part of an object."""
        return (
            self._unmet(),
            self.reports.unconnected((node,)),
            self.reports.keys().get(node),
            self.reports.names.get(node),
        )

    def _named(self, party: Party) -> Party:
        """An end of a flow with the names that its address has in the cluster."""
        if party.pod or not party.address:
            return party
        pod = self.world.pod_at(party.address)
        if pod is None:
            return party
        return msgspec.structs.replace(party, namespace=pod.metadata.namespace, pod=pod.metadata.name)

    async def _translate(self) -> None:
        seen, told = -1, -1
        trusted, trust = await self.trust.trust.after(0)  # without one nodes would be told to trust nobody
        while True:
            await any_newer((self.informer.world, seen), (self._announced.known, told), (self.trust.trust, trusted))
            seen, told = self.informer.world.version, self._announced.known.version
            trusted, trust = self.trust.trust.version, self.trust.trust.value
            if not self.world.synced:
                continue
            world = self._announced.over(self.world)
            started = time.perf_counter()
            translation = _trusting(self._live.translate(world), trust)
            await self._publish(world, translation)
            before, self._translated = (self._translated, self.translation.value), world
            self.translation.put(translation)
            await asyncio.sleep(0)  # the messages leave
            self._note(*before, world, translation)
            self.ledger.revision += 1
            self._told.put(told)
            self._trusted.put(trust)
            self._settled.set()
            log.debug("translated", ms=round((time.perf_counter() - started) * 1000, 1), nodes=len(self.ledger.nodes))

    async def _publish(self, world: World, translation: Translation) -> None:
        """Tell nodes; first those on which an ADD waits, whose kernel takes longer than the others' word."""
        nodes = {name for _, name in world.all(core.Node)}
        for gone in set(self.ledger.nodes) - nodes:
            self.ledger.forget([gone])
            self._awaited.heard(gone)
            self.server.forget(gone)
            self._publisher.forget(gone)
        waiting = frozenset(self._asking)
        for node, resources in self._publisher.update(translation, sorted(nodes, key=lambda n: (n not in waiting, n))):
            if waiting and node not in waiting:
                waiting = frozenset()
                await asyncio.sleep(0)  # their messages leave
            self.ledger.sent(node, resources)
            self.server.publish(node, resources)

    def _note(self, earlier: World, before: Translation | None, world: World, translation: Translation) -> None:
        """Which objects may need another status, and which pods are on their way out."""
        self._announced.note(changes(before.policy.groups if before is not None else {}, translation.policy.groups))
        told = before.told if before is not None else {}
        refused = changes(told, translation.told)
        self._stale.update(refused)
        for about, (old, new) in refused.items():
            self._tell(world, about, [p for p in new or () if p.severity is Severity.ERROR and p not in (old or ())])
        for kind, cls in WRITTEN.items():
            self._stale.update((kind, *key) for key in changes(earlier.all(cls), world.all(cls)))
        given = before.balancers.given if before is not None else {}
        self._stale.update(("Service", *key) for key in changes(given, translation.balancers.given))
        hosts = before.hosts.by_entry if before is not None else {}
        self._stale.update(("ServiceEntry", *key) for key in changes(hosts, translation.hosts.by_entry))
        edge = before.edge if before is not None else Edge()
        self._stale.update(("Gateway", *key) for key in changes(edge.facts, translation.edge.facts))
        self._stale.update(("ListenerSet", *key) for key in changes(edge.sets, translation.edge.sets))
        concerned = changes(edge.ancestors, translation.edge.ancestors)
        self._stale.update(("BackendTLSPolicy", *key) for key in concerned)
        self._stale.update(("IstioGateway", *key) for key in changes(edge.ingress, translation.edge.ingress))
        self._draining.note(earlier, world, translation.endpoints)

    async def _write_status(self) -> None:
        written = -1
        while True:
            await self._settled.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._settled.clear()
            translation = self.translation.value
            if translation is None or self.ledger.revision == written:
                continue
            written = self.ledger.revision
            wrote = True
            for patch in self._patches(translation):
                done = await self._patch(patch.kind, patch.namespace, patch.name, patch.body, subresource="status")
                if not done:
                    wrote = False
                    self._stale.add((patch.kind, patch.namespace, patch.name))
            for pod in self._draining.drained(self.ledger):
                body = {"metadata": {"annotations": {DRAINED: "true"}}}
                wrote &= await self._patch("Pod", pod.metadata.namespace, pod.metadata.name, body, subresource="")
            for name, told in self._untold().items():
                wrote &= await self._patch("Node", "", name, {"metadata": {"annotations": told}}, subresource="")
            if not wrote:
                await asyncio.sleep(RETRY_SECONDS)
                written = -1
                self._settled.set()

    def _patches(self, translation: Translation) -> tuple[Patch, ...]:
        """Of the objects of which something changed since the last time: what to write."""
        keys, self._stale = self._stale | self.ledger.taken(), set()
        unmet, paths = self._unmet(), self._unconnected()
        if paths != self._paths:
            keys.add(NETWORK)
        keys.update(changes(self._refused, unmet))
        self._paths, self._refused = paths, unmet
        told = (
            translation.told
            if not paths
            else {**translation.told, NETWORK: (*translation.told.get(NETWORK, ()), *paths)}
        )
        verdicts = {key: (v.ok, v.message) for key in keys if (v := self.ledger.verdict(key)) is not None} | unmet
        given = Given(balancers=translation.balancers.given, hosts=translation.hosts.by_entry, edge=translation.edge)
        return patches_of(self._translated, sorted(keys), told, verdicts, self.clock.now(), given=given)

    def _unconnected(self) -> list[Problem]:
        """What nodes say of their paths to others, as Problems of the one Network."""
        at = Origin(kind=NETWORK[0], name=NETWORK[2])
        sentences = self.reports.unconnected(self.ledger.nodes)
        return [Problem(at=at, code=PATHS_BROKEN, text=text, severity=Severity.WARNING) for text in sentences]

    def _untold(self) -> dict[str, dict[str, str | None]]:
        """Annotations with what nodes have told and others cannot know yet, by node; None where there is no more."""
        keys, names, found = self.reports.keys(), self.reports.names, {}
        for (_, name), node in sorted(self._translated.all(core.Node).items()):
            told: dict[str, str | None] = {core.ENCRYPTION_KEY: keys[name]} if name in keys else {}
            if name in names:
                told[core.NETWORK_NAMES] = write_names(names[name]) or None
            known = node.metadata.annotations
            if news := {key: value for key, value in told.items() if known.get(key) != value}:
                found[name] = news
        return found

    def _unmet(self) -> dict[ObjectKey, tuple[bool, str]]:
        """Services with an address that a node should answer for and cannot; policies whose keys it does not get."""
        return {
            (entry.get("kind", "Service"), entry["namespace"], entry["name"]): (
                False,
                f"node {node}: {entry['message']}",
            )
            for node, status in sorted(self.reports.statuses.items())
            if self.ledger.connected(node)
            for entry in (*status.get("unannounced", ()), *status.get("unmet", ()))
        }

    async def _patch(
        self, kind: str, namespace: str, name: str, body: Mapping[str, object], *, subresource: str
    ) -> bool:
        """False if it is worth another try."""
        try:
            await self.client.patch(
                self.informer.served(BY_KIND[kind]), namespace, name, dict(body), subresource=subresource
            )
        except NotFound:
            return True  # deleted meanwhile
        except ApiError as err:
            log.warning("status not written", kind=kind, namespace=namespace, name=name, error=str(err))
            return False
        return True

    def advise(self, raw: RawObject) -> list[str]:
        """What translation would say of an object that is about to be stored, one line per Problem."""
        try:
            obj = parse(raw)
        except ParseError:
            return []  # the API server says what is wrong with it
        if obj.kind not in PROGRAMMED or not self.world.synced:
            return []
        stored = self._announced.over(self.world).with_changes(obj.kind, {obj.key: obj}, synced=True)
        told = self._live.translate(stored).told  # the next World is mostly this one
        return [f"{p.at.path or obj.kind}: {p.text}" for p in told.get((obj.kind, *obj.key), ())]

    def errors_of(self, key: ObjectKey) -> list[str]:
        """Why translation refuses an object, or parts of it, `path: text`; empty if it does not."""
        translation = self.translation.value
        problems = translation.told.get(key, ()) if translation is not None else ()
        return [f"{p.at.path}: {p.text}".removeprefix(": ") for p in problems if p.severity is Severity.ERROR]

    def _on_ack(self, node: str, type_url: str, versions: Mapping[str, str]) -> None:
        self.ledger.accept(node, type_url, versions)
        self._awaited.heard(node)
        self._settled.set()

    def _tell(self, world: World, key: ObjectKey, problems: Iterable[Problem]) -> None:
        """Events about an object that is refused, or a part of it."""
        kind, namespace, name = key
        obj = world.get(BY_KIND[kind].cls, namespace, name) if kind in BY_KIND else None
        if obj is not None:
            for problem in problems:
                text = f"{problem.at.path}: {problem.text}".removeprefix(": ")
                self.events.tell(say(obj, problem.code, text, warning=True))

    def _on_nack(self, node: str, type_url: str, errors: Mapping[str, tuple[str, str]]) -> None:
        self.ledger.refuse(node, type_url, errors)
        for name, (_, text) in errors.items():
            for about in self.ledger.made_from(node, (type_url, name)):
                at = Origin(kind=about[0], namespace=about[1], name=about[2])
                self._tell(self.world, about, [Problem(at=at, code=NOT_IN_FORCE, text=f"node {node}: {text}")])
        self._settled.set()
        log.warning("refused by node", node=node, type=type_url, errors={n: e[1] for n, e in errors.items()})

    def _on_connection(self, node: str, *, up: bool) -> None:
        self.ledger.connection(node, up=up)
        self._awaited.heard(node)
        if not up:
            self.reports.forget(node)
        self._settled.set()
        log.info("agent connected" if up else "agent gone", node=node)


def _trusting(translation: Translation, trust: Trust) -> Translation:
    config = msgspec.structs.replace(translation.config, roots_pem=trust.pem, signer=trust.signer)
    return msgspec.structs.replace(translation, config=config)
