"""The part of an agent that holds a node's table, in that node's namespace; and who knocks at pods meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time

from netns.pods import Lab
from tandem.base.cell import Cell
from tandem.base.clock import SystemClock
from tandem.base.netns import in_netns
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.nft.watch import KernelWatch
from tandem.ir.node import NodeView
from tandem.runtime.drift import Drift
from tandem.runtime.enforce import KernelLoop
from tandem.runtime.views import Numbered, Views
from tandem.state.ownership import NODE_TABLES, SHUT_TABLE

KNOCK = """
import socket, sys, threading, time
stop = False
def wait():
    global stop
    sys.stdin.readline(); stop = True
threading.Thread(target=wait, daemon=True).start()
asked = answered = 0
opened = longest = 0.0
print("knocking", flush=True)
while not stop:
    asked += 1; begun = time.monotonic()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(WAIT); s.connect(("10.244.0.2", 80))
    s.send(b"x")
    try: s.recv(9); answered += 1; opened += time.monotonic() - begun
    except TimeoutError: pass
    longest = max(longest, time.monotonic() - begun)
    s.close()
print(asked, answered, int(opened * 1e6), int(longest * 1e6), flush=True)
"""
"""A new connection of UDP again and again, as fast as answers come; WAIT seconds for one."""


class Agent:
    """The loop that applies views, in a thread of its own; without a view until `put`."""

    def __init__(self, node: Lab, view: NodeView | None = None) -> None:
        self.drift: Drift | None = None
        self._node = node
        self._first = view
        self._number = 0
        self._views: Views = Cell(None)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=lambda: in_netns(node.path, lambda: asyncio.run(self._run())))
        self._thread.start()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.drift = Drift(KernelWatch(NODE_TABLES), Libnftables(table=SHUT_TABLE), SystemClock())
        bridge = Libnftables(family="bridge")
        loop = KernelLoop(Libnftables(), FakeLinks(), lambda _, __: None, segment=bridge, drift=self.drift)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = [tasks.create_task(self.drift.run()), tasks.create_task(loop.run(self._views))]
            if self._first is not None:
                self._put(self._first)

    def _put(self, view: NodeView) -> None:
        self._number += 1
        self._views.put(Numbered(number=self._number, view=view))

    def put(self, view: NodeView) -> None:
        """What control says now."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._put, view)

    def repaired(self, number: int) -> None:
        """Wait until so many changes by others are repaired; 0: until the first view is in force."""
        deadline = time.monotonic() + 60
        while self.drift is None or self.drift.healed < number:
            assert time.monotonic() < deadline, self.drift and self.drift.problems()
            time.sleep(0.001)

    def stop(self) -> None:
        """As a kill does it: whatever is in the kernel stays."""
        assert self._loop is not None
        for task in self._tasks:
            self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join()
