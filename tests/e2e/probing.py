"""Probes: a program in a pod that tries the same thing again and again while a test breaks something.

In: a lab, a pod, a target. Out: the outcomes in order, as they come. A probe has seen an event when outcomes came after
it, so that no test needs to know how long anything takes.
"""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from e2e.lab import Lab, until

_PROGRAM: Final = """
import http.client, socket, sys, threading, time

kind, host, port, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
kept = None
while True:
    try:
        if kind in {"connect", "denied"}:
            with socket.create_connection((host, port), timeout=5 if kind == "connect" else 0.3):
                word = "connected"
        elif kind == "request":
            connection = http.client.HTTPConnection(host, port, timeout=5)
            connection.request("GET", path)
            word = str(connection.getresponse().status)
            connection.close()
        else:
            kept = kept or http.client.HTTPConnection(host, port, timeout=5)
            kept.request("GET", path)
            answer = kept.getresponse()
            answer.read()
            word = str(answer.status)
    except (OSError, http.client.HTTPException) as err:
        word, kept = type(err).__name__, None
    print(word, flush=True)
    time.sleep(0.01)
"""


class Probe:
    """A running probe."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.outcomes: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def more(self, count: int, *, of: str = "") -> None:
        """Wait for this many more outcomes (or for this many more of one sort)."""
        before = self._count(of)
        until(lambda: self._count(of), lambda now: now >= before + count, lambda: f" {self.tally()}")

    def tally(self, since: int = 0) -> Counter[str]:
        """How often each outcome came, from the `since`-th on."""
        return Counter(self.outcomes[since:])

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _count(self, of: str) -> int:
        return self.outcomes.count(of) if of else len(self.outcomes)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.outcomes.append(line.strip())


@contextmanager
def probe(lab: Lab, namespace: str, pod: str, *, kind: str, target: str) -> Iterator[Probe]:
    """`target` is host:port/path; `kind`: connect, denied (TCP; this one does not wait long), request (HTTP, each on a
    connection of its own), keep (HTTP on one).
    """
    place, slash, path = target.partition("/")
    host, _, port = place.partition(":")
    program = ["/usr/bin/python3", "-c", _PROGRAM, kind, host, port or "80", slash + path or "/"]
    running = Probe(lab.begin(namespace, pod, *program, stdin=True))
    try:
        running.more(1)
        yield running
    finally:
        running.end()
