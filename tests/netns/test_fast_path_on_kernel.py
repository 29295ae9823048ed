"""The fast path with real packets: what goes it, what does not, and what connection tracking knows afterwards."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Iterator

import msgspec
import pytest

from builders import endpoint_slice, policy, service
from netns.fastlab import CLIENT, OTHER, PODS, PORT, WEB, FastLab, connection, dial, listen, talk
from nodeviews import ifname_of
from tandem.base.netns import in_netns
from tandem.drivers.bpf.port import Held
from tandem.drivers.bpf.real import KernelFastPath
from tandem.model.core import Pod
from tandem.observe.conntrack import establish
from tandem.runtime.established import end_denied
from tandem.state.ownership import ENDED_BY_DESTINATION, ENDED_BY_SOURCE

pytestmark = pytest.mark.root

FAMILIES = ("10.244.0.2", "fd00:10:244::2")
DENY = policy("deny-all", podSelector={"matchLabels": {"app": "web"}}, ingress=[], policyTypes=["Ingress"])
ALLOW = policy("allow-all", podSelector={"matchLabels": {"app": "web"}}, ingress=[{}], policyTypes=["Ingress"])
SYN, ACK, FIN_ACK, SYN_ACK = 0x02, 0x10, 0x11, 0x12
TRANSPARENT = 19
"""IP_TRANSPARENT of linux/in.h."""
TAKE_OVER = (
    "nft 'add table inet t; add chain inet t p { type filter hook prerouting priority -150; };"
    " add rule inet t p meta nfproto ipv4 tcp dport 80 counter tproxy ip to :15006 meta mark set 7';"
    " ip rule add fwmark 7 lookup 7; ip route add local default dev lo table 7"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[FastLab]:
    made = FastLab()
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("address", FAMILIES)
def test_what_is_established_goes_from_link_to_link(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        lab.settle(client.getsockname()[1])
        fast, slow = lab.packets(), lab.through_the_node(WEB)
        talk(client, server, times=100)
        assert lab.packets() - fast >= 200
        assert lab.through_the_node(WEB) == slow


@pytest.mark.parametrize("address", FAMILIES)
def test_segments_larger_than_packets_arrive_whole(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        talk(client, server, times=2, size=2_000_000)


@pytest.mark.parametrize("address", FAMILIES)
def test_a_packet_has_one_hop_less_and_the_addresses_of_the_next_link(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        lab.settle(client.getsockname()[1])
        tap = in_netns(f"/run/netns/{lab.netns_of(WEB)}", _tap)
        with tap:
            fast = lab.packets()
            talk(client, server)
            frame = next(f for f in iter(lambda: tap.recv(2000), b"") if _to_port(f))
            assert lab.packets() > fast
        mac = lab.run(lab.node, f"cat /sys/class/net/{ifname_of(WEB)}/address").strip()
        assert frame[:12] == bytes.fromhex((lab.mac("web") + mac).replace(":", ""))
        if ":" in address:
            assert frame[14 + 7] == 63
        else:
            assert frame[14 + 8] == 63
            words = sum(struct.unpack("!10H", frame[14:34]))
            assert (words & 0xFFFF) + (words >> 16) == 0xFFFF


def _tap() -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind(("eth0", 0))
    made.settimeout(10)
    return made


def _to_port(frame: bytes) -> bool:
    tcp = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(frame[12:14])
    return tcp is not None and frame[tcp + 2 : tcp + 4] == PORT.to_bytes(2, "big")


@pytest.mark.parametrize("address", FAMILIES)
def test_a_policy_that_denies_ends_a_fast_connection(lab: FastLab, address: str) -> None:
    lab.apply(ALLOW)
    with connection(lab, address) as (client, server):
        talk(client, server, times=100)
        lab.apply(DENY)
        assert len(in_netns(lab.path, lambda: end_denied(None, lab.view))) == 1
        fast, dropped = lab.packets(), _dropped(lab, "no connection begins in the middle")
        client.sendall(b"still there?")
        server.sendall(b"yes")
        while _dropped(lab, "no connection begins in the middle") < dropped + 2:
            pass  # both packets, which the kernel sends again and again
        assert lab.packets() == fast
        assert not lab.tracked(client.getsockname()[1])
        for end in (client, server):  # so that nothing is sent again once it is allowed
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    lab.apply()


def _dropped(lab: FastLab, comment: str) -> int:
    listed = lab.run(lab.node, "nft list table inet tandem")
    found = re.findall(rf'counter packets (\d+) bytes \d+ drop comment "{comment}"', listed)
    assert found, listed
    return sum(map(int, found))


def test_a_pod_cannot_use_the_connection_of_another(lab: FastLab) -> None:
    with connection(lab) as (client, server):
        lab.settle(client.getsockname()[1])
        fast, slow, dropped = lab.packets(), lab.through_the_node(WEB), _dropped(lab, "not the pod's own address")
        _send(lab, OTHER, client.getsockname()[1])
        assert (lab.packets(), lab.through_the_node(WEB)) == (fast, slow)
        assert _dropped(lab, "not the pod's own address") > dropped
        _send(lab, CLIENT, client.getsockname()[1])
        assert lab.packets() > fast  # the same packet, from whose it is
        talk(client, server)


def _send(lab: FastLab, sender: Pod, port: int, flags: int = ACK) -> None:
    """A packet of the client's connection, put on the link of a pod; of the web pod: an answer."""
    gateway = lab.run(lab.node, f"cat /sys/class/net/{ifname_of(sender)}/address").strip()
    ethernet = bytes.fromhex((gateway + lab.mac(sender.metadata.name)).replace(":", "")) + b"\x08\x00"
    addresses, ports = ["10.244.0.3", "10.244.0.2"], [port, PORT]
    if sender is WEB:
        addresses, ports = addresses[::-1], ports[::-1]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + b"".join(map(socket.inet_aton, addresses))
    tcp = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, flags, 100, 0, 0)
    sums = _checksum(header), _checksum(header[12:] + struct.pack("!HH", 6, len(tcp)) + tcp)
    with in_netns(f"/run/netns/{lab.netns_of(sender)}", _tap) as wire:
        wire.send(ethernet + header[:10] + sums[0] + header[12:] + tcp[:16] + sums[1] + tcp[18:])


