"""A node whose pods use the fast path: the compiled table, the real driver, and connections that the test holds."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from builders import pod, world
from netns.pods import Lab
from nodeviews import ifname_of, view_of
from tandem.base.addresses import family
from tandem.base.netns import in_netns
from tandem.compile.fastpath import compile_fast_path
from tandem.compile.nft.node import compile_nft
from tandem.drivers.bpf.plan import plan
from tandem.drivers.bpf.port import Delta
from tandem.drivers.bpf.real import KernelFastPath
from tandem.drivers.nft.plan import plan as plan_nft
from tandem.drivers.nft.real import Libnftables
from tandem.ir.node import NodeView
from tandem.model import core
from tandem.model.meta import Object

WEB = pod("web", ip=("10.244.0.2", "fd00:10:244::2"), app="web")
CLIENT = pod("client", ip=("10.244.0.3", "fd00:10:244::3"), app="client")
OTHER = pod("other", ip=("10.244.0.4", "fd00:10:244::4"), app="other")
PODS = (WEB, CLIENT, OTHER)
PORT = 5000
LENIENT = "net.netfilter.nf_conntrack_tcp_be_liberal"


class FastLab(Lab):
    """Three pods of both families."""

    def __init__(self) -> None:
        super().__init__()
        self.nft = Libnftables(self.path)
        self.fast = KernelFastPath(self.path)
        self.view = self.viewed()

    def start(self) -> None:
        super().start()
        self.run(self.node, f"sysctl -qw {LENIENT}=1")
        for each in PODS:
            self.attach(each)
        rules = "".join(f"oifname {ifname_of(each)} meta l4proto tcp counter;" for each in PODS)
        chain = f"chain sent {{ type filter hook postrouting priority 300; {rules} }}"
        self.within(self.node, f"nft 'table inet seen {{ {chain}; }}'")
        self.apply()

    def viewed(self, *objects: Object) -> NodeView:
        """What the node is to enforce; each pod with the MAC address that its link got."""
        found = view_of(world(*PODS, *objects))
        return msgspec.structs.replace(
            found, pods=tuple(msgspec.structs.replace(p, mac=self.mac(p.pod.name)) for p in found.pods)
        )

    def mac(self, name: str) -> str:
        netns = f"{self.node}-{name}"
        with suppress(subprocess.CalledProcessError):
            shown = subprocess.run(
                ["ip", "-n", netns, "-json", "link", "show", "eth0"], check=True, capture_output=True, text=True
            )
            return str(json.loads(shown.stdout)[0]["address"])
        return ""

    def apply(self, *objects: Object) -> None:
        """Table and fast path."""
        self.view = self.viewed(*objects)
        self.nft.apply(plan_nft(self.nft.read(), compile_nft(self.view)))
        self.follow(self.fast)

    def follow(self, driver: KernelFastPath) -> bool:
        """Make the fast path of a driver that of the view; true if links go on without it."""
        wanted = compile_fast_path(self.view)

        async def work() -> bool:
            return await driver.apply(plan(await driver.read(), wanted))

        return asyncio.run(work())

    def follow_anew(self) -> None:
        """What is known of links is of before: put it again."""
        ends = tuple(sorted(compile_fast_path(self.view)))
        asyncio.run(self.fast.apply(Delta(put=ends)))

    def packets(self) -> int:
        return asyncio.run(self.fast.packets())

    def through_the_node(self, pod_: core.Pod) -> int:
        """TCP packets that the node's own stack sent to a pod: those of the fast path are not among them."""
        listed = self.run(self.node, "nft list chain inet seen sent")
        found = re.search(rf'oifname "{ifname_of(pod_)}" .*counter packets (\d+)', listed)
        assert found, listed
        return int(found[1])

    def tracked(self, port: int) -> list[str]:
        """The lines of connection tracking on connections from this source port."""
        shown = [self.run(self.node, f"conntrack -L -f {name} -p tcp") for name in ("ipv4", "ipv6")]
        return [line for text in shown for line in text.splitlines() if f"sport={port} dport={PORT}" in line]

    def remaining(self, port: int) -> int:
        """Seconds until the entry of a connection expires."""
        (line,) = self.tracked(port)
        found = re.match(r"tcp +6 +(\d+) ", line)
        assert found, line
        return int(found[1])

    def settle(self, port: int) -> None:
        """What a second does: connection tracking knows the connection as established, and no packet need tell it."""
        kind = "ipv6" if ":" in self.tracked(port)[0].split("src=")[1].split()[0] else "ipv4"
        self.run(self.node, f"conntrack -U -f {kind} -p tcp --sport {port} --state ESTABLISHED")

    def shell(self, pod_: core.Pod, commands: str) -> str:
        """Output of commands in a pod."""
        return self.within(self.netns_of(pod_), commands)

    def within(self, netns: str, commands: str) -> str:
        argv = ["ip", "netns", "exec", netns, "sh", "-ec", commands]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def filters(self, pod_: core.Pod) -> str:
        return self.run(self.node, f"tc filter show dev {ifname_of(pod_)} ingress")

    def stop(self) -> None:
        self.fast.close()
        super().stop()


def listen(lab: FastLab, pod_: core.Pod, address: str, port: int = PORT) -> socket.socket:
    kind = socket.AF_INET if family(address) == 4 else socket.AF_INET6

    def made() -> socket.socket:
        server = socket.create_server((address, port), family=kind)
        server.settimeout(10)
        return server

    return in_netns(f"/run/netns/{lab.netns_of(pod_)}", made)


def dial(lab: FastLab, pod_: core.Pod, address: str, *, port: int = PORT, source: int = 0) -> socket.socket:
    kind = socket.AF_INET if family(address) == 4 else socket.AF_INET6

    def made() -> socket.socket:
        client = socket.socket(kind, socket.SOCK_STREAM)
        client.settimeout(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("", source))
        client.connect((address, port))
        return client

    return in_netns(f"/run/netns/{lab.netns_of(pod_)}", made)


@contextmanager
def connection(lab: FastLab, address: str = "10.244.0.2") -> Iterator[tuple[socket.socket, socket.socket]]:
    """From the client to the web pod; both ends, which have spoken."""
    with listen(lab, WEB, address) as server, dial(lab, CLIENT, address) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(10)
            talk(client, accepted)
            yield client, accepted


def talk(client: socket.socket, server: socket.socket, times: int = 1, size: int = 100) -> None:
    """A question and an answer, so often."""
    for _ in range(times):
        for one, other in ((client, server), (server, client)):
            sending = threading.Thread(target=one.sendall, args=(b"x" * size,))
            sending.start()
            left = size
            while left:
                got = other.recv(left)
                assert got, "the connection was ended"
                left -= len(got)
            sending.join()
