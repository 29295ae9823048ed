"""A real database for tests, whose server speaks first: MariaDB inside a pod, and its own client inside another."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PORT: Final = 3306
USER, PASSWORD = "shop", "basket"
_LEAN: Final = (
    "--innodb-log-file-size=4M",
    "--innodb-data-file-path=ibdata1:8M:autoextend",
    "--innodb-buffer-pool-size=8M",
    "--performance-schema=OFF",
)
_GRANTS: Final = (
    f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'",
    f"GRANT ALL ON *.* TO '{USER}'@'%'",
    "CREATE DATABASE goods",
)
_WITHIN: Final = 60.0


def installing(home: Path) -> list[str]:
    """The command that makes an empty database in `home`; after it `granted` may be in `home`'s grants.sql."""
    return ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={home}/data", "--skip-test-db", *_LEAN]


def granted() -> str:
    """What the server does first, one statement a line."""
    return "".join(f"{statement};\n" for statement in _GRANTS)


def serving(home: Path) -> list[str]:
    """The command of the server; it listens to port 3306 of every address."""
    options = [f"--datadir={home}/data", f"--socket={home}/db.sock", f"--pid-file={home}/pid"]
    options += [f"--log-error={home}/log.err", f"--init-file={home}/grants.sql"]
    options += [f"--port={PORT}", "--bind-address=0.0.0.0", "--skip-name-resolve"]
    return ["mariadbd", "--no-defaults", "--user=root", *options, *_LEAN]


def asking(address: str, *statements: str, port: int = PORT, patience: int = 10) -> list[str]:
    """The command of one session of the database's client; for the greeting it waits `patience` seconds, no more."""
    where = [f"--host={address}", f"--port={port}", "--protocol=tcp", f"--connect-timeout={patience}"]
    who = [f"--user={USER}", f"--password={PASSWORD}", "--batch", "--skip-column-names"]
    return ["mariadb", "--no-defaults", *where, *who, f"--execute={';'.join(statements)}"]


def _inside(netns: Path, *command: str) -> list[str]:
    return ["nsenter", f"--net={netns}", *command]


@contextlib.contextmanager
def database(netns: Path, home: Path) -> Iterator[None]:
    """The server in that namespace; `home` is an empty directory that it may fill."""
    log = home / "log.err"
    subprocess.run(installing(home), check=True, capture_output=True)
    (home / "grants.sql").write_text(granted())
    command = _inside(netns, *serving(home))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + _WITHIN
            while ask(netns, "127.0.0.1", "SELECT 1").returncode:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            server.kill()


def ask(netns: Path, address: str, *statements: str, patience: int = 10) -> subprocess.CompletedProcess[str]:
    """One session of the client in that namespace."""
    command = _inside(netns, *asking(address, *statements, patience=patience))
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_WITHIN)
