"""What the server asks of whoever runs the pods: logs, programs, and connections to ports, inside a pod."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.apiserver.records import Record


class NotRunningError(Exception):
    """The pod or the container does not run; the text is for the client."""


class CannotStartError(Exception):
    """The program cannot be started; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef:
    """One pod, and where it is."""

    namespace: str
    name: str
    uid: str
    node: str
    """Empty: it is on none yet."""

    @classmethod
    def of(cls, record: Record) -> PodRef:
        """The pod of an object."""
        node = str(record.raw["spec"].get("nodeName") or "")
        return cls(namespace=record.namespace, name=record.name, uid=str(record.meta.get("uid", "")), node=node)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines of a log (Kubernetes: PodLogOptions)."""

    tail: int | None = None
    """The last so many of the lines that are old when the request comes."""
    follow: bool = False
    previous: bool = False
    """Of the run before the last restart."""
    since: float = 0.0
    """Seconds since 1970: only what was written later."""
    timestamps: bool = False
    """Before each line, when it was written (RFC 3339)."""
    limit: int | None = None
    """The first so many bytes of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """What a client takes part in; the rest is /dev/null."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    """All three are a terminal of the pod's."""


class Program(Protocol):
    """A program that runs in a container. Whoever started it closes it."""

    def output(self) -> AsyncIterator[bytes]:
        """Standard output, or the terminal's, to its end."""

    def errors(self) -> AsyncIterator[bytes]:
        """Standard error, to its end."""

    async def write(self, data: bytes) -> None:
        """To standard input; waits while nobody reads it. What comes after the program has closed it is lost."""

    def close_input(self) -> None:
        """Standard input ends."""

    def resize(self, width: int, height: int) -> None:
        """The terminal's size, in characters."""

    async def ended(self) -> int:
        """The exit status; 128 and the signal's number if one killed it."""

    async def kill(self) -> None:
        """SIGKILL to it and everything that it started."""

    def close(self) -> None:
        """Let go of its files."""


class RunningPod(Protocol):
    """A pod, or a container of one, that was found running."""

    async def start(self, command: Sequence[str], stdio: Stdio) -> Program:
        """Start a program as the container would; raises CannotStartError."""

    async def attach(self, stdio: Stdio) -> Program:
        """Take part in the container's own process, which goes on without us; raises CannotStartError."""

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a port on the pod's loopback; raises OSError."""


class Inside(Protocol):
    """All pods of the cluster."""

    def logs(self, pod: PodRef, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        """A container's log; raises FileNotFoundError where there is none (yet)."""

    def running(self, pod: PodRef, container: str = "") -> RunningPod:
        """The container, or the pod alone; raises NotRunningError."""
