"""DNS at its real address and port: a pod asks 10.96.0.10 over its link, as the C library does."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from pathlib import Path

import dns.message
import dns.query
import pytest

from netns.podlab import inside, lab, unmount_all
from tandem.base.ids import ContainerId
from tandem.compile.links import compile_node_net, compile_pod_link
from tandem.drivers.link.real import KernelLinks
from tandem.podnet.dnsserver import DnsServer
from tandem.state.links import HostSide
from unit.podnet.dnsview import SHOP, query, records

pytestmark = pytest.mark.root


async def wire(pins: Path, node: str, pod: str) -> None:
    """A node with its addresses and one pod."""
    links = KernelLinks(pins, node_netns=node)
    host = HostSide(node="node-1", source="10.244.0.1", mtu=1400)
    link = compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.2",), host=host)
    await links.apply_node(compile_node_net(SHOP))
    await links.create(link, pod)
    await links.open(link, pod)
    await links.close()


def test_a_pod_resolves_a_service_by_udp_and_tcp_at_the_dns_address(tmp_path: Path) -> None:
    with lab() as spaces:
        node, pod = spaces.add("node"), spaces.add("pod")
        # The server starts before the node has the address.
        loop = asyncio.new_event_loop()
        ready = threading.Event()
        tasks: list[asyncio.Task[None]] = []
        started = threading.Event()

        async def serve() -> None:
            listening = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                tasks.append(group.create_task(DnsServer(lambda: SHOP).serve("10.96.0.10", ready=listening)))
                started.set()
                await listening.wait()
                ready.set()

        server = threading.Thread(target=lambda: inside(node, lambda: loop.run_until_complete(serve())))
        server.start()
        try:
            asyncio.run(wire(tmp_path, node, pod))
            assert ready.wait(20)
            asked = query("web.shop.svc.cluster.local")
            by_udp = inside(pod, lambda: dns.query.udp(asked, "10.96.0.10", timeout=20))
            by_tcp = inside(pod, lambda: dns.query.tcp(asked, "10.96.0.10", timeout=20))
            assert records(by_udp) == records(by_tcp) == ["A 10.96.1.1"]
            assert libc_lookup(tmp_path, pod, "web") == ["10.96.1.1"]
        finally:
            started.wait(20)
            loop.call_soon_threadsafe(tasks[0].cancel)
            server.join()
            loop.close()
            unmount_all(tmp_path)


def libc_lookup(directory: Path, netns: str, name: str) -> list[str]:
    """Addresses as getaddrinfo(3) finds them, with the pod's resolv.conf in a mount namespace of its own."""
    resolv = directory / "resolv.conf"
    resolv.write_text("nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local\noptions ndots:5\n")
    script = f"mount --bind {resolv} /etc/resolv.conf && getent ahostsv4 {name}"
    command = ["nsenter", f"--net={netns}", "unshare", "--mount", "sh", "-c", script]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted({line.split()[0] for line in out.splitlines()})
