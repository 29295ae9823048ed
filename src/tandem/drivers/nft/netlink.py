"""A socket of nf_tables that stays open, and questions that the kernel answers on it.

To close one waits until the kernel has let go of what was deleted last, some 15 ms: no transaction waits for that here.
"""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Callable
from typing import Final

_NETFILTER: Final = 12
"""NETLINK_NETFILTER."""
_RCVBUFFORCE: Final = 33
"""SO_RCVBUFFORCE (asm-generic/socket.h): also beyond what the administrator allows to others."""
_FEW: Final = 64
"""Answers that a socket holds by itself, however long they are."""
_ANSWER: Final = 1024
"""Bytes of the kernel's for an answer that waits."""
_MOST: Final = 1 << 30
SECONDS: Final = 10.0
"""For an answer of the kernel."""


class Netlink:
    """Opened in the namespace of the thread that asks first, and anew after a failure. Safe between threads."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, question: bytes, complete: Callable[[list[bytes]], bool], *, answers: int = 1) -> list[bytes]:
        """Send, and receive until the answer is complete; raises OSError. `answers`: so many may come at once."""
        with self._lock:
            try:
                return self._asked(question, complete, answers)
            except OSError:
                self.close()
                raise

    def _asked(self, question: bytes, complete: Callable[[list[bytes]], bool], answers: int) -> list[bytes]:
        if self._sock is None:
            self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
            weakref.finalize(self, self._sock.close)
            self._sock.settimeout(SECONDS)
            self._sock.bind((0, 0))  # one without a number of its own is told nothing
        if len(question) > 1 << 16:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(question))
        if answers > _FEW:  # refusals repeat what was asked
            size = min(answers * _ANSWER + len(question), _MOST)
            self._sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, size)
        self._sock.send(question)
        found: list[bytes] = []
        while not complete(found):
            found.append(self._sock.recv(1 << 17))
        return found

    def close(self) -> None:
        """Waits as said above."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
