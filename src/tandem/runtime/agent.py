"""The wiring of a node's agent: control's slice and the node's own attachments -> kernel and Envoy; facts -> control.

In: a node name, its directory, control's socket. Out: pods on the network. May not import `translate`: what a rule
means was settled by control (docs/design/0001).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from tandem.base.addresses import IPV6
from tandem.base.cell import any_newer
from tandem.base.clock import SystemClock, rfc3339
from tandem.base.digest import digest
from tandem.base.ids import ContainerId, NodeName, PodUid
from tandem.base.memory import spare_collector
from tandem.base.paths import NodeDir
from tandem.base.secret import Secret
from tandem.compile.fabric import fabric_of
from tandem.compile.names import GATEWAYS
from tandem.compile.nft.origins import Count, counters
from tandem.drivers.announce.real import KernelAnnouncer
from tandem.drivers.bgp.process import Bird
from tandem.drivers.bgp.wire import PASSWORDS
from tandem.drivers.bgp.wire import decode as decode_passwords
from tandem.drivers.bpf.real import KernelFastPath
from tandem.drivers.ca.wire import SIGN, SignRequest, SignResponse, decode_response, encode
from tandem.drivers.dns.process import Unbound
from tandem.drivers.edge import CERTIFICATES
from tandem.drivers.edge import decode as decode_pairs
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings
from tandem.drivers.exposition import Exposition
from tandem.drivers.firewall.real import Iptables
from tandem.drivers.foreign.real import KernelForeign
from tandem.drivers.health import HealthServer
from tandem.drivers.jwks.real import HttpFetcher
from tandem.drivers.link.pods_watch import KernelPodLinksWatch
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.nft.pods_watch import KernelPodsWatch
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.nft.watch import KernelWatch
from tandem.drivers.probe.real import RawProber
from tandem.drivers.spiffe.real import GrpcWorkloadApi
from tandem.drivers.wireguard.process import Wireguard
from tandem.drivers.xds.client import XdsClient
from tandem.drivers.xds.client_session import Update
from tandem.drivers.xds.server import XdsServer
from tandem.ipam.journal import Attachment, Phase
from tandem.ipam.pool import Pool
from tandem.ipam.shared import SharedJournal
from tandem.ipam.store import SqliteJournal
from tandem.ir import wire
from tandem.ir.fabric import LocalPod
from tandem.ir.node import NodeView, meshed_pods
from tandem.podnet import unmanaged
from tandem.podnet.results import Names
from tandem.podnet.verbs import Settings
from tandem.runtime import sctp, sysctls
from tandem.runtime.admission import Admission, Loops
from tandem.runtime.again import Again
from tandem.runtime.attached import Attached
from tandem.runtime.bgp import BgpLoop
from tandem.runtime.called import Called
from tandem.runtime.captures import Captures
from tandem.runtime.certificates import Pairs, secret_sources
from tandem.runtime.cni import CniService, remember
from tandem.runtime.connections import ConnectionTable
from tandem.runtime.dns import DnsLoop
from tandem.runtime.domains import DomainsLoop
from tandem.runtime.drift import Drift
from tandem.runtime.encryption import EncryptionLoop
from tandem.runtime.enforce import EnvoyLoop, KernelLoop
from tandem.runtime.facts import Facts
from tandem.runtime.fastpath import FastPathLoop
from tandem.runtime.federation import Federation, TrustFigures
from tandem.runtime.firewall import FirewallLoop
from tandem.runtime.guards import GuardLoop
from tandem.runtime.holdings import LIMITS, Holder, Limits
from tandem.runtime.host_local import shared_directories
from tandem.runtime.hostports import flush_udp
from tandem.runtime.integrity import damage
from tandem.runtime.keys import KeyFigures, KeysLoop
from tandem.runtime.metrics import KernelFigures, Metrics
from tandem.runtime.network import NetworkWatch
from tandem.runtime.outward import OutwardLoop
from tandem.runtime.pod_drift import PodDrift, together
from tandem.runtime.pod_links import PodLinks
from tandem.runtime.progress import Progress
from tandem.runtime.resolved import ResolvedLoop
from tandem.runtime.settings import NodeSettings
from tandem.runtime.slice import Slice
from tandem.runtime.turnaway import TurnAwayLoop
from tandem.runtime.views import Newest, Numbered
from tandem.state.links import HostSide
from tandem.state.ownership import NODE_TABLES, SHUT_TABLE, TABLES
from tandem.state.xds import ORDER, SECRET

log = structlog.get_logger()

ENVOY: Final = "envoy"
"""Envoy's node id towards this agent."""