def _checksum(data: bytes) -> bytes:
    words = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return struct.pack("!H", 0xFFFF & ~((words & 0xFFFF) + (words >> 16)))


@pytest.mark.parametrize("address", FAMILIES)
def test_all_but_the_beginning_goes_the_fast_path_and_what_has_ended_is_soon_forgotten(
    lab: FastLab, address: str
) -> None:
    fast, slow = lab.packets(), lab.through_the_node(WEB) + lab.through_the_node(CLIENT)
    with connection(lab, address) as (client, server):
        talk(client, server, times=100, size=10_000)
        port = client.getsockname()[1]
        (line,) = lab.tracked(port)
        assert "[ASSURED]" in line
        assert lab.remaining(port) > 400_000
        server.close()
        assert client.recv(1) == b""
        client.close()
    (line,) = lab.tracked(port)
    assert f" mark={ENDED_BY_SOURCE | ENDED_BY_DESTINATION} " in line
    assert lab.remaining(port) <= 10
    assert lab.packets() - fast >= 203, "an answer, its confirmation, 200 of data, two ends"
    # One begins it; where this took more than a second, one of the client's puts the state right.
    assert lab.through_the_node(WEB) + lab.through_the_node(CLIENT) in {slow + 1, slow + 2}


@pytest.mark.parametrize("address", FAMILIES)
def test_a_connection_from_the_port_of_one_that_has_ended_is_a_new_one(lab: FastLab, address: str) -> None:
    lab.within(lab.node, "nft add table inet new; nft 'add chain inet new c { type filter hook forward priority 5; }'")
    lab.within(lab.node, f"nft add rule inet new c tcp dport {PORT} ct state new counter")
    with connection(lab, address) as (client, server):
        port = client.getsockname()[1]
        server.close()
        assert client.recv(1) == b""
        client.close()
    assert _new(lab) == 1
    with listen(lab, WEB, address) as listening, dial(lab, CLIENT, address, source=port) as again:
        accepted, _ = listening.accept()
        with accepted:
            talk(again, accepted, times=10)
            (line,) = lab.tracked(port)
            assert " mark=0 " in line
            assert lab.remaining(port) > 400_000
    assert _new(lab) == 2
    lab.run(lab.node, "nft delete table inet new")


