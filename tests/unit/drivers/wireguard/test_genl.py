"""The kernel's messages, byte for byte: there is no kernel with WireGuard to ask on every machine.

Numbers are those of linux/wireguard.h. Messages are compared on a machine with the bytes in this order (little-endian).
"""

from __future__ import annotations

import struct
from dataclasses import replace

from tandem.drivers.link.rtnl import attr
from tandem.drivers.wireguard import genl
from tandem.drivers.wireguard.keys import to_raw
from tandem.drivers.wireguard.port import Delta, Held
from unit.drivers.wireguard.cases import KEY, OTHER, THIRD, TUNNEL

NAME = bytes.fromhex("09000200") + b"wgtd\0" + bytes(3)
HEADER = bytes.fromhex("01010000")


def nested(kind: int, data: bytes) -> bytes:
    return attr(kind | 0x8000, data)


def test_key_and_port_are_attributes_of_the_device() -> None:
    [message] = genl.set_messages("wgtd", Delta(key=KEY, port=51820))
    assert message == HEADER + NAME + bytes.fromhex("24000300") + bytes([1] * 32) + bytes.fromhex("060006006cca0000")


def test_a_peer_is_put_with_its_endpoint_and_exactly_its_prefixes() -> None:
    [message] = genl.set_messages("wgtd", Delta(put=(OTHER,)))
    first = (
        attr(1, struct.pack("=H", 2)) + attr(2, bytes([10, 244, 1, 0])) + attr(3, bytes([24])),
        attr(1, struct.pack("=H", 10)) + attr(2, bytes.fromhex("fd000001") + bytes(12)) + attr(3, bytes([64])),
    )
    peer = (
        attr(1, to_raw(OTHER.key))
        + attr(3, bytes([2, 0, 0, 0]))
        + attr(4, struct.pack("=H", 2) + struct.pack(">H", 51820) + bytes([192, 0, 2, 2]) + bytes(8))
        + nested(9, nested(0, first[0]) + nested(1, first[1]))
    )
    assert message == HEADER + NAME + nested(8, nested(0, peer))


def test_an_endpoint_of_ipv6_is_a_longer_address() -> None:
    [message] = genl.set_messages("wgtd", Delta(put=(THIRD,)))
    address = bytes.fromhex("20010db8" + "00" * 11 + "03")
    assert struct.pack("=H", 10) + struct.pack(">H", 4321) + bytes(4) + address + bytes(4) in message


def test_a_peer_that_is_removed_is_flagged_so() -> None:
    [message] = genl.set_messages("wgtd", Delta(remove=(THIRD.key,)))
    peer = attr(1, to_raw(THIRD.key)) + attr(3, bytes([1, 0, 0, 0]))
    assert message == HEADER + NAME + nested(8, nested(0, peer))


def test_what_is_too_long_for_one_message_goes_on_in_the_next_without_replacing() -> None:
    many = tuple(sorted(f"10.{n // 256}.{n % 256}.0/24" for n in range(1500)))
    messages = list(genl.set_messages("wgtd", Delta(key=KEY, put=(replace(OTHER, allowed=many), THIRD))))
    assert len(messages) > 1
    assert all(len(message) < 65_535 for message in messages)
    assert [bytes([1] * 32) in message for message in messages] == [True] + [False] * (len(messages) - 1)
    replacing = attr(1, to_raw(OTHER.key)) + attr(3, bytes([2, 0, 0, 0]))
    assert sum(message.count(replacing) for message in messages) == 1
    # A dump tells peers and prefixes in the form in which they are set.
    assert genl.parse(messages).peers == tuple(sorted((replace(OTHER, allowed=many), THIRD)))


def test_an_answer_in_parts_is_one_device() -> None:
    def allowed(prefix: str) -> bytes:
        return nested(9, nested(0, genl._allowed(prefix)))

    key = attr(1, to_raw(OTHER.key))
    endpoint = attr(4, struct.pack("=H", 2) + struct.pack(">H", 51820) + bytes([192, 0, 2, 2]) + bytes(8))
    handshake = attr(6, struct.pack("=qq", 1_700_000_000, 5))
    head = bytes([0, 1, 0, 0]) + attr(3, to_raw(THIRD.key)) + attr(6, struct.pack("=H", 51820))
    parts = [
        head + nested(8, nested(0, key + endpoint + handshake + allowed("10.244.1.0/24"))),
        bytes([0, 1, 0, 0]) + nested(8, nested(0, key + allowed("fd00:1::/64"))),
    ]
    found = genl.parse(parts)
    assert found == Held(port=51820, peers=(OTHER,), handshakes={OTHER.key: 1_700_000_000})


def test_everything_of_a_device_is_asked_by_its_name() -> None:
    assert genl.get_message("wgtd") == bytes([0, 1, 0, 0]) + NAME


def test_a_change_of_everything_is_read_back() -> None:
    messages = list(genl.set_messages("wgtd", Delta(key=KEY, port=7, put=TUNNEL.peers)))
    held = genl.parse(messages)
    assert (held.port, held.peers) == (7, TUNNEL.peers)
