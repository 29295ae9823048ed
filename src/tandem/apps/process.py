"""What the long-running processes share: logging of facts as JSON lines, and an orderly end on SIGTERM or SIGINT.

A log that cannot be written costs its line, never the process: the disk may be full for a while.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from tandem.base.problems import DriverError

SWITCH_SECONDS: Final = 0.0005
"""After so long a thread that computes lets another one go on which is back from the kernel (Python's own: 5 ms).

Transactions, sockets in namespaces and the like are done in threads: each of their answers would wait so long for an
event loop that has something to compute.
"""


class Log:
    """Lines to a descriptor, as structlog wants its last logger to be."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    def msg(self, message: str) -> None:
        """One line."""
        with suppress(OSError):
            os.write(self._descriptor, f"{message}\n".encode(errors="replace"))

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


def until_told(run: Callable[[], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT; then cancel, so that every task ends where it waits."""
    sys.setswitchinterval(SWITCH_SECONDS)
    structlog.configure(
        logger_factory=lambda *_: Log(),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
    )

    async def supervised() -> None:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(_finish(run, told))
            await told.wait()
            work.cancel()

    failures: list[BaseException] = []
    try:
        asyncio.run(supervised())
    except* DriverError as errors:
        failures += leaves(errors)
    if failures:  # the world's refusal, in its own words; a fault of ours has its traceback
        for failure in failures:
            structlog.get_logger().error("ended", error=str(failure))
        raise SystemExit(1)


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def _finish(run: Callable[[], Awaitable[None]], told: asyncio.Event) -> None:
    try:
        await run()
    finally:
        told.set()
