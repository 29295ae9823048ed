"""The wiring of the control plane: API watch -> World -> translate -> slices -> agents; acknowledgements -> status.

In: an API client and a socket for the agents. Out: resources on that socket, conditions on objects. May not import
`compile`: what a node makes of the IR is the node's business (docs/design/0001).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock
from tandem.base.ids import NodeName
from tandem.base.problems import Origin, Problem, Severity
from tandem.drivers.bgp.wire import PASSWORDS
from tandem.drivers.bgp.wire import encode as encode_passwords
from tandem.drivers.ca.authority import Authority
from tandem.drivers.ca.wire import SIGN
from tandem.drivers.xds.client import REPORTS
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.server import XdsServer
from tandem.identity.issuance import Binding, allowed
from tandem.ingest.informer import Informer
from tandem.ingest.kube import ApiError, KubeClient, NotFound
from tandem.ir import wire
from tandem.model import core
from tandem.model.kinds import BY_KIND, KINDS, POLICIES
from tandem.model.meta import RawObject
from tandem.model.parse import ParseError, parse
from tandem.model.world import World
from tandem.observe.flow import Party
from tandem.runtime.authority import sign_for
from tandem.runtime.ledger import Ledger, ObjectKey, ResourceKey, Sent
from tandem.runtime.reports import Reports
from tandem.translate.network import passwords_for
from tandem.translate.slices import slice_for
from tandem.translate.status import PATHS_BROKEN, patches
from tandem.translate.world import Options, Translation, translate_world

log = structlog.get_logger()

DRAINED: Final = "tandem.io/drained"
"""Annotation on a terminating pod: every kernel and proxy has acknowledged that its endpoints are gone."""
RETRY_SECONDS: Final = 0.5
UNTRANSLATED: Final = frozenset({"Lease"})
"""Kinds that mean nothing for traffic, and change all the time (`runtime/lifecycle.py` watches them)."""
"""Before status that the API refused is written again."""

ADVISED: Final = frozenset(
    {*POLICIES, "VirtualService", "DestinationRule", "PeerAuthentication", "HTTPRoute", "Network"}
)


class Control:
    """One per cluster. `run()` never returns; everything else is read by the HTTP views."""

    def __init__(
        self, client: KubeClient, server: XdsServer, authority: Authority, *, options: Options, clock: Clock
    ) -> None:
        self.client = client
        self.authority = authority
        self.server = server
        self.options = options
        self.clock = clock
        self.ledger = Ledger()
        self.reports = Reports()
        self.informer = Informer(client, tuple(k for k in KINDS if k.kind not in UNTRANSLATED))
        self.translation: Cell[Translation | None] = Cell(None)
        self._translated = World()
        self._settled = asyncio.Event()
        self._encoded: dict[tuple[str, str], tuple[wire.Value, Encoded, Sent]] = {}
        server.add_unary(SIGN, self._sign)
        server.add_unary(PASSWORDS, self._passwords)
        server.add_push(REPORTS, self._report)
        server.on_ack = self._on_ack
        server.on_nack = self._on_nack
        server.on_connect = lambda node: self._on_connection(node, up=True)
        server.on_disconnect = lambda node: self._on_connection(node, up=False)

    @property
    def world(self) -> World:
        """The newest World."""
        return self.informer.world.value

    async def run(self) -> None:
        """Watch, translate, publish, report; until cancelled."""
        await self.server.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.informer.run())
                tasks.create_task(self._translate())
                tasks.create_task(self._write_status())
        finally:
            await self.server.stop()

    async def _sign(self, node: str, request: bytes) -> bytes:
        """A node may hold the identities of the pods that are bound to it, and no others."""
        translation = self.translation.value
        pods = translation.pods if translation is not None else {}
        nodes = translation.pod_nodes if translation is not None else {}
        bindings = (Binding(node=nodes[uid], identity=pod.identity) for uid, pod in pods.items())
        may = allowed(bindings, NodeName(node))
        return sign_for(self.authority, node, request, allowed=may, now=self.clock.now())

    async def _passwords(self, node: str, _: bytes) -> bytes:
        """A node may know the passwords of the sessions that it is to have, and no others."""
        return encode_passwords(passwords_for(self.world, node))

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
        return self._unannounced(), self.reports.unconnected((node,)), self.reports.keys().get(node)

    def _named(self, party: Party) -> Party:
        """An end of a flow with the names that its address has in the cluster."""
        if party.pod or not party.address:
            return party
        pod = self.world.pods_by_address.get(party.address)
        if pod is None:
            return party
        return msgspec.structs.replace(party, namespace=pod.metadata.namespace, pod=pod.metadata.name)

    async def _translate(self) -> None:
        seen = -1
        while True:
            seen, world = await self.informer.world.after(seen)
            if not world.synced:
                continue
            started = time.perf_counter()
            translation = translate_world(world, self.options)
            self._publish(world, translation)
            self._translated = world
            self.translation.put(translation)
            self._settled.set()
            log.debug("translated", ms=round((time.perf_counter() - started) * 1000, 1), nodes=len(self.ledger.nodes))

    def _publish(self, world: World, translation: Translation) -> None:
        nodes = {name for _, name in world.all(core.Node)}
        for gone in set(self.ledger.nodes) - nodes:
            self.ledger.forget([gone])
            self.server.forget(gone)
        used: set[ResourceKey] = set()
        for node in sorted(nodes):
            resources: dict[str, dict[str, Encoded]] = {}
            sent: dict[ResourceKey, Sent] = {}
            for type_url, values in slice_for(node, translation).items():
                named = resources.setdefault(type_url, {})
                for name, value in values.items():
                    named[name], sent[type_url, name] = self._encode(type_url, name, value)
            self.ledger.sent(node, sent)
            used |= sent.keys()
            self.server.publish(node, resources)
        self._encoded = {k: v for k, v in self._encoded.items() if k in used}

    def _encode(self, type_url: str, name: str, value: wire.Value) -> tuple[Encoded, Sent]:
        """Encoded once for all nodes, and again only when the value changed."""
        before = self._encoded.get((type_url, name))
        if before is not None and (before[0] is value or before[0] == value):
            return before[1], before[2]
        data = wire.encode(value)
        encoded = Encoded(name=name, version=wire.version(data), value=data)
        sent = Sent(
            version=encoded.version, objects=frozenset((o.kind, o.namespace, o.name) for o in wire.origins(value))
        )
        self._encoded[type_url, name] = (value, encoded, sent)
        return encoded, sent

    async def _write_status(self) -> None:
        written = -1
        while True:
            await self._settled.wait()
            self._settled.clear()
            translation = self.translation.value
            if translation is None or self.ledger.revision == written:
                continue
            written = self.ledger.revision
            verdicts = {k: (p.ok, p.message) for k, p in self.ledger.programmed().items()} | self._unannounced()
            wrote = True
            found = (*translation.problems, *self._unconnected()), verdicts, self.clock.now()
            for patch in patches(self._translated, *found, given=translation.balancers.given):
                wrote &= await self._patch(patch.kind, patch.namespace, patch.name, patch.body, subresource="status")
            for pod in self._drained(translation):
                body = {"metadata": {"annotations": {DRAINED: "true"}}}
                wrote &= await self._patch("Pod", pod.metadata.namespace, pod.metadata.name, body, subresource="")
            for name, key in self._untold().items():
                body = {"metadata": {"annotations": {core.ENCRYPTION_KEY: key}}}
                wrote &= await self._patch("Node", "", name, body, subresource="")
            if not wrote:
                await asyncio.sleep(RETRY_SECONDS)
                written = -1
                self._settled.set()

    def _unconnected(self) -> list[Problem]:
        """What nodes say of their paths to others, as Problems of the one Network."""
        at = Origin(kind="Network", name="default")
        sentences = self.reports.unconnected(self.ledger.nodes)
        return [Problem(at=at, code=PATHS_BROKEN, text=text, severity=Severity.WARNING) for text in sentences]

    def _untold(self) -> dict[str, str]:
        """Keys of WireGuard that nodes have told and others cannot know yet, by node."""
        nodes = self._translated.all(core.Node)
        return {
            name: key
            for name, key in self.reports.keys().items()
            if ("", name) in nodes and nodes["", name].metadata.annotations.get(core.ENCRYPTION_KEY) != key
        }

    def _unannounced(self) -> dict[ObjectKey, tuple[bool, str]]:
        """Services with an address that a node should answer for and cannot."""
        return {
            ("Service", entry["namespace"], entry["name"]): (False, f"node {node}: {entry['message']}")
            for node, status in sorted(self.reports.statuses.items())
            if self.ledger.connected(node)
            for entry in status.get("unannounced", ())
        }

    def _drained(self, translation: Translation) -> list[core.Pod]:
        """Terminating pods that no node sends traffic to any more."""
        leaving = [
            p
            for p in self._translated.sorted(core.Pod)
            if p.terminating and p.addresses and DRAINED not in p.metadata.annotations
        ]
        if not leaving:
            return []
        used = {e.address for service in translation.endpoints.values() for e in service.endpoints}
        keys = [(wire.PREFIX + "Endpoints", name) for name in translation.endpoints]
        up = [n for n in self.ledger.nodes if self.ledger.connected(n)]
        if not all(self.ledger.settled(n, keys) for n in up):
            return []
        return [p for p in leaving if not used.intersection(p.addresses)]

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
        if obj.kind not in ADVISED or not self.world.synced:
            return []
        kept = {**self.world.all(type(obj)), obj.key: obj}
        problems = translate_world(self.world.with_kind(obj.kind, kept, synced=True), self.options).problems
        return [f"{p.at.path or obj.kind}: {p.text}" for p in problems if _key(p) == (obj.kind, *obj.key)]

    def errors_of(self, key: ObjectKey) -> list[str]:
        """Why translation refuses an object, or parts of it; empty if it does not."""
        translation = self.translation.value
        problems = translation.problems if translation is not None else ()
        return [p.text for p in problems if p.severity is Severity.ERROR and _key(p) == key]

    def _on_ack(self, node: str, type_url: str, versions: Mapping[str, str]) -> None:
        self.ledger.accept(node, type_url, versions)
        self._settled.set()

    def _on_nack(self, node: str, type_url: str, errors: Mapping[str, tuple[str, str]]) -> None:
        self.ledger.refuse(node, type_url, errors)
        self._settled.set()
        log.warning("refused by node", node=node, type=type_url, errors={n: e[1] for n, e in errors.items()})

    def _on_connection(self, node: str, *, up: bool) -> None:
        self.ledger.connection(node, up=up)
        if not up:
            self.reports.forget_holdings(node)
        self._settled.set()
        log.info("agent connected" if up else "agent gone", node=node)


def _key(problem: Problem) -> ObjectKey:
    return problem.at.kind, problem.at.namespace, problem.at.name
