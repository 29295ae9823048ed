"""A node with its DNS server, pods whose policy is about names, and a machine outside with a name server of the test's.

Everything runs in this process but Unbound: sockets are made inside namespaces, and stay there.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import msgspec

from builders import pod
from meshbuild import CONFIG
from netns.pods import NETNS, Lab, ip
from nodeviews import attached, node
from tandem.base.clock import FixedClock, SystemClock
from tandem.base.ids import PolicySetId
from tandem.base.netns import in_netns
from tandem.base.paths import NodeDir
from tandem.base.problems import Origin
from tandem.compile.dns import compile_hosts, compile_settings
from tandem.compile.nft.node import compile_nft
from tandem.drivers.dns.plan import plan as plan_dns
from tandem.drivers.dns.process import Unbound
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import Cidr, Domains, Peer, PolicySet, PortMatch, Rule, Side
from tandem.model.core import Pod
from tandem.observe.flow import Flow, Party
from tandem.observe.nflog import Attribution, open_log, watch_drops
from tandem.runtime.again import Again
from tandem.runtime.domains import DomainsLoop
from tandem.runtime.resolved import ResolvedLoop
from tandem.state.dns import Answers

DNS = ("10.96.0.10", "fd00:10:96::a")
UPSTREAM = "198.51.100.53"
OUTSIDE = ("192.0.2.0/23", "2001:db8:f::/64")
"""Every address of these is the machine's outside, which listens on port 80 of all of them."""
ORIGIN = Origin(kind="ClusterNetworkPolicy", namespace="", name="names")
ASKS_DNS = Rule(
    peers=tuple(Cidr(prefix=address) for address in ("10.96.0.10/32", "fd00:10:96::a/128")),
    ports=tuple(PortMatch(protocol=protocol, first=53, last=53) for protocol in ("TCP", "UDP")),
    origin=ORIGIN,
)
CLIENT = pod("client", ip=("10.244.0.2", "fd00:10:244::2"))
OTHER = pod("other", ip=("10.244.0.3", "fd00:10:244::3"))
CONFIGURATION = msgspec.structs.replace(
    CONFIG,
    dns_addresses=DNS,
    service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"),
    pod_networks=("10.244.0.0/16", "fd00:10:244::/64"),
)


def policy(*patterns: str, id_: str = "names", others: tuple[Peer, ...] = ()) -> PolicySet:
    """What a pod may reach that is allowed these names, and DNS."""
    allowed = Rule(peers=(Domains(patterns=patterns), *others), origin=ORIGIN)
    return PolicySet(id=PolicySetId(id_), side=Side.EGRESS, rules=(allowed, ASKS_DNS), isolated_by=(ORIGIN,))


def view_of(*policies: tuple[Pod, PolicySet | None]) -> NodeView:
    pods: list[AttachedPod] = [attached(p, egress=s.id if s is not None else None) for p, s in policies]
    return NodeView(
        node=node("node-1", "10.244.0.0/24", "fd00:10:244::/64"),
        config=CONFIGURATION,
        pods=tuple(pods),
        sets={s.id: s for _, s in policies if s is not None},
    )