def _new(lab: FastLab) -> int:
    found = re.search(r"counter packets (\d+)", lab.run(lab.node, "nft list table inet new"))
    assert found
    return int(found[1])


@pytest.mark.parametrize("address", FAMILIES)
def test_one_that_is_half_closed_lives_while_the_other_end_speaks(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        port = client.getsockname()[1]
        family = "ipv6" if ":" in address else "ipv4"
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        assert f" mark={ENDED_BY_SOURCE} " in lab.tracked(port)[0]
        assert 60 < lab.remaining(port) <= 120
        lab.run(lab.node, f"conntrack -U -f {family} -p tcp --sport {port} -t 30")
        slow = lab.through_the_node(CLIENT)
        server.sendall(b"x")
        assert client.recv(1) == b"x"
        assert lab.remaining(port) > 60
        server.close()
        assert client.recv(1) == b""
        assert lab.remaining(port) <= 10
        assert lab.through_the_node(CLIENT) == slow


def test_an_end_that_is_sent_again_is_not_taken_for_the_other_ones(lab: FastLab) -> None:
    with connection(lab) as (client, server):
        port = client.getsockname()[1]
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        fast = lab.packets()
        _send(lab, CLIENT, port, flags=FIN_ACK)
        assert lab.packets() > fast
        assert f" mark={ENDED_BY_SOURCE} " in lab.tracked(port)[0]
        assert lab.remaining(port) > 60


@pytest.mark.parametrize("address", FAMILIES)
def test_the_state_of_what_lasts_is_put_right(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        port, slow = client.getsockname()[1], lab.through_the_node(WEB)
        _age(lab, port)
        talk(client, server)
        assert " ESTABLISHED " in lab.tracked(port)[0]
        assert lab.through_the_node(WEB) == slow + 1
        talk(client, server, times=100)
        assert lab.through_the_node(WEB) == slow + 1


@pytest.mark.parametrize("address", FAMILIES)
def test_the_entry_that_lasts_is_judged_like_any_other(lab: FastLab, address: str) -> None:
    lab.apply(ALLOW)
    with connection(lab, address) as (client, server):
        port, family = client.getsockname()[1], "ipv6" if ":" in address else "ipv4"
        lab.run(lab.node, f"conntrack -U -f {family} -p tcp --sport {port} --mark 7")
        _age(lab, port)
        talk(client, server, times=10)
        (line,) = lab.tracked(port)
        assert " ESTABLISHED " in line
        assert " mark=7 " in line
        assert "[ASSURED]" in line
        lab.apply(DENY)
        assert len(in_netns(lab.path, lambda: end_denied(None, lab.view))) == 1
        assert not lab.tracked(port)
        for end in (client, server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    lab.apply()


def _age(lab: FastLab, port: int) -> None:
    """Until a connection is no more than begun."""
    while lab.remaining(port) > 432_000 - 2:
        time.sleep(0.1)


@pytest.mark.parametrize("address", FAMILIES)
def test_between_links_of_two_sizes_the_smaller_ones_packets_are_fast(lab: FastLab, address: str) -> None:
    """What the other side sends takes the chains, which say if it is too big: so they have to know of the answer."""
    lab.run(lab.node, f"ip link set {ifname_of(CLIENT)} mtu 1400")
    lab.follow_anew()
    try:
        for server_of, client_of in ((WEB, CLIENT), (CLIENT, WEB)):
            at = address if server_of is WEB else f"{address[:-1]}3"
            with listen(lab, server_of, at) as listening, dial(lab, client_of, at) as client:
                accepted, _ = listening.accept()
                with accepted:
                    accepted.settimeout(10)
                    assert " SYN_SENT " not in lab.tracked(client.getsockname()[1])[0]
                    fast = lab.packets()
                    talk(client, accepted, times=10)
                    assert lab.packets() >= fast + 10
    finally:
        lab.run(lab.node, f"ip link set {ifname_of(CLIENT)} mtu 1500")
        lab.follow_anew()


@pytest.mark.parametrize("address", FAMILIES)
def test_a_connection_outlives_that_a_link_becomes_narrower(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        assert " SYN_SENT " in lab.tracked(client.getsockname()[1])[0]
        lab.run(lab.node, f"ip link set {ifname_of(WEB)} mtu 1400")
        lab.follow_anew()
        try:
            slow = lab.through_the_node(WEB)
            talk(client, server, times=10)
            assert lab.through_the_node(WEB) >= slow + 10
            assert " ESTABLISHED " in lab.tracked(client.getsockname()[1])[0]
        finally:
            lab.run(lab.node, f"ip link set {ifname_of(WEB)} mtu 1500")
            lab.follow_anew()


def test_an_answer_to_nothing_is_for_the_chains(lab: FastLab) -> None:
    fast = lab.packets()
    _send(lab, WEB, 40_000, flags=SYN_ACK)
    assert lab.packets() == fast
    assert not lab.tracked(40_000)


def test_who_begins_cannot_answer(lab: FastLab) -> None:
    lab.shell(WEB, "nft 'table ip hold { chain c { type filter hook input priority 0; drop; }; }'")
    port = 40_001
    try:
        _send(lab, CLIENT, port, flags=SYN)
        assert "[UNREPLIED]" in lab.tracked(port)[0]
        fast = lab.packets()
        _send(lab, CLIENT, port, flags=SYN_ACK)
        _send(lab, CLIENT, port)
        assert lab.packets() == fast
        assert "[UNREPLIED]" in lab.tracked(port)[0]
        _send(lab, WEB, port, flags=SYN_ACK)
        assert lab.packets() == fast + 1
        assert "[UNREPLIED]" not in lab.tracked(port)[0]
        assert lab.remaining(port) <= 60
    finally:
        lab.shell(WEB, "nft delete table ip hold")


def test_the_destination_cannot_confirm_a_connection(lab: FastLab) -> None:
    lab.shell(CLIENT, "nft 'table ip hold { chain c { type filter hook output priority 0; tcp flags ack drop; }; }'")
    with listen(lab, WEB, "10.244.0.2"), dial(lab, CLIENT, "10.244.0.2") as client:
        port, fast = client.getsockname()[1], lab.packets()
        _send(lab, WEB, port)
        assert " SYN_SENT " in lab.tracked(port)[0]
        assert "[ASSURED]" not in lab.tracked(port)[0]
        assert lab.packets() == fast
        lab.shell(CLIENT, "nft delete table ip hold")
        client.sendall(b"x")
        while "[ASSURED]" not in lab.tracked(port)[0]:
            pass  # it, or what the client says again, is under way
        assert lab.packets() > fast


@pytest.mark.parametrize("address", FAMILIES)
def test_a_reset_arrives_and_its_entry_expires_soon(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        talk(client, server, times=100, size=10_000)
        port = client.getsockname()[1]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        client.close()
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        assert not lab.tracked(port) or lab.remaining(port) <= 10


@pytest.mark.parametrize("address", FAMILIES)
def test_an_entry_does_not_expire_while_packets_pass(lab: FastLab, address: str) -> None:
    with connection(lab, address) as (client, server):
        port = client.getsockname()[1]
        family = "ipv6" if ":" in address else "ipv4"
        lab.settle(port)
        lab.run(lab.node, f"conntrack -U -f {family} -p tcp --sport {port} -t 100")
        assert lab.remaining(port) <= 100
        fast = lab.packets()
        talk(client, server)
        assert lab.packets() > fast
        assert lab.remaining(port) > 400_000


def test_links_go_on_without_the_agent_and_the_next_one_takes_over(lab: FastLab) -> None:
    with connection(lab) as (client, server):
        lab.settle(client.getsockname()[1])
        lab.fast.close()
        slow = lab.through_the_node(WEB)
        talk(client, server, times=100)
        assert lab.through_the_node(WEB) == slow
        lab.fast = KernelFastPath(lab.path)
        links = frozenset(map(ifname_of, PODS))
        assert asyncio.run(lab.fast.read()) == Held(earlier=links)
        lab.follow(lab.fast)
        assert asyncio.run(lab.fast.read()).links == links
        began = lab.packets()
        assert began < 10, "it counts anew; a late acknowledgement may be among it"
        talk(client, server, times=100)
        assert lab.packets() >= began + 200
        assert lab.through_the_node(WEB) == slow
        assert lab.filters(WEB).count("tandem-fast") == 1


def test_what_is_translated_takes_the_chains(lab: FastLab) -> None:
    web = service("web", ip="10.96.0.20", ports=[{"name": "http", "port": 80, "targetPort": PORT}])
    lab.apply(web, endpoint_slice(web, [WEB]))
    with listen(lab, WEB, "10.244.0.2") as listening, dial(lab, CLIENT, "10.96.0.20", port=80) as client:
        server, _ = listening.accept()
        with server:
            fast, slow = lab.packets(), lab.through_the_node(WEB)
            talk(client, server, times=100)
            assert lab.packets() == fast
            assert lab.through_the_node(WEB) >= slow + 100
    lab.apply()


def test_capture_inside_the_pod_sees_what_came_the_fast_path(lab: FastLab) -> None:
    lab.shell(WEB, TAKE_OVER)
    with listen(lab, WEB, "0.0.0.0", 15006) as listening:
        listening.setsockopt(socket.SOL_IP, TRANSPARENT, 1)
        with dial(lab, CLIENT, "10.244.0.2", port=80) as client:
            server, _ = listening.accept()
            with server:
                assert server.getsockname() == ("10.244.0.2", 80)
                talk(client, server)
                port = client.getsockname()[1]
                lab.run(lab.node, f"conntrack -U -f ipv4 -p tcp --sport {port} --state ESTABLISHED")
                fast, slow, captured = lab.packets(), lab.through_the_node(WEB), _captured(lab)
                talk(client, server, times=100)
                assert lab.packets() >= fast + 200
                assert lab.through_the_node(WEB) == slow
                assert _captured(lab) >= captured + 100
    lab.shell(WEB, "nft delete table inet t; ip rule del fwmark 7 lookup 7; ip route flush table 7")


def _captured(lab: FastLab) -> int:
    found = re.search(r"counter packets (\d+)", lab.shell(WEB, "nft list table inet t"))
    assert found
    return int(found[1])


def test_what_is_taken_off_leaves_filters_of_others_and_nothing_else(lab: FastLab) -> None:
    link = ifname_of(OTHER)
    lab.run(lab.node, f"tc filter add dev {link} ingress prio 1 u32 match u32 0 0 classid 1:1")
    view = lab.view
    try:
        lab.view = msgspec.structs.replace(view, pods=())
        lab.follow(lab.fast)
        assert "tandem-fast" not in lab.filters(OTHER)
        assert "u32" in lab.filters(OTHER)
        assert "clsact" not in lab.run(lab.node, f"tc qdisc show dev {ifname_of(WEB)}")
        assert asyncio.run(lab.fast.read()) == Held()
        with connection(lab) as (client, server):
            fast = lab.packets()
            talk(client, server, times=10)
            assert lab.packets() == fast
    finally:
        lab.view = view
        lab.follow(lab.fast)


@pytest.mark.parametrize("address", FAMILIES)
def test_connections_go_on_where_it_is_taken_off_while_the_kernel_knows_their_beginning_only(
    lab: FastLab, address: str
) -> None:
    view = lab.view
    with connection(lab, address) as (client, server):
        port = client.getsockname()[1]
        assert " SYN_SENT " in lab.tracked(port)[0]
        lab.view = msgspec.structs.replace(view, pods=())
        try:
            assert lab.follow(lab.fast)
            assert in_netns(lab.path, establish) >= 1
            assert " ESTABLISHED " in lab.tracked(port)[0]
            slow = lab.through_the_node(WEB)
            talk(client, server, times=10)
            assert lab.through_the_node(WEB) >= slow + 10
        finally:
            lab.view = view
            lab.follow(lab.fast)
