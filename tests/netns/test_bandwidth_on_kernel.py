"""The capability `bandwidth` by packets: what a pod receives and sends has the rate that the runtime asked for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from netns.cnilab import Node, running
from netns.podlab import ip
from tandem.base.netns import in_netns

pytestmark = pytest.mark.root

RATES: Final = {"ingressRate": 16_000_000, "ingressBurst": 800_000, "egressRate": 32_000_000, "egressBurst": 800_000}
SECONDS: Final = 2.0
PORT: Final = 8000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path, "fd00:10:244::/64") as made:
        yield made


def rate(sender: str, receiver: str, address: str) -> float:
    """Bits a second that arrive, after the first half of the time: what a bucket held has gone by then."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = in_netns(receiver, lambda: socket.create_server((address, PORT), family=family))
    server.settimeout(10)
    ends = time.monotonic() + SECONDS

    def send() -> None:
        client = in_netns(sender, lambda: socket.create_connection((address, PORT), timeout=10))
        with client:
            while time.monotonic() < ends:
                client.sendall(bytes(65536))

    sending = threading.Thread(target=send)
    sending.start()
    with server, server.accept()[0] as connection:
        got, began = 0, 0.0
        while data := connection.recv(1 << 18):
            now = time.monotonic()
            if not began and now > ends - SECONDS / 2:
                began = now
            got += len(data) if began else 0
            if now > ends:
                break
        took = time.monotonic() - began
        while connection.recv(1 << 18):  # what is on the way still
            pass
    sending.join()
    return got * 8 / took


@pytest.mark.parametrize("version", [0, 1], ids=["IPv4", "IPv6"])
def test_a_pod_receives_and_sends_no_faster_than_it_was_given_and_nearly_so_fast(node: Node, version: int) -> None:
    limited, free = node.spaces.add("limited"), node.spaces.add("free")
    asked = node.cni("ADD", "limited", limited, runtimeConfig={"bandwidth": RATES})
    other = node.cni("ADD", "free", free)
    slow, quick = (done.answer["ips"][version]["address"].partition("/")[0] for done in (asked, other))
    receives, sends = rate(free, limited, slow), rate(limited, free, quick)
    # Of what passes, a part is headers; and a busy machine may be late.
    assert RATES["ingressRate"] * 0.5 < receives < RATES["ingressRate"] * 1.1
    assert RATES["egressRate"] * 0.5 < sends < RATES["egressRate"] * 1.1
    assert rate(node.netns, free, quick) > 2 * RATES["egressRate"]
    assert node.cni("CHECK", "limited", limited, prevResult=asked.answer).out == ""
    assert node.cni("DEL", "limited", limited).status == 0
    assert "tbf" not in ip(node.netns, "-d", "link", "show")
