"""What a worker says about its surroundings, over loopback, and the packets that it makes by hand."""

from __future__ import annotations

import errno
import json
import socket
import struct
import subprocess
from typing import Any

import pytest

from tandem.drivers.reach import worker
from tandem.drivers.reach.crew import HERE


def told(*orders: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of one worker to these orders, given at once; it ends with its stdin."""
    text = "".join(json.dumps(order) + "\n" for order in orders)
    done = subprocess.run(HERE, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def free(kind: socket.SocketKind) -> socket.socket:
    """A socket that holds a port of loopback and says nothing."""
    held = socket.socket(socket.AF_INET, kind)
    held.bind(("127.0.0.1", 0))
    return held


def test_the_checksum_of_sctp_is_crc32c() -> None:
    assert worker.crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4 uses the same polynomial


def test_a_packet_of_sctp_has_its_checksum_low_byte_first() -> None:
    packet = worker.sctp_packet(worker.INIT, 1, 2, to_tag=0, own_tag=5)
    bare = packet[:8] + bytes(4) + packet[12:]
    assert struct.unpack_from("<I", packet, 8)[0] == worker.crc32c(bare)
    assert struct.unpack_from("!BBHI", packet, 12) == (worker.INIT, 0, 20, 5)


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ETIMEDOUT, ("silent", "")),
        (errno.ECONNREFUSED, ("refused", "ECONNREFUSED")),
        (errno.EHOSTUNREACH, ("refused", "EHOSTUNREACH")),
        (errno.EINVAL, ("error", "EINVAL")),
    ],
)
def test_errors_are_outcomes(number: int, outcome: tuple[str, str]) -> None:
    assert worker.outcome_of(OSError(number, "")) == outcome


def test_it_answers_itself_by_every_protocol_and_family() -> None:
    with free(socket.SOCK_STREAM) as held:
        port = held.getsockname()[1]
    ports = [[protocol, port] for protocol in ("TCP", "UDP", "SCTP")]
    ask = [[protocol, address, port] for protocol, _ in ports for address in ("127.0.0.1", "::1")]
    served, asked = told({"serve": ports, "name": "shop/web"}, {"ask": ask, "seconds": 10})
    assert served["taken"] == []
    names = {"shop/web", f"tag {worker.tag_of('shop/web')}"}
    assert all(outcome == "answered" and detail in names for outcome, detail in asked["answers"])


def test_ports_of_others_are_told_and_a_missing_server_refuses() -> None:
    with free(socket.SOCK_STREAM) as held, free(socket.SOCK_DGRAM) as other:
        held.listen()
        mine, port = held.getsockname()[1], other.getsockname()[1]
        served, asked = told(
            {"serve": [["TCP", mine]], "name": "a"},
            {"ask": [["TCP", "127.0.0.1", mine], ["UDP", "127.0.0.1", port]], "seconds": 0.3},
        )
        assert served["taken"] == [["TCP", mine]]
        assert asked["answers"] == [["open", ""], ["silent", ""]]
    [refused] = told({"ask": [["TCP", "127.0.0.1", mine], ["UDP", "127.0.0.1", port]], "seconds": 10})
    assert refused["answers"] == [["refused", "ECONNREFUSED"]] * 2


def test_more_questions_than_width_are_all_answered_in_order() -> None:
    with free(socket.SOCK_STREAM) as held:
        port = held.getsockname()[1]
    ask = [["TCP", "127.0.0.1", port if i % 2 else 1] for i in range(20)]
    _, asked = told({"serve": [["TCP", port]], "name": "a"}, {"ask": ask, "seconds": 10, "width": 3})
    assert [a[0] for a in asked["answers"]] == ["refused", "answered"] * 10