class Agent:
    """One per node. `run()` never returns; podnet calls `pod`, `attached` and `detached`."""

    def __init__(self, node: NodeName, directory: NodeDir, control_socket: Path, *, limits: Limits = LIMITS) -> None:
        self._node, self._limits = node, limits
        self._dir, self._slice = directory, Slice(node)
        self._clock = SystemClock()
        self._attached = Attached()
        self._addresses: tuple[str, ...] | None = None
        self._changed = asyncio.Event()
        self._newest = Newest()
        self._control = XdsClient(f"unix:{control_socket}", node, tuple(wire.TYPES), self._on_update)
        self._xds = XdsServer(directory.xds_socket, ORDER)
        self._envoy = EnvoyProcess(EnvoySettings(node_id=ENVOY, paths=directory))
        self._unbound = Unbound(directory)
        self._dns = DnsLoop(self._unbound, self._unbound.records)
        self._domains = DomainsLoop(directory.names, self._clock, self._changed.set)
        self._resolved = ResolvedLoop(self._clock, self._changed.set, self._domains.hear)
        self._keys = KeysLoop(directory.keys, HttpFetcher(), self._clock, self._changed.set)
        self._federation = Federation(directory.bundles, GrpcWorkloadApi(), self._changed.set)
        self._bird = Bird(directory)
        self._bgp = BgpLoop(self._bird, self._bird.control, self._ask_passwords)
        self._wireguard = Wireguard(directory)
        self._encryption = EncryptionLoop(self._wireguard)
        self._links = KernelLinks(directory.netns)
        self._settings = NodeSettings(self._links, directory, self._clock, self._changed.set)
        self._network = NetworkWatch(self._links, RawProber(), self._newest.views, self._on_underlay)
        self._firewall = FirewallLoop(Iptables(), self._clock)
        self._journal = SharedJournal(SqliteJournal(directory.journal), shared_directories(directory))
        self._drift = Drift(KernelWatch(NODE_TABLES), Libnftables(table=SHUT_TABLE), self._clock)
        table = Libnftables()
        self._kernel = KernelLoop(
            table, self._links, self._on_kernel, segment=Libnftables(family="bridge"), drift=self._drift
        )
        self._pod_drift = PodDrift(KernelPodsWatch(TABLES), self._clock, self._pod_of)
        self._outward = OutwardLoop(
            KernelAnnouncer(), HealthServer(), self._kernel.outcome, control=self._control.connected
        )
        self._secrets, self._certificates = secret_sources(
            self._sign, self._ask_certificates, partial(self._xds.publish_type, ENVOY, SECRET), self._clock
        )
        self._captures = Captures(Libnftables, self._pod_drift, self._links.capture)
        self._proxy = EnvoyLoop(ENVOY, self._xds, self._captures, beside=lambda: self._secrets.bundle)
        self._holder = Holder(
            self._slice,
            self._journal,
            self._clock,
            cool_down=limits.cool_down,
            report=self._control.report,
            connected=lambda: self._control.connected.value,
        )
        self._called = Called(self._control.report)
        self._metrics = Metrics()
        self._connections = ConnectionTable(self._settings.set, self._pods_by_address)
        figures = KernelFigures(table, self._counters, self._drifted, lambda: self._facts.ended)
        self._exposition = Exposition(self._metrics.render, directory.metrics_socket, limits.metrics)
        self._facts = Facts(node, self._view, self._control.report, self._clock, figures.rules)
        self._again = Again(self._clock.monotonic)
        self._facts.on_drop, self._facts.on_unknown_key = self._again.dropped, self._keys.missed
        told = (KeyFigures(self._keys), TrustFigures(self._federation), self._facts.limited, self._connections)
        for counted in (figures, *told):
            self._metrics.registry.register(counted)
        self._guards = GuardLoop(self._facts, self._pod_drift)
        self._fast = FastPathLoop(KernelFastPath(), partial(self._settings.set, sysctls.WANTED_FOR_FAST_PATH))
        self._pod_links = PodLinks(KernelPodLinksWatch(GATEWAYS.values()), self._clock, self._pod_of, self._fast)
        self._progress = Progress(
            self._slice,
            self._control,
            kernel=self._kernel.outcome,
            proxy=self._proxy.outcome,
            guards=self._guards.outcome,
        )
        self._xds.add_access_log(self._facts.on_access_log)
        self._admission = Admission(
            Loops(kernel=self._kernel.outcome, guards=self._guards.outcome, proxy=self._proxy.outcome),
            self._control.call,
            self._metrics,
            peers_wait=limits.peers_wait,
        )

    async def run(self) -> None:
        """Until cancelled. What is in force stays in force afterwards: a restarted agent takes over from the kernel."""
        await self._settings.set(sysctls.WANTED)
        await remember(self._journal, self._links)
        await self._xds.start()
        alive = await self._links.alive()
        self._attached.take(a for a in self._journal.all() if a.phase is Phase.READY and a.container_id in alive)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._control.run())
            tasks.create_task(self._envoy.run())
            tasks.create_task(self._make_views())
            tasks.create_task(self._newest.run())
            tasks.create_task(self._drift.run())
            tasks.create_task(self._pod_drift.run())
            tasks.create_task(self._kernel.run(self._newest.foremost))
            tasks.create_task(self._proxy.run(self._newest.awaited))
            tasks.create_task(self._outward.run(self._newest.views))
            tasks.create_task(TurnAwayLoop(self._envoy).run(self._newest.views))
            tasks.create_task(self._guards.run(self._newest.awaited))
            tasks.create_task(self._progress.run())
            tasks.create_task(self._measure())
            tasks.create_task(self._exposition.run())
            tasks.create_task(self._spare_collector())
            tasks.create_task(self._secrets.run())
            tasks.create_task(self._certificates.run(self._newest.views))
            tasks.create_task(self._facts.run(self._status))
            tasks.create_task(self._holder.run())
            tasks.create_task(self._called.run(self._newest.views))
            tasks.create_task(self._introduce())
            tasks.create_task(self._unbound.run())
            tasks.create_task(self._dns.run(self._newest.views))
            tasks.create_task(self._domains.run())
            tasks.create_task(self._resolved.run())
            tasks.create_task(self._keys.run())
            tasks.create_task(self._federation.run())
            tasks.create_task(self._again.run())
            tasks.create_task(self._bird.run())
            tasks.create_task(self._bgp.run(self._newest.views))
            tasks.create_task(self._wireguard.run())
            tasks.create_task(self._encryption.run(self._newest.views))
            tasks.create_task(self._serve_cni())
            tasks.create_task(self._network.run())
            tasks.create_task(self._settings.run())
            tasks.create_task(self._connections.run())
            tasks.create_task(self._firewall.run(self._newest.views))
            tasks.create_task(self._fast.run(self._newest.views))

    async def _serve_cni(self) -> None:
        """Serve the CNI plugin as soon as control gave this node its pod prefix; before that the plugin says 11."""
        await self._newest.views.after(0)
        view = self._view()
        assert view is not None  # noqa: S101 - the first view was just put
        host = HostSide(node=self._node, sources=self.pool().gateways, mtu=view.underlay_mtu)
        names_of = Names(dns_addresses=view.config.dns_addresses, cluster_domain=view.config.cluster_domain)
        settings = Settings(host=host, names=names_of, cool_down=self._limits.cool_down)
        drivers = self._links, KernelForeign()
        service = CniService(self._dir, self._journal, drivers, self._clock, grace=self._limits.leak_grace)
        keep = partial(self._pod_links.run, views=self._newest.views)
        await service.run(self, settings, lambda uid: self._slice.pod(uid) is not None, keep)

    # What podnet asks of the node.

    async def pod(self, uid: PodUid, namespace: str, name: str, timeout: float) -> LocalPod | None:  # noqa: ASYNC109
        """The pod that control bound to this node, waiting for control to say so."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout
        while True:
            found = self._slice.pod(uid) if uid else self._slice.pod_named(namespace, name)
            if found is not None and self._slice.node is not None:
                return found
            if now() >= deadline:
                return None
            await any_newer((self._slice.revision, self._slice.revision.version), seconds=deadline - now())

    def pool(self) -> Pool:
        """The addresses that control gave this node."""
        return self._holder.pool()

    async def more(self, seconds: float) -> bool:
        """Ask control for more of them, and wait for its word."""
        return await self._holder.more(seconds)

    def fit(self, host: HostSide) -> HostSide:
        """`host` with the MTU of pods."""
        return self._network.fit(host)

    def announces(self, attachment: Attachment) -> bool:
        """Whether there are policies that may be about this pod."""
        config = self._slice.config
        return config is not None and config.announces and self._slice.pod(attachment.pod_uid) is not None

    async def announced(self, attachment: Attachment) -> None:
        """Return when whoever has rules about this pod knows its addresses, or had the time for it."""
        if self.announces(attachment):
            await self._admission.peers(attachment)

    async def attached(self, attachment: Attachment) -> None:
        """Return when policy and listeners of this pod are in force; raises DriverError."""
        pod = self._slice.pod(attachment.pod_uid)
        self._attached.take((attachment,))
        number = self._bump()
        if pod is not None and pod.meshed:
            # Envoy accepts a listener without its certificate, and then fails its first handshakes.
            await self._secrets.ensure(frozenset({pod.identity}))
        await self._admission.own(attachment, pod, number)

    def captured(self, container_id: ContainerId) -> bool:
        """Whether its traffic is turned to Envoy."""
        return container_id in self._captures

    def renewed(self, attachment: Attachment) -> None:
        """It has another MAC address or MTU."""
        self._attached.take((attachment,))
        self._bump()

    async def check(self, attachment: Attachment) -> tuple[str, ...]:
        """What of policy, redirection and proxy is missing."""
        return await damage(self._view(), attachment.container_id)

    async def degraded(self) -> tuple[str, ...]:
        """What kernel and Envoy refuse, what cuts pods off from other nodes, and an Envoy that is not there."""
        between = (*self._network.narrow(), *self._encryption.cut_off, *self._bgp.silent)
        found = (*self._settings.problems(), *self._progress.failures(), *between)
        if trouble := self._journal.trouble():
            found = (trouble, *found)
        return found if (await self._envoy.status()).ready else (*found, "Envoy is not running or not ready")

    async def detached(self, attachment: Attachment) -> None:
        """Return when nothing refers to this pod any more; a proxy that is away does not hold up DEL."""
        if self._attached.drop(attachment.container_id):
            await self._progress.passed(self._bump())

    # Views.

    def _on_update(self, update: Update) -> None:
        self._slice.take(update)
        self._metrics.due(self._slice.number, self._clock.monotonic())
        self._holder.news()
        self._changed.set()

    async def _spare_collector(self) -> None:
        """Once the first view is in force: what a cluster comes to stays."""
        await self._kernel.outcome.after(0)
        spare_collector()

    def _bump(self) -> int:
        self._slice.number += 1
        self._changed.set()
        self._metrics.due(self._slice.number, self._clock.monotonic())
        return self._slice.number

    async def _measure(self) -> None:
        seen = -1
        while True:
            seen, outcome = await self._kernel.outcome.after(seen)
            self._metrics.in_force(outcome.number, self._clock.monotonic())

    def _drifted(self) -> Mapping[str, Any]:
        watches = (self._drift, self._pod_drift, self._pod_links, self._firewall, self._settings)
        return together(*(watch.status() for watch in watches))

    def _pod_of(self, netns: str) -> str:
        view = self._view()
        found = (p.pod for p in view.pods if p.netns == netns) if view is not None else iter(())
        return next((f"{pod.namespace}/{pod.name}" for pod in found), "")

    def _pods_by_address(self) -> Mapping[str, str]:
        view = self._view()
        pods = view.pods if view is not None else ()
        return {address: f"{p.pod.namespace}/{p.pod.name}" for p in pods for address in p.addresses}

    def _counters(self) -> Mapping[str, Count]:
        view = self._view()
        return counters(view) if view is not None else {}

    async def _make_views(self) -> None:
        """Nothing is made before control has told everything once: an empty beginning would undo what is in force."""
        seen, synced = await self._control.synced.after(-1)
        while not synced:
            seen, synced = await self._control.synced.after(seen)
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._meet_underlay()
            config = self._slice.config
            await self._settings.meet(
                ipv6=any(block.family == IPV6 for block in self.pool().blocks),
                segment=config is not None and fabric_of(config.network).segment,
            )
            number = self._slice.number
            view = self._slice.view(self._attached.pods(self._slice.by_uid))
            if view is not None:
                self._secrets.trust(self._federation.secrets(view.config), view.config.signer)
                view = unmanaged.with_closed(view, self._attached.closing)
                await self._resolved.first(view)
                view = self._resolved.into(view)
                await self._newest.put(Numbered(number=number, view=self._keys.into(self._domains.into(view))))
                speaking = (*(p.pod.identity for p in meshed_pods(view.pods)), *_identities(view))
                self._secrets.need(frozenset(speaking))

    async def _meet_underlay(self) -> None:
        """The underlay's MTU belongs to the interface with the node's address, which only control may know."""
        node = self._slice.node
        if node is not None and node.addresses != self._addresses:
            self._slice.underlay_mtu = await self._network.underlay(node.addresses)
            self._addresses = node.addresses

    def _on_underlay(self, mtu: int) -> None:
        self._slice.underlay_mtu = mtu
        self._bump()

    async def _sign(self, request: SignRequest) -> SignResponse:
        return decode_response(await self._control.call(SIGN, encode(request)))

    def _view(self) -> NodeView | None:
        newest = self._newest.awaited.value
        return newest.view if newest is not None else None

    async def _introduce(self) -> None:
        """Tell each new control what an earlier one was told."""
        seen = -1
        while True:
            seen, connected = await self._control.connected.after(seen)
            if connected:
                self._facts.again()
                self._holder.again()
                self._called.again()

    def _on_kernel(self, before: NodeView | None, now: NodeView) -> None:
        flush_udp(before, now)
        self._facts.on_policy_change(before, now)
        self._again.in_force(now)

    async def _status(self) -> Mapping[str, Any]:
        return {
            "pid": os.getpid(),
            "envoy": asdict(await self._envoy.status()) | {"acknowledged": self._acknowledged()},
            "dns": asdict(await self._unbound.status()),
            **({"bgp": await self._bgp_status()} if self._bgp.speaker is not None else {}),
            "names": self._domains.status(),
            "resolved": self._resolved.status(),
            "tokenKeys": self._keys.status(),
            "unmet": [*self._keys.unmet(), *self._federation.unmet(), *self._facts.unanswered.unmet()],
            "encryption": self._encryption.status(),
            "fastPath": await self._fast.status(),
            "certificates": [
                {"identity": c.identity, "notAfter": rfc3339(c.not_after), "signer": c.signer}
                for c in self._secrets.certificates.values()
            ],
            "attachments": len(self._attached),
            "unannounced": self._outward.unannounced(),
            "drift": self._drifted(),
            "figures": self._metrics.totals() | {"connectionsEnded": self._facts.ended},
            "problems": [
                *self._secrets.failures.values(),
                *self._certificates.failed.values(),
                *self._settings.problems(),
                *self._progress.failures(),
                *self._drift.problems(),
                *self._pod_drift.problems(),
                *self._pod_links.problems(),
                *self._outward.outcome.value.failed.values(),
                *sctp.problems(self._view()),
                *self._dns.failed.values(),
                *self._called.problems(),
                *self._domains.failed.values(),
                *self._keys.failed,
                *self._federation.failed,
                *self._network.narrow(),
                *self._firewall.problems(),
                *self._connections.problems(),
                *self._bgp.failed.values(),
                *self._encryption.failed.values(),
            ],
            "network": self._network.status(
                (*self._kernel.far, *self._bgp.failed.values(), *self._encryption.failed.values())
            )
            | {"opened": list(self._firewall.opened)},
        }

    async def _ask_passwords(self) -> Mapping[str, Secret]:
        return decode_passwords(await self._control.call(PASSWORDS, b""))

    async def _ask_certificates(self) -> Pairs:
        return decode_pairs(await self._control.call(CERTIFICATES, b""))

    async def _bgp_status(self) -> dict[str, Any]:
        return asdict(await self._bird.status()) | {"sessions": self._bgp.sessions()}

    def _acknowledged(self) -> dict[str, dict[str, Any]]:
        """Per type what Envoy has in force: how many resources, and one version over all of theirs."""
        found: dict[str, dict[str, Any]] = {}
        for url in ORDER:
            versions = self._xds.accepted_versions(ENVOY, url)
            joined = ",".join(f"{name}={version}" for name, version in sorted(versions.items()))
            found[url.rpartition(".")[2]] = {"resources": len(versions), "version": digest(joined, 12)}
        return found


def _identities(view: NodeView) -> tuple[str, ...]:
    return tuple(gateway.identity for gateway in view.gateways.values())


def new_agent(node: str, directory: NodeDir, control_socket: Path, limits: Limits = LIMITS) -> Agent:
    """An agent over the real drivers."""
    directory.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Agent(NodeName(node), directory, control_socket, limits=limits)
