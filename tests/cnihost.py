"""A node with an agent that answers every verb alike, and a place for a runtime's plugins and networks."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem.base.paths import NodeDir, RunDir
from tandem.runtime.cni_host import Places
from tandem.runtime.cni_install import install_cni


def run_dir(tmp_path: Path) -> RunDir:
    """A run directory with one node, as `tandem up` makes it."""
    made = RunDir(tmp_path / "run")
    node(made).root.mkdir(parents=True)
    install_cni(node(made))
    return made


def node(made: RunDir) -> NodeDir:
    return made.node("node-1")


def places(tmp_path: Path) -> Places:
    return Places(bin_dir=tmp_path / "opt" / "cni" / "bin", conf_dir=tmp_path / "etc" / "cni" / "net.d")


def files(tmp_path: Path) -> list[str]:
    """What there is outside of the run directory."""
    below = (path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    return sorted(str(path) for path in below if path.parts[0] != "run")


@contextmanager
def agent(made: NodeDir, **error: Any) -> Iterator[None]:
    """Answers on the node's socket, with this error if there is one."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read(*struct.unpack(">I", self.rfile.read(4)))
            data = json.dumps({"error": error} if error else {"result": None}).encode()
            self.wfile.write(struct.pack(">I", len(data)) + data)

    with socketserver.ThreadingUnixStreamServer(str(made.cni_socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            made.cni_socket.unlink()
