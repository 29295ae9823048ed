"""Request/response over TCP for `bench/cni.py`, one byte each way: `serve`, or `rr|crr ADDRESS SECONDS` -> a rate.

The same Python on both ends and for every contender: the difference is the network's.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

PORT = 5300


def serve() -> None:
    with socket.create_server(("", PORT), backlog=1024) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = connection.recv(1)
            connection.send(first)
            if first == b"1":
                threading.Thread(target=echo, args=(connection,), daemon=True).start()
            else:
                connection.close()


def echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(1):
            connection.send(data)


def rr(address: str, seconds: float) -> float:
    """Transactions a second on one connection."""
    with socket.create_connection((address, PORT)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return rate(lambda: exchange(connection, b"1"), seconds)


def crr(address: str, seconds: float) -> float:
    """Transactions a second, each on a connection of its own."""

    def one() -> None:
        with socket.create_connection((address, PORT)) as connection:
            exchange(connection, b"0")
            connection.recv(1)

    return rate(one, seconds)


def exchange(connection: socket.socket, byte: bytes) -> None:
    connection.send(byte)
    connection.recv(1)


def rate(work: Callable[[], object], seconds: float) -> float:
    count, began = 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        for _ in range(20):
            work()
        count += 20
    return count / (now - began)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    print({"rr": rr, "crr": crr}[sys.argv[1]](sys.argv[2], float(sys.argv[3])))
