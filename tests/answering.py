"""A container of `one_pod` that answers each line, and the end of its runtime that clients attach to; in a thread."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tandem.base.clock import SystemClock
from tandem.base.paths import NodeDir
from tandem.workloads.attach import AttachServer, Live
from tandem.workloads.console import Opening
from tandem.workloads.logs import LogWriter

ECHO: Final = 'while read line; do printf "got %s, " "$line"; done; printf end; exec sleep 60'


@contextmanager
def answering(node: NodeDir, uid: str) -> Iterator[None]:
    """The container `app`; its standard input ends with the first client."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(node, uid, ready)))
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join()
        loop.close()


def _program(stdin: int, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sh", "-c", ECHO], stdin=stdin, stdout=output)


async def _serve(node: NodeDir, uid: str, ready: threading.Event) -> None:
    log = LogWriter(Path(node.pods / uid / "logs" / "app"), 0, SystemClock())
    output = log.open_for_container()
    opening, started = Opening(output, terminal=False), list[subprocess.Popen[bytes]]()

    def keep(descriptor: int) -> int:
        started.append(subprocess.Popen(["sleep", "60"], stdin=descriptor))
        return started[-1].pid

    stdin = opening.streams(keep)[0]
    started.append(_program(stdin, output))
    live = Live(log, opening.console(), once=True)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(AttachServer(node.attach_socket, {(uid, "app"): live}).run())
            while not node.attach_socket.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.001)
            ready.set()
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()
