"""The kernel's WireGuard: a generic netlink socket of the namespace in which it is used."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, TypeVar

from tandem.drivers.link.rtnl import attr, attrs
from tandem.drivers.wireguard import genl
from tandem.drivers.wireguard.port import Delta, Held, WireguardError

T = TypeVar("T")

CONTROL_ID: Final = 16
CONTROL_GETFAMILY: Final = 3
CONTROL_FAMILY_ID, CONTROL_FAMILY_NAME = 1, 2
REQUEST, ACK, DUMP = 1, 4, 0x300
ERROR, DONE = 2, 3
_HEADER: Final = struct.Struct("=IHHII")
_BUFFER: Final = 1 << 16


class KernelWireguard:
    """WireguardDriver of one device of the process's own network namespace."""

    def __init__(self, device: str) -> None:
        self._device = device

    async def read(self) -> Held:
        """GET_DEVICE."""
        return await self._run(lambda sock: genl.parse(_dump(sock, genl.get_message(self._device))))

    async def apply(self, delta: Delta) -> None:
        """SET_DEVICE."""

        def work(sock: socket.socket) -> None:
            number = family_id(sock, genl.FAMILY)
            for body in genl.set_messages(self._device, delta):
                list(_ask(sock, number, ACK, body))

        await self._run(work)

    async def _run(self, work: Callable[[socket.socket], T]) -> T:
        def whole() -> T:
            with closing(open_socket()) as sock:
                return work(sock)

        try:
            return await asyncio.to_thread(whole)
        except OSError as error:
            raise WireguardError(f"WireGuard of the kernel, {self._device}: {error.strerror or error}") from error


def open_socket() -> socket.socket:
    """A generic netlink socket of the calling thread's network namespace."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 16)
    sock.bind((0, 0))
    return sock


def family_id(sock: socket.socket, name: str) -> int:
    """The number of a family; raises OSError (ENOENT) where the kernel has none of that name."""
    body = genl.GENL.pack(CONTROL_GETFAMILY, 1, 0) + attr(CONTROL_FAMILY_NAME, name.encode() + b"\0")
    found = attrs(next(_ask(sock, CONTROL_ID, 0, body))[genl.GENL.size :])
    return int(struct.unpack("=H", found[CONTROL_FAMILY_ID])[0])


def _dump(sock: socket.socket, body: bytes) -> list[bytes]:
    return list(_ask(sock, family_id(sock, genl.FAMILY), DUMP, body))


def _ask(sock: socket.socket, kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    """Bodies of the answers to one request, up to the last; raises OSError with the kernel's errno."""
    sock.send(_HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
    while True:
        data, at = sock.recv(_BUFFER), 0
        while at < len(data):
            length, answer, _, _, _ = _HEADER.unpack_from(data, at)
            part = data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3
            if answer == ERROR:
                code = -struct.unpack_from("=i", part)[0]
                if code:
                    raise OSError(code, os.strerror(code))
                return
            if answer == DONE:
                return
            yield part
            if not flags:
                return