class Upstream:
    """A name server: `zone` says records by name and type, `silent` that nothing is answered."""

    def __init__(self, netns: str) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.ttl = 0  # the node's server keeps nothing, and asks for each question
        self.silent = False
        self.asked: list[str] = []
        kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        self._socks = [in_netns(netns, partial(_bound, kind)) for kind in kinds]
        threading.Thread(target=self._udp, daemon=True).start()
        threading.Thread(target=self._tcp, daemon=True).start()

    def close(self) -> None:
        for sock in self._socks:
            _close(sock)

    def _udp(self) -> None:
        sock = self._socks[0]
        with suppress(OSError):
            while True:
                data, peer = sock.recvfrom(4096)
                if not data:
                    return  # closed
                if not self.silent:
                    made = self._answer(dns.message.from_wire(data))
                    wire = made.to_wire(max_size=65535)
                    if len(wire) > 512:
                        made.answer.clear()
                        made.flags |= dns.flags.TC
                        wire = made.to_wire()
                    sock.sendto(wire, peer)

    def _tcp(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socks[1].accept()
                with client, suppress(OSError, EOFError):
                    question, _ = dns.query.receive_tcp(client)
                    if not self.silent:
                        dns.query.send_tcp(client, self._answer(question).to_wire(max_size=65535))

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        made = dns.message.make_response(question)
        made.flags |= dns.flags.RA
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append(f"{name} {kind}")
        for _ in range(8):
            alias = self.zone.get((name, "CNAME"))
            if not alias:
                break
            made.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", f"{alias[0]}."))
            name = alias[0]
        records = self.zone.get((name, kind), [])
        if records:
            made.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, records))
        elif not any(n == name for n, _ in self.zone):
            made.set_rcode(dns.rcode.NXDOMAIN)
        return made


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _bound(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((UPSTREAM, 53))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def _listening() -> list[socket.socket]:
    return [
        socket.create_server(("", 80)),
        socket.create_server(("::", 80), family=socket.AF_INET6),
    ]


def _close(sock: socket.socket) -> None:
    """The shutdown ends the thread that waits for it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class NamesLab(Lab):
    """Namespaces, and what runs in the node's while `play` does."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.directory = NodeDir(path)
        self.clock = FixedClock()
        self.outside = f"{self.node}-outside"
        self.view = view_of((CLIENT, policy("example.test", "*.shop.test")), (OTHER, None))
        self.applied = 0
        self._serving = ExitStack()

    def start(self) -> None:
        super().start()
        for address in DNS:
            ip("addr", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []), netns=self.node)
        self._netns(self.outside)
        ip("link", "set", "lo", "up", netns=self.outside)
        ip("link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns", self.outside, netns=self.node)
        for netns, dev, addresses in (
            (self.node, "out0", ("198.51.100.1/24", "2001:db8:e::1/64")),
            (self.outside, "eth0", (f"{UPSTREAM}/24", "2001:db8:e::53/64")),
        ):
            for address in addresses:
                ip("addr", "add", address, "dev", dev, *(["nodad"] if ":" in address else []), netns=netns)
            ip("link", "set", dev, "up", netns=netns)
        ways = ((UPSTREAM, "198.51.100.1"), ("2001:db8:e::53", "2001:db8:e::1"))
        for prefix, (via, back) in zip(OUTSIDE, ways, strict=True):
            ip("route", "add", prefix, "via", via, netns=self.node)
            ip("route", "add", "local", prefix, "dev", "lo", netns=self.outside)
            ip("route", "add", "default", "via", back, netns=self.outside)
        # Neighbours of IPv6 are not found while the addresses of the links are checked, which takes a second.
        mac, ours = self._mac(self.outside, "eth0"), self._mac(self.node, "out0")
        ip("neigh", "add", "2001:db8:e::53", "lladdr", mac, "dev", "out0", "nud", "permanent", netns=self.node)
        ip("neigh", "add", "2001:db8:e::1", "lladdr", ours, "dev", "eth0", "nud", "permanent", netns=self.outside)
        for each in (CLIENT, OTHER):
            self.attach(each)
        self.upstream = Upstream(str(NETNS / self.outside))
        self._serving.callback(self.upstream.close)
        for server in in_netns(str(NETNS / self.outside), _listening):
            self._serving.callback(_close, server)
            threading.Thread(target=_serve, args=(server,), daemon=True).start()

    def located(self, view: NodeView) -> NodeView:
        """The view with the pods' namespaces of this lab."""
        replace = msgspec.structs.replace
        where = {p.metadata.uid: str(NETNS / self.netns_of(p)) for p in (CLIENT, OTHER)}
        return replace(view, pods=tuple(replace(p, netns=where[p.pod.uid]) for p in view.pods))

    def stop(self) -> None:
        try:
            self._serving.close()
        finally:
            super().stop()

    def play(self, work: Callable[[Agent], Awaitable[None]]) -> None:
        """Run `work` beside Unbound and an agent's loop over names, all of them in the node's namespace."""

        async def main() -> None:
            server = Unbound(self.directory)
            server.answers = Answers(upstreams=(UPSTREAM,))
            try:
                async with asyncio.timeout(60):
                    await server.start(compile_settings(self.view))
                    while not (await server.status()).ready:  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.01)
                    async with asyncio.TaskGroup() as tasks:
                        agent = Agent(self, server)
                        running = tasks.create_task(agent.run())
                        await agent.settled()
                        await work(agent)
                        running.cancel()
            finally:
                await server.stop()

        in_netns(self.path, lambda: asyncio.run(main()))

    # What a pod does. All of it blocks.

    def resolve(self, pod: Pod, name: str, kind: str = "A", *, tcp: bool = False, server: str = DNS[0]) -> list[str]:
        """The addresses in the answer."""
        query = dns.message.make_query(name, kind)
        kind_of = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        made = in_netns(str(NETNS / self.netns_of(pod)), lambda: socket.socket(_family(server), kind_of))
        with made as sock:
            if tcp:
                sock.settimeout(10)
                sock.connect((server, 53))
                answer = dns.query.tcp(query, server, timeout=10, sock=sock)
            else:
                answer = dns.query.udp(query, server, timeout=10, sock=sock)
        wanted = dns.rdatatype.from_text(kind)
        return sorted(str(r) for rrset in answer.answer if rrset.rdtype == wanted for r in rrset)

    def connect(self, pod: Pod, address: str, *, timeout: float = 0.4) -> socket.socket | None:
        """A connection to port 80, or None if there is silence."""
        sock = in_netns(str(NETNS / self.netns_of(pod)), lambda: socket.socket(_family(address), socket.SOCK_STREAM))
        sock.settimeout(timeout)
        try:
            sock.connect((address, 80))
        except TimeoutError:
            sock.close()
            return None
        sock.settimeout(5)
        return sock

    def reaches(self, pod: Pod, address: str) -> bool:
        made = self.connect(pod, address)
        if made is None:
            return False
        with made:
            return echoes(made)


