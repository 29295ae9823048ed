"""A small client of the Container Runtime Interface, v1: pod sandboxes through containerd's socket.

In: a socket. Out: sandbox ids, addresses, conditions. The messages are put together by hand, field number by field
number, from the interface's definition: a generator and its output would be more than these four calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc

_SERVICE: Final = "/runtime.v1.RuntimeService/"
_SECONDS: Final = 60.0


class Cri:
    """Calls to one runtime."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{socket}")

    def close(self) -> None:
        self._channel.close()

    def conditions(self) -> dict[str, tuple[bool, str]]:
        """`RuntimeReady` and `NetworkReady`, each with its message."""
        status = _only(_fields(self._call("Status", b"")), 1)
        found = {}
        for condition in _all(_fields(status), 1):
            fields = _fields(condition)
            said = _only(fields, 4).decode()
            found[_only(fields, 1).decode()] = (bool(dict(fields).get(2)), said)
        return found

    def run(self, namespace: str, name: str, uid: str, *, cgroup_parent: str) -> str:
        """Start the sandbox of a pod; its id."""
        metadata = _text(1, name) + _text(2, uid) + _text(3, namespace)
        config = _message(1, metadata) + _text(2, name) + _message(8, _text(1, cgroup_parent))
        return _only(_fields(self._call("RunPodSandbox", _message(1, config))), 1).decode()

    def address(self, sandbox: str) -> str:
        """What the plugin gave it, the first if there are several."""
        return self.addresses(sandbox)[0]

    def addresses(self, sandbox: str) -> list[str]:
        """Every address that the plugin gave it."""
        status = _only(_fields(self._call("PodSandboxStatus", _text(1, sandbox))), 1)
        network = _fields(_only(_fields(status), 5))
        return [_only(network, 1).decode(), *(_only(_fields(more), 1).decode() for more in _all(network, 2))]

    def remove(self, sandbox: str) -> None:
        """Stop and forget it."""
        self._call("StopPodSandbox", _text(1, sandbox))
        self._call("RemovePodSandbox", _text(1, sandbox))

    def _call(self, method: str, request: bytes) -> bytes:
        call = self._channel.unary_unary(_SERVICE + method, request_serializer=bytes, response_deserializer=bytes)
        answer: bytes = call(request, timeout=_SECONDS, wait_for_ready=True)
        return answer


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _message(field: int, data: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(data)) + data


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _fields(data: bytes) -> list[tuple[int, bytes | int]]:
    return list(_parse(data))


def _parse(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        else:
            assert key & 7 == 2, f"wire type {key & 7} is in none of these messages"
            length = number()
            yield key >> 3, data[at : at + length]
            at += length


def _all(fields: list[tuple[int, bytes | int]], wanted: int) -> list[bytes]:
    return [value for field, value in fields if field == wanted and isinstance(value, bytes)]


def _only(fields: list[tuple[int, bytes | int]], wanted: int) -> bytes:
    """The field, empty where it is absent."""
    return next(iter(_all(fields, wanted)), b"")
