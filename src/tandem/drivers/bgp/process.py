"""BIRD's process: what it is started with, and whether it answers.

It outlives the agent. After a death it is started in recovery (RFC 4724): the kernel keeps the routes that it had made,
and its peers keep those that it had told them, until it has caught up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tandem.base.clock import Clock, SystemClock
from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.drivers.bgp.port import BgpError
from tandem.drivers.bgp.real import BirdControl, write_config
from tandem.drivers.process.daemon import Daemon, DaemonFiles, DaemonStatus, Kept, find_program
from tandem.state.bgp import BgpSpeaker

CAPABILITIES: Final = "-all,+net_admin,+net_bind_service,+net_raw"
"""What it may do as root, and nothing more: routes, port 179, and sockets bound to an interface."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    """All are equal: what it speaks is told to it while it runs."""

    bird: Bird = field(compare=False)

    def digest(self) -> str:
        return digest("\0".join(self._argv()), 16)

    def prepare(self) -> list[str]:
        paths = self.bird.paths
        if self.bird.speaker is None:
            raise BgpError("nothing is known yet of what it should speak")
        # The file is removed when it ends as it should.
        died = paths.bgp_config.exists()
        write_config(paths.bgp_config, self.bird.speaker)
        paths.bgp_socket.unlink(missing_ok=True)
        return [*self._argv(), "-R"] if died else self._argv()

    def _argv(self) -> list[str]:
        paths = self.bird.paths
        return [
            find_program("setpriv", "util-linux", BgpError),
            "--no-new-privs",
            f"--bounding-set={CAPABILITIES}",
            find_program("bird", "bird2", BgpError),
            "-f",
            "-c",
            str(paths.bgp_config),
            "-s",
            str(paths.bgp_socket),
        ]


class Bird(Kept):
    """One speaker; `speaker` is what it is started with, kept newest by `want`."""

    def __init__(self, paths: NodeDir, clock: Clock | None = None) -> None:
        self.paths = paths
        files = DaemonFiles(
            name="bird", pid=paths.bgp_pid, log=paths.bgp_log, others=(paths.bgp_socket, paths.bgp_config)
        )
        super().__init__(Daemon(files, BgpError, clock or SystemClock()))
        self.control = BirdControl(paths.bgp_socket, paths.bgp_config)
        self.speaker: BgpSpeaker | None = None
        self._version = ""

    def want(self, speaker: BgpSpeaker | None) -> None:
        """Run, started with this if it must be started; or (None) not at all. One that runs is told by `control`."""
        self.speaker = speaker
        self.daemon.want(_Recipe(self) if speaker is not None else None)

    async def start(self, speaker: BgpSpeaker) -> None:
        """Adopt what an earlier agent left, else start one. Idempotent."""
        self.speaker = speaker
        await self.daemon.start(_Recipe(self))

    async def status(self) -> DaemonStatus:
        """Pid, version, readiness."""
        try:
            version = await self.control.version() if self.pid else ""
        except BgpError:
            version = ""
        self._version = version or self._version
        return self.daemon.status(self._version, ready=bool(version))
