"""The node's end of the tunnel: its device, its key, and wireguard-go where the kernel has no WireGuard.

wireguard-go outlives the agent. When it dies, the device stays and drops what is sent into it; one that is started
again knows neither key nor peers, and is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.base.clock import Clock, SystemClock
from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.base.secret import Secret
from tandem.drivers.process.daemon import Daemon, DaemonFiles, Kept, find_program
from tandem.drivers.wireguard import device, keys
from tandem.drivers.wireguard.kernel import KernelWireguard
from tandem.drivers.wireguard.port import WireguardDriver, WireguardError
from tandem.drivers.wireguard.uapi import Uapi, socket_of
from tandem.state.wireguard import Tunnel

PROGRAM: Final = "wireguard-go"


@dataclass(frozen=True, slots=True)
class _Recipe:
    paths: NodeDir
    device: str

    def digest(self) -> str:
        return digest("\0".join(self._argv()), 16)

    def prepare(self) -> list[str]:
        program = Path(find_program(PROGRAM, PROGRAM, WireguardError))
        # It takes no argument but the device. By this name it is known as one of this node's processes.
        self.paths.wireguard_program.unlink(missing_ok=True)
        self.paths.wireguard_program.symlink_to(program)
        return self._argv()

    def _argv(self) -> list[str]:
        return [
            find_program("setpriv", "util-linux", WireguardError),
            "--no-new-privs",
            "--bounding-set=-all,+net_admin",
            str(self.paths.wireguard_program),
            "-f",
            self.device,
        ]


class Wireguard(Kept):
    """One node's. `driver` is that of the device that was made last; no process where the kernel does it."""

    def __init__(self, paths: NodeDir, clock: Clock | None = None) -> None:
        self.paths = paths
        self.device = device.name_for(paths.root)
        files = DaemonFiles(
            name=PROGRAM,
            pid=paths.wireguard_pid,
            log=paths.wireguard_log,
            others=(socket_of(self.device), paths.wireguard_program),
        )
        super().__init__(Daemon(files, WireguardError, clock or SystemClock()))
        self.kind = ""
        self.driver: WireguardDriver = Uapi(socket_of(self.device))

    @property
    def serving(self) -> bool:
        """There is somebody to be told."""
        return self.kind == device.KERNEL or bool(self.kind and self.pid)

    def key(self) -> Secret:
        """The private one; made when it is first asked for. Raises WireguardError where it cannot be kept."""
        try:
            self.paths.root.mkdir(parents=True, exist_ok=True)
            return keys.load_or_make(self.paths.wireguard_key)
        except OSError as error:
            raise WireguardError(f"{self.paths.wireguard_key}: {error.strerror}") from error

    async def open(self) -> bool:
        """Make the device unless it is there, and have it served; true if it is a new one. Raises WireguardError."""
        made = await device.make(self.device)
        if made.kind != self.kind:
            self.kind = made.kind
            kernel = made.kind == device.KERNEL
            self.driver = KernelWireguard(self.device) if kernel else Uapi(socket_of(self.device))
        self.daemon.want(None if made.kind == device.KERNEL else _Recipe(self.paths, self.device))
        return made.new

    async def shape(self, tunnel: Tunnel) -> None:
        """MTU, addresses and routes; wireguard-go chooses an MTU of its own when it starts."""
        await device.shape(self.device, tunnel)

    async def close(self) -> None:
        """End the process, remove the device, and its routes with it; also what an earlier agent left."""
        self.daemon.want(None)
        self.kind = ""
        await device.remove(self.device)
