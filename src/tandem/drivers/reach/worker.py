"""Runs inside a pod's network namespace: serves ports and asks others, for `tandem verify matrix`.

In: lines of JSON on stdin. Out: one line of JSON for each. The standard library alone, because it also runs where
nothing of Tandem is (`python3 -c` in a pod of any cluster). It ends with its stdin.

    {"serve": [["TCP", 80], ["SCTP", 99]], "name": "shop/web"}  ->  {"taken": [["TCP", 80]], "raw": true}
    {"ask": [["UDP", "10.0.0.1", 80]], "seconds": 1, "width": 200}  ->  {"answers": [["answered", "shop/web"]]}

`taken`: somebody else serves it. `raw`: the kernel has no SCTP, so INIT and INIT ACK are made by hand (RFC 9260).
Outcomes: `answered` (with the server's name, or its first line), `open` (a connection, on which nothing was said),
`closed` (one that ended, with what was read), `refused` and `error` (the error's name), `silent`.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import socket
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

SCTP: Final = 132
MARK: Final = b"tandem-probe "
REQUEST: Final = (
    b"GET / HTTP/1.1\r\nHost: probe\r\nUser-Agent: tandem-verify\r\nX-Probe: tandem\r\nConnection: close\r\n\r\n"
)
ANSWER: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
AGAIN: Final = 4
"""So many datagrams are sent in the time that an answer may take: one that is lost does not lie."""
REFUSALS: Final = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EACCES,
        errno.EPERM,
        errno.EPIPE,
        errno.ENOPROTOOPT,
        errno.EPROTO,
    }
)
INIT, INIT_ACK = 1, 2
PACKET_INFO: Final[dict[int, tuple[int, int, int]]] = {
    socket.AF_INET: (socket.IPPROTO_IP, 8, 8),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 49, 50),
}
"""By family: level, the option that asks for it and the type of it (ip(7) IP_PKTINFO, RFC 3542 section 6)."""


def crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp_packet(kind: int, source: int, target: int, *, to_tag: int, own_tag: int) -> bytes:
    """A packet with one INIT or INIT ACK."""
    chunk = struct.pack("!BBHIIHHI", kind, 0, 20, own_tag, 65535, 1, 1, 1)
    bare = struct.pack("!HHII", source, target, to_tag, 0) + chunk
    return bare[:8] + struct.pack("<I", crc32c(bare)) + bare[12:]


def tag_of(name: str) -> int:
    """How a server without a payload says who it is."""
    return zlib.crc32(name.encode()) | 1


class Worker:
    """One loop over everything: the orders, the servers, and what was asked."""

    def __init__(self) -> None:
        self.name = ""
        self.poll = select.epoll()
        self.handlers: dict[int, Callable[[], None]] = {}
        self.raw: dict[int, socket.socket] = {}
        self.served: set[int] = set()
        self.asked: Asked | None = None
        self.rest = b""
        self.ended = False

    def run(self) -> None:
        """Until stdin ends and everything is answered."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        os.set_blocking(0, False)
        self.watch(0, select.EPOLLIN, self.on_order)
        while not self.ended or self.asked is not None:
            wait = self.asked.step() if self.asked is not None else -1.0
            if self.asked is not None and wait is None:
                say({"answers": self.asked.outcomes})
                self.asked = None
                continue
            for fd, _ in self.poll.poll(wait):
                handler = self.handlers.get(fd)
                if handler is not None:
                    handler()

    def watch(self, fd: int, events: int, handler: Callable[[], None]) -> None:
        """Call `handler` on these events."""
        self.handlers[fd] = handler
        self.poll.register(fd, events)

    def drop(self, sock: socket.socket) -> None:
        """Look no longer, and close."""
        if self.handlers.pop(sock.fileno(), None) is not None:
            self.poll.unregister(sock.fileno())
        sock.close()

    def on_order(self) -> None:
        """Whole lines are orders; the end of stdin is the end."""
        data = os.read(0, 1 << 20)
        if not data:
            self.ended = True
            self.poll.unregister(0)
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "serve" in order:
                self.serve(order)
            else:
                self.asked = Asked(self, order)

    def serve(self, order: dict[str, Any]) -> None:
        """Listen on every port of both families, where nobody does already."""
        self.name = order["name"]
        taken = set()
        for protocol, port in order["serve"]:
            for family in (socket.AF_INET, socket.AF_INET6):
                try:
                    self.listen(protocol, port, family)
                except OSError as err:
                    if err.errno == errno.EADDRINUSE:
                        taken.add((protocol, port))
                    elif err.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                        raise
        say({"taken": sorted(taken), "raw": bool(self.raw)})

    def listen(self, protocol: str, port: int, family: int) -> None:
        """One socket."""
        if protocol == "SCTP" and not has_sctp():
            self.served.add(port)
            self.raw_socket(family)
            return
        sock = new_socket(protocol, family)
        try:
            if protocol != "UDP":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
            if protocol == "UDP":
                sock.setsockopt(*PACKET_INFO[family][:2], 1)
            else:
                sock.listen(1024)
        except OSError:
            sock.close()
            raise
        handler = self.on_datagram if protocol == "UDP" else self.on_connection
        self.watch(sock.fileno(), select.EPOLLIN, partial(handler, sock))

    def raw_socket(self, family: int) -> socket.socket:
        """One for each family: it sees every packet of SCTP that arrives."""
        if family not in self.raw:
            sock = socket.socket(family, socket.SOCK_RAW, SCTP)
            sock.setblocking(False)
            self.raw[family] = sock
            self.watch(sock.fileno(), select.EPOLLIN, partial(self.on_raw, sock, family))
        return self.raw[family]

    def on_raw(self, sock: socket.socket, family: int) -> None:
        """Answer an INIT to a port that is served; an INIT ACK is an answer to us."""
        for data, who in drain(sock):
            start = (data[0] & 15) * 4 if family == socket.AF_INET else 0
            if len(data) < start + 20:
                continue
            source, target, _ = struct.unpack_from("!HHI", data, start)
            kind, _, _, tag = struct.unpack_from("!BBHI", data, start + 12)
            if kind == INIT and target in self.served:
                answer = sctp_packet(INIT_ACK, target, source, to_tag=tag, own_tag=tag_of(self.name))
                send(sock, answer, (who[0], 0))
            elif kind == INIT_ACK and self.asked is not None:
                self.asked.on_init_ack(source, target, tag)

    def on_datagram(self, sock: socket.socket) -> None:
        """The name goes back, from the address that was asked: a node has several."""
        level, _, kind = PACKET_INFO[sock.family]
        while True:
            try:
                _, notes, _, who = sock.recvmsg(4096, 256)
                own = [(level, kind, note) for at, what, note in notes if (at, what) == (level, kind)]
                if sock.family == socket.AF_INET:  # in_pktinfo: any interface, from ipi_spec_dst, which was ipi_addr
                    own = [(level, kind, struct.pack("=i4s4s", 0, note[8:12], note[8:12])) for _, _, note in own]
                sock.sendmsg([self.signature()], own, 0, who)
            except OSError:
                return

    def on_connection(self, sock: socket.socket) -> None:
        """The name goes back, once something was asked."""
        while True:
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            connection.setblocking(False)
            self.watch(connection.fileno(), select.EPOLLIN, partial(self.on_request, connection))

    def on_request(self, connection: socket.socket) -> None:
        """One answer, and the end."""
        try:
            if connection.recv(4096):
                body = self.signature()
                connection.sendall(ANSWER % (len(body), body))
                connection.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        self.drop(connection)

    def signature(self) -> bytes:
        """What says that it was this server that answered."""
        return MARK + self.name.encode() + b"\n"


