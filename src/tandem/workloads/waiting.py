"""Waiting for a process to end, whether it is our child or was adopted from an earlier runtime process."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from tandem.workloads.record import Process

UNKNOWN: Final = 137
"""The exit status of a process that ended while nobody who may ask was there (Kubernetes: ContainerStatusUnknown)."""


async def exited(process: Process) -> int:
    """The exit status (128 + signal if one killed it), as soon as the process has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return status_of(process.pid)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        # The number may belong to another process by now: ours has ended then.
        if process.started == 0 or process.alive:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return status_of(process.pid)


def status_of(pid: int) -> int:
    """The exit status of a child that has ended (128 + signal), which nobody can ask for again; UNKNOWN of others."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return UNKNOWN
    if found == 0:
        return UNKNOWN
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
