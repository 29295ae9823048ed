from __future__ import annotations

import struct

from tandem.drivers.announce.frames import announcements

MAC = bytes.fromhex("0200c0ffee01")


def test_ipv4_is_told_by_a_request_and_a_reply_to_everyone() -> None:
    request, reply = announcements("192.0.2.65", MAC)
    head = "ffffffffffff 0200c0ffee01 0806 0001 0800 06 04"
    sender = "0200c0ffee01 c0000241"
    assert request == bytes.fromhex(f"{head} 0001 {sender} 000000000000 c0000241")
    assert reply == bytes.fromhex(f"{head} 0002 {sender} 0200c0ffee01 c0000241")


def test_ipv6_is_told_by_an_advertisement_that_overrides_what_neighbours_know() -> None:
    (frame,) = announcements("2001:db8::65", MAC)
    assert frame[:14] == bytes.fromhex("333300000001 0200c0ffee01 86dd")
    length, kind, hops = struct.unpack("!HBB", frame[18:22])
    assert (length, kind, hops) == (32, 58, 255)
    source, target, message = frame[22:38], frame[38:54], frame[54:]
    assert (source.hex(), target.hex()) == ("20010db8000000000000000000000065", "ff020000000000000000000000000001")
    assert message[:2] == b"\x88\x00"
    assert message[4:] == struct.pack("!I", 0x20000000) + source + b"\x02\x01" + MAC
    # RFC 4443, 2.3: over the pseudo-header and the whole message, checksum included, the sum is all ones.
    words = source + target + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    assert total % 0xFFFF == 0