class Asked:
    """Many questions at once, `width` of them at a time; a slot of `outcomes` for each."""

    def __init__(self, worker: Worker, order: dict[str, Any]) -> None:
        self.worker = worker
        self.seconds = float(order["seconds"])
        self.targets: list[tuple[str, str, int]] = [(p, a, n) for p, a, n in order["ask"]]
        self.width = int(order.get("width", 200))
        self.outcomes: list[tuple[str, str] | None] = [None] * len(self.targets)
        self.waiting = list(range(len(self.targets)))[::-1]
        self.open: dict[int, RawProbe | SocketProbe] = {}
        self.ports: dict[int, int] = {}

    def step(self) -> float | None:
        """Begin what there is room for, end what is late; seconds until the next look, None when all is known."""
        now = time.monotonic()
        for number, probe in list(self.open.items()):
            if now >= probe.until:
                self.end(number, *probe.late())
            elif probe.due is not None and now >= probe.due:
                probe.send(now)
        while self.waiting and len(self.open) < self.width:
            self.begin(self.waiting.pop(), now)
        if not self.open:
            return None if not self.waiting else 0.0
        return max(0.0, min(min(p.until, p.due or p.until) for p in self.open.values()) - now) + 0.001

    def begin(self, number: int, now: float) -> None:
        """One question."""
        protocol, address, port = self.targets[number]
        probe: RawProbe | SocketProbe
        try:
            if protocol == "SCTP" and not has_sctp():
                probe = RawProbe(self, number, (address, port), now)
            else:
                probe = SocketProbe(self, number, (protocol, address, port), now)
        except OSError as err:
            self.outcomes[number] = outcome_of(err)
            return
        self.open[number] = probe
        probe.send(now)

    def end(self, number: int, outcome: str, detail: str) -> None:
        """The outcome is known."""
        probe = self.open.pop(number, None)
        if probe is not None:
            self.outcomes[number] = (outcome, detail)
            probe.close()

    def on_init_ack(self, served: int, asked: int, tag: int) -> None:
        """Some port has answered a handmade INIT that came from the port `asked`."""
        probe = self.open.get(self.ports.get(asked, -1))
        if probe is not None and probe.port == served:
            self.end(probe.number, "answered", f"tag {tag}")


