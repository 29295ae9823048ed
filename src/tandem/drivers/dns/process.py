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
from tandem.drivers.dns.plan import desired
from tandem.drivers.dns.port import DnsError
from tandem.drivers.dns.real import UnboundRecords
from tandem.drivers.dns.wildcards import file_of
from tandem.drivers.process.daemon import Daemon, DaemonFiles, DaemonStatus, Kept, find_program
from tandem.state.dns import Answers, DnsSettings


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Equal where the settings are: the answers change while it runs."""

    settings: DnsSettings
    server: Unbound = field(compare=False)

    def digest(self) -> str:
        return digest(self._text(Answers()), 16)

    def prepare(self) -> list[str]:
        program = find_program("unbound", "unbound", DnsError)
        paths = self.server.paths
        paths.dns_config.write_text(self._text(self.server.answers), encoding="utf-8")
        self.server.records.write_wildcards(desired(self.server.answers).wildcards or frozenset())
        paths.dns_socket.unlink(missing_ok=True)
        return [program, "-d", "-p", "-c", str(paths.dns_config)]

    def _text(self, answers: Answers) -> str:
        paths = self.server.paths
        return config_text(self.settings, answers, paths.dns_socket, file_of(paths))


class Unbound(Kept):
    """One server; `answers` is what it is started with, kept newest by whoever changes its records."""

    def __init__(self, paths: NodeDir, clock: Clock | None = None) -> None:
        self.paths = paths
        others = (paths.dns_socket, paths.dns_config, file_of(paths))
        files = DaemonFiles(name="unbound", pid=paths.dns_pid, log=paths.dns_log, others=others)
        super().__init__(Daemon(files, DnsError, clock or SystemClock()))
        self._version = ""
        self.answers = Answers()
        self.records = UnboundRecords(paths.dns_socket, file_of(paths))

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
