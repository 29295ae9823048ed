"""Unbound's process: what it is started with, and which of it is ready.

Files are those of `NodeDir`: configuration, log, control socket, and the pid file by which a new agent recognises the
server of the old one. It outlives the agent on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tandem.base.clock import Clock, SystemClock
from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.drivers.dns.config import config_text
from tandem.drivers.dns.port import DnsError
from tandem.drivers.dns.real import UnboundRecords
from tandem.drivers.process.daemon import Daemon, DaemonFiles, DaemonStatus, Kept, find_program
from tandem.state.dns import Answers, DnsSettings


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Equal where the settings are: the answers change while it runs."""

    settings: DnsSettings
    server: Unbound = field(compare=False)

    def digest(self) -> str:
        return digest(config_text(self.settings, Answers(), self.server.paths.dns_socket), 16)

    def prepare(self) -> list[str]:
        program = find_program("unbound", "unbound", DnsError)
        paths = self.server.paths
        text = config_text(self.settings, self.server.answers, paths.dns_socket)
        paths.dns_config.write_text(text, encoding="utf-8")
        paths.dns_socket.unlink(missing_ok=True)
        return [program, "-d", "-p", "-c", str(paths.dns_config)]


class Unbound(Kept):
    """One server; `answers` is what it is started with, kept newest by whoever changes its records."""

    def __init__(self, paths: NodeDir, clock: Clock | None = None) -> None:
        self.paths = paths
        files = DaemonFiles(
            name="unbound", pid=paths.dns_pid, log=paths.dns_log, others=(paths.dns_socket, paths.dns_config)
        )
        super().__init__(Daemon(files, DnsError, clock or SystemClock()))
        self._version = ""
        self.answers = Answers()
        self.records = UnboundRecords(paths.dns_socket)

    def want(self, settings: DnsSettings) -> None:
        """Run with these settings; a server that was started otherwise is replaced."""
        self.records.domain = settings.domain
        self.daemon.want(_Recipe(settings, self))

    async def start(self, settings: DnsSettings) -> None:
        """Adopt what an earlier agent left, if it was started so, else start one. Idempotent."""
        self.records.domain = settings.domain
        await self.daemon.start(_Recipe(settings, self))

    async def status(self) -> DaemonStatus:
        """Pid, version, readiness."""
        try:
            version = await self.records.version() if self.pid else ""
        except DnsError:
            version = ""
        self._version = version or self._version
        return self.daemon.status(self._version, ready=bool(version))