def echoes(sock: socket.socket) -> bool:
    """Whether a connection still leads to a server that sends back what it gets."""
    sock.sendall(b"ping")
    try:
        return sock.recv(16) == b"ping"
    except TimeoutError:
        return False


def _serve(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_echo, args=(client,), daemon=True).start()


def _echo(client: socket.socket) -> None:
    with client, suppress(OSError):
        while data := client.recv(99):
            client.sendall(data)


class Agent:
    """As much of an agent as names need: each view that is new is put in force."""

    def __init__(self, lab: NamesLab, server: Unbound) -> None:
        self.lab = lab
        self.server = server
        self._new = asyncio.Event()
        self._seen = asyncio.Event()
        self.names = DomainsLoop(lab.directory.names, lab.clock, self._new.set)
        self.resolved = ResolvedLoop(SystemClock(), self._new.set, self.names.hear)
        self.nft = Libnftables()
        self.again = Again(time.monotonic)
        self.denied: list[Flow] = []
        self._new.set()
        self.now = lab.view

    async def run(self) -> None:
        names = Attribution(node="node-1", party=lambda address: Party(address=address), origins=lambda _: ())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.names.run())
            tasks.create_task(self.again.run())
            tasks.create_task(self.resolved.run())
            drops = watch_drops(open_log(), names, self.denied.append, clock=self.lab.clock, packets=self.again.dropped)
            tasks.create_task(drops)
            while True:
                await self._new.wait()
                self._new.clear()
                await self._answer(self.lab.view)
                self.now = self.names.into(self.resolved.into(self.lab.located(self.lab.view)))
                if delta := plan(self.nft.read(), compile_nft(self.now)):
                    await asyncio.to_thread(self.nft.apply, delta)
                    self.again.in_force(self.now)
                self._seen.set()
                self._seen = asyncio.Event()

    async def _answer(self, view: NodeView) -> None:
        hosts = compile_hosts(view)
        if hosts != self.server.answers.hosts:
            self.server.answers = Answers(hosts=hosts, upstreams=(UPSTREAM,))
            await self.server.records.apply(plan_dns(await self.server.records.read(), self.server.answers))

    async def change(self, view: NodeView) -> None:
        """Another view of control's."""
        self.lab.view = view
        self._new.set()
        await self.settled()

    async def settled(self) -> None:
        """A view was put in force since."""
        self._new.set()
        await self._seen.wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():  # noqa: ASYNC110 - what is waited for is behind a kernel and two processes
            await asyncio.sleep(0.005)

    async def knows(self, **wanted: Iterable[str]) -> None:
        """Wait until these addresses, and no others, are in force; `_` stands for `.` and `any_` for `*.`."""
        found = {_pattern(key): tuple(sorted(addresses)) for key, addresses in wanted.items() if addresses}
        await self.until(lambda: {p: a for p, a in self.now.learned.items() if a} == found)
        await self.settled()


def _pattern(key: str) -> str:
    return key.replace("any_", "*.").replace("_", ".")
