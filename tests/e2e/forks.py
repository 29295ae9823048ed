"""Commands of `tandem` in a world, by a process that has imported all of them: a fork enters the world and runs `main`.

Starting Python and importing is nine tenths of what a short command costs, and the tests of worlds give thousands of
them; with an interpreter each, that was most of their time. What is forked is the same code with the same
arguments, environment, streams and exit status; what starts something that stays (`up`, `restart`) and what a test
wants to see as a process (`Lab.start`) is not. This module is both ends: `Forks`, and the server when it is run.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import rich

import tandem

REPO: Final = Path(__file__).parents[2]
NAMESPACES: Final = ("pid", "net", "mnt")
_LIMIT: Final = 1 << 20
"""Bytes of an order: a command line and an environment."""


class Forks:
    """Gives orders to a server of its own, which ends with this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LIMIT)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "e2e.forks", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**environment, "PYTHONPATH": f"{environment['PYTHONPATH']}:{REPO}/tests"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        atexit.register(self._end)

    def run(
        self, init: int, argv: Sequence[str], environment: Mapping[str, str], *, stdin: str, timeout: float
    ) -> tuple[int, str, str]:
        """Exit status (negative: the signal), output and errors of `tandem ARGV` in the world whose first process is
        `init`; subprocess.TimeoutExpired, and the command is killed, after `timeout` seconds."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given, taken, told = os.pipe(), os.pipe(), os.pipe()
        order = json.dumps({"init": init, "argv": list(argv), "environment": dict(environment)}).encode()
        with ours, ThreadPoolExecutor(3) as streams:
            with theirs:
                handed = [given[0], taken[1], told[1], theirs.fileno()]
                socket.send_fds(self._orders, [order], handed)
                for handle in handed[:3]:
                    os.close(handle)
            wrote = streams.submit(_write, given[1], stdin.encode())
            out, err = (streams.submit(_read, pipe[0]) for pipe in (taken, told))
            pid = int(ours.recv(32))
            ours.settimeout(timeout)
            try:
                status = int(ours.recv(32))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(argv), timeout) from None
            wrote.result()
            return status, out.result(), err.result()

    def _end(self) -> None:
        self._orders.close()
        self._server.wait()


def _write(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb") as pipe:
        try:
            pipe.write(data)
            pipe.flush()
        except BrokenPipeError:
            pass  # the command did not want all of it


def _read(handle: int) -> str:
    with os.fdopen(handle, "rb") as pipe:
        return pipe.read().decode()


def serve(orders: socket.socket) -> Callable[[], None] | None:
    """Fork for each order; returns in the forks, with what they are to run, and at the end of orders with None."""
    while True:
        message, handles, _, _ = socket.recv_fds(orders, _LIMIT, 4)
        if not message:
            return None
        if os.fork() == 0:
            orders.close()
            return _in_a_world(json.loads(message), handles)
        for handle in handles:
            os.close(handle)
        _reap()


def _reap() -> None:
    """Take leave of the forks that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _in_a_world(order: Mapping[str, Any], handles: Sequence[int]) -> Callable[[], None]:
    """Enter, fork into the PID namespace, and return there; the first fork waits and tells how it ended."""
    *streams, answer = handles
    _enter(order["init"])
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        for number, handle in enumerate(streams):
            os.dup2(handle, number)
            os.close(handle)
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv = ["tandem", *order["argv"]]
        from tandem.apps.cli.main import main

        return main
    for handle in streams:
        os.close(handle)
    with socket.socket(fileno=answer) as asked:
        asked.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _enter(init: int) -> None:
    """The world's namespaces, all opened before the first is entered."""
    libc = ctypes.CDLL(None, use_errno=True)
    handles = [os.open(f"/proc/{init}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES]
    for handle in handles:
        if libc.setns(handle, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(handle)
    os.chdir(REPO)


def _import_everything() -> None:
    for package in (tandem, rich):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.rpartition(".")[2].startswith("_"):
                importlib.import_module(module.name)
    gc.freeze()  # forks share it for as long as nothing writes to it


if __name__ == "__main__":
    _import_everything()
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        run = serve(orders)
    if run is not None:
        run()
