"""A connection of a pod never offers longer segments than its route carries, whatever its own link could."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from netns.podlab import ip, lab, unmount_all
from netns.test_hostports_on_kernel import OUTSIDE, OUTSIDE6, built
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan

pytestmark = pytest.mark.root
HEADERS = {4: 40, 6: 60}
"""IP and TCP without options."""


def test_the_syn_of_a_pod_offers_what_the_route_carries_in_both_families(tmp_path: Path) -> None:
    with lab() as spaces:
        try:
            place = built(spaces, tmp_path)
            place.nft.apply(plan(place.nft.read(), compile_nft(place.view)))
            ip(place.node, "route", "add", f"{OUTSIDE}/32", "dev", "up0", "mtu", "1300")
            ip(place.node, "-6", "route", "add", f"{OUTSIDE6}/128", "dev", "up0", "mtu", "1300")
            found = {}
            for version, address in ((4, OUTSIDE), (6, OUTSIDE6)):
                server = in_netns(place.outside, lambda at=address: _server(at))  # type: ignore[misc]
                place_to = (address, server.getsockname()[1])
                dial = threading.Thread(
                    target=in_netns, args=(place.pod, lambda to=place_to: socket.create_connection(to, 20).close())
                )
                with server:
                    dial.start()
                    connection, _ = server.accept()
                    with connection:
                        found[version] = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                    dial.join()
        finally:
            unmount_all(tmp_path)
    # The kernel takes off the timestamps, 12 bytes, that both ends agreed on.
    assert found == {version: 1300 - headers - 12 for version, headers in HEADERS.items()}


def _server(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, 0), family=family)
    server.settimeout(20)
    return server
