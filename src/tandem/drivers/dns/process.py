"""Unbound's process: start, adoption after an agent restart, restart when it dies, stop.

Files are those of `NodeDir`: configuration, log, control socket, and `dns.pid` (JSON: pid, start time, digest of what
it was started with), by which a new agent recognises the server of the old one. It outlives the agent on purpose.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import Final

import msgspec
import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock, SystemClock
from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.drivers.dns.config import config_text
from tandem.drivers.dns.port import DnsError, DnsStatus
from tandem.drivers.dns.real import UnboundRecords
from tandem.drivers.envoy import proc
from tandem.state.dns import Answers, DnsSettings

log = structlog.get_logger(__name__)

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 10.0
_HEALTHY_AFTER: Final = 30.0
"""Seconds of life after which a death is not counted against it."""


class PidFile(msgspec.Struct, frozen=True, kw_only=True):
    """Content of dns.pid."""

    pid: int
    start_time: int
    started_with: str


class Unbound:
    """One server; `answers` is what it is started with, kept newest by whoever changes its records."""

    def __init__(self, paths: NodeDir, clock: Clock | None = None) -> None:
        self._paths = paths
        self._clock = clock or SystemClock()
        self._wanted: Cell[DnsSettings | None] = Cell(None)
        self._process: proc.Process | None = None
        self._adopted = False
        self._restarts = 0
        self._version = ""
        self.answers = Answers()
        self.records = UnboundRecords(paths.dns_socket)
        self.started: Cell[int] = Cell(0)
        """Counts the processes that were started or adopted: each must be read before it is changed."""

    @property
    def pid(self) -> int:
        """0 if it is not running."""
        return self._process.pid if self._process is not None and self._process.alive() else 0

    def want(self, settings: DnsSettings) -> None:
        """Run with these settings; a server that was started otherwise is replaced."""
        self._wanted.put(settings)

    async def run(self) -> None:
        """Keep it running as wanted, with back-off. Ends only when cancelled, and leaves it alive."""
        seen, settings = await self._wanted.after(0)
        delay = _FIRST_DELAY
        while True:
            since = self._clock.monotonic()
            try:
                if settings is not None:
                    await self.start(settings)
            except DnsError as error:
                log.exception("the DNS server does not start", error=str(error))
            if await self._died(seen):
                delay = _FIRST_DELAY if self._clock.monotonic() - since > _HEALTHY_AFTER else delay
                self._restarts += 1
                log.warning("DNS server died", restarts=self._restarts, again_in=delay, log=str(self._paths.dns_log))
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
            seen, settings = self._wanted.version, self._wanted.value

    async def start(self, settings: DnsSettings) -> None:
        """Adopt what an earlier agent left, if it was started so, else start one. Idempotent."""
        self.records.domain = settings.domain
        # What it is started with but for the records, which change while it runs.
        started_with = digest(config_text(settings, Answers(), self._paths.dns_socket), 16)
        left = self._read_pid()
        if left is not None and (process := proc.find(left.pid, left.start_time)) is not None:
            if left.started_with == started_with:
                if self._process is None:
                    self._process, self._adopted = process, True
                    log.info("DNS server adopted", pid=left.pid)
                    self.started.put(self.started.value + 1)
                return
            log.info("the DNS server was started otherwise, ending it", pid=left.pid)
            await process.end(5.0)
        self._spawn(settings, started_with)

    async def status(self) -> DnsStatus:
        """Pid, version, readiness."""
        try:
            version = await self.records.version() if self.pid else ""
        except DnsError:
            version = ""
        self._version = version or self._version
        return DnsStatus(
            pid=self.pid,
            version=self._version,
            ready=bool(version),
            adopted=self._adopted,
            restarts=self._restarts,
        )

    async def stop(self) -> None:
        """End it, also one that an earlier agent left, and remove its files (after cancelling `run`)."""
        left = self._read_pid()
        process = proc.find(left.pid, left.start_time) if left is not None else None
        if process is not None:
            await process.end(5.0)
        self._process = None
        for path in (self._paths.dns_pid, self._paths.dns_socket, self._paths.dns_config):
            path.unlink(missing_ok=True)

    async def _died(self, seen: int) -> bool:
        """Wait until it is dead (true) or to be run otherwise."""
        if self._process is None:
            return True
        async with asyncio.TaskGroup() as tasks:
            dead = tasks.create_task(self._process.wait())
            other = tasks.create_task(self._wanted.after(seen))
            await asyncio.wait({dead, other}, return_when=asyncio.FIRST_COMPLETED)
            died = dead.done()
            dead.cancel()
            other.cancel()
        return died

    def _spawn(self, settings: DnsSettings, started_with: str) -> None:
        program = shutil.which("unbound") or shutil.which("unbound", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise DnsError("the program unbound is missing: apt-get install unbound")
        paths = self._paths
        paths.root.mkdir(parents=True, exist_ok=True)
        paths.dns_config.write_text(config_text(settings, self.answers, paths.dns_socket), encoding="utf-8")
        paths.dns_socket.unlink(missing_ok=True)
        try:
            process = proc.spawn([program, "-d", "-p", "-c", str(paths.dns_config)], paths.dns_log)
        except OSError as error:
            raise DnsError(f"{program}: {error.strerror}") from error
        content = PidFile(pid=process.pid, start_time=process.start_time, started_with=started_with)
        scratch = paths.dns_pid.with_suffix(".new")
        scratch.write_bytes(msgspec.json.encode(content))
        scratch.rename(paths.dns_pid)
        self._process, self._adopted = process, False
        log.info("DNS server started", pid=process.pid)
        self.started.put(self.started.value + 1)

    def _read_pid(self) -> PidFile | None:
        try:
            return msgspec.json.decode(self._paths.dns_pid.read_bytes(), type=PidFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