class RawProbe:
    """An INIT by hand; the local port tells which."""

    def __init__(self, asked: Asked, number: int, target: tuple[str, int], now: float) -> None:
        self.number = number
        self.asked = asked
        self.address, self.port = target
        self.sock = asked.worker.raw_socket(family_of(self.address))
        # A port for each, and others in the next round: what is remembered of earlier packets shall not decide.
        self.local = 20000 + (int(now * 1000) + number) % 40000
        asked.ports[self.local] = number
        self.until = now + asked.seconds
        self.due: float | None = now

    def send(self, now: float) -> None:
        """Once more."""
        packet = sctp_packet(INIT, self.local, self.port, to_tag=0, own_tag=5)
        send(self.sock, packet, (self.address, 0))
        self.due = now + self.asked.seconds / AGAIN

    def late(self) -> tuple[str, str]:
        """Nobody has answered."""
        return "silent", ""

    def close(self) -> None:
        """The socket is everybody's."""
        self.asked.ports.pop(self.local, None)


class SocketProbe:
    """A datagram or a connection."""

    def __init__(self, asked: Asked, number: int, target: tuple[str, str, int], now: float) -> None:
        self.number = number
        self.asked = asked
        protocol, address, self.port = target
        self.stream = protocol != "UDP"
        self.connected = False
        self.read = b""
        self.sock = new_socket(protocol, family_of(address))
        code = self.sock.connect_ex((address, self.port))
        if code not in {0, errno.EINPROGRESS}:
            self.sock.close()
            check(code)
        self.until = now + asked.seconds
        self.due: float | None = None if self.stream else now
        events = select.EPOLLIN | (select.EPOLLOUT if self.stream else 0)
        asked.worker.watch(self.sock.fileno(), events, self.on_event)

    def send(self, now: float) -> None:
        """A datagram, once more; a stream asks when it is connected."""
        if self.stream:
            return
        try:
            self.sock.send(MARK)
        except OSError as err:
            self.asked.end(self.number, *outcome_of(err))
            return
        self.due = now + self.asked.seconds / AGAIN

    def on_event(self) -> None:
        """Connected, an answer, or an error."""
        try:
            if self.stream and not self.connected:
                check(self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                self.connected = True
                self.sock.send(REQUEST)
                self.asked.worker.poll.modify(self.sock.fileno(), select.EPOLLIN)
                return
            data = self.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as err:
            end = ("closed", self.text() or outcome_of(err)[1]) if self.connected else outcome_of(err)
            self.asked.end(self.number, *end)
            return
        self.read += data
        name, whole, _ = self.read.partition(MARK)[2].partition(b"\n")
        if whole:
            self.asked.end(self.number, "answered", name.decode("utf-8", "replace"))
        elif not self.stream:
            self.asked.end(self.number, "answered", self.text())
        elif not data or len(self.read) > 1 << 16:
            self.asked.end(self.number, "closed", self.text())

    def late(self) -> tuple[str, str]:
        """What is known when the time is over."""
        return ("closed" if self.read else "open" if self.connected else "silent"), self.text()

    def text(self) -> str:
        """The first line of what was read."""
        return self.read.partition(b"\r\n")[0][:200].decode("utf-8", "replace")

    def close(self) -> None:
        """It is over."""
        self.asked.worker.drop(self.sock)


def family_of(address: str) -> int:
    """The family of an address in text form."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new_socket(protocol: str, family: int) -> socket.socket:
    """One that does not block."""
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    sock = socket.socket(family, kind, SCTP if protocol == "SCTP" else 0)
    sock.setblocking(False)
    return sock


_KNOWN: Final[list[bool]] = []


def has_sctp() -> bool:
    """Whether the kernel has sockets of it."""
    if not _KNOWN:
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP).close()
        except OSError:
            _KNOWN.append(False)
        else:
            _KNOWN.append(True)
    return _KNOWN[0]


def check(code: int) -> None:
    """Raise what an error number means."""
    if code:
        raise OSError(code, os.strerror(code))


def outcome_of(err: OSError) -> tuple[str, str]:
    """What an error of a socket says about the way."""
    if err.errno == errno.ETIMEDOUT:
        return "silent", ""
    name = errno.errorcode.get(err.errno or 0, str(err))
    return ("refused" if err.errno in REFUSALS else "error"), name


def drain(sock: socket.socket) -> Iterator[tuple[bytes, Any]]:
    """Every datagram that is there."""
    while True:
        try:
            yield sock.recvfrom(4096)
        except OSError:
            return


def send(sock: socket.socket, data: bytes, where: Any) -> None:
    """A datagram; what the kernel refuses to send is as good as lost."""
    try:
        sock.sendto(data, where)
    except OSError:
        return


def say(answer: dict[str, Any]) -> None:
    """One line out."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    Worker().run()
