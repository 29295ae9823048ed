"""A running API server on a free loopback port, for tests that need the real thing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from pathlib import Path
from typing import Self

from insides import Told
from tandem.apiserver.app import build_app
from tandem.apiserver.inside import Inside
from tandem.apiserver.kubeconfig import write_kubeconfig
from tandem.apiserver.server import listen, serve_on
from tandem.apiserver.store import Store
from tandem.apiserver.tls import serving_certificate
from tandem.base.secret import Secret

TOKEN = Secret(b"test-token")


class RunningServer:
    """The server in a thread of its own; `kubectl` runs the real client against it."""

    def __init__(self, directory: Path, inside: Inside | None = None) -> None:
        self.directory = directory
        self.more: dict[str, str] = {}
        """Of kubectl's environment."""
        self._inside = inside or Told()
        self.kubeconfig = directory / "kubeconfig"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main)
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.end()

    def end(self) -> None:
        """Stop, before the block ends."""
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def command(self, *arguments: str) -> list[str]:
        """A command line of kubectl."""
        return ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Of kubectl; its cache lies in the test's directory."""
        own = {"HOME": str(self.directory), "KUBECACHEDIR": str(self.directory / "cache")}
        return {**os.environ, **own, **self.more}

    def kubectl(self, *arguments: str, stdin: str = "", timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment,
            check=False,
        )

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._task = self._loop.create_task(self._serve())
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        store = Store(self.directory / "api.db")
        try:
            app = build_app(store, token=TOKEN, advise=lambda raw: [f"looked at {raw['kind']}"], inside=self._inside)
            tls = serving_certificate(self.directory)
            sock = listen("127.0.0.1", 0)
            port = sock.getsockname()[1]
            write_kubeconfig(self.kubeconfig, f"https://127.0.0.1:{port}", TOKEN, tls.ca_pem)
            started = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(serve_on(app, sock, tls=tls, started=started))
                await started.wait()
                self._ready.set()
        finally:
            store.close()
