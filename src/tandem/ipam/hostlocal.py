r"""The directory of addresses of CNI's `host-local` plugin, read and written as that plugin does.

`DIR/NETWORK/ADDRESS` is a file with the container's id and the interface, `\r\n` between. It is made where there is
none, by us as by `host-local` itself, so that of two who want one address at the same moment one gets it.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.journal import Key

_LOCK: Final = "lock"
_DRAFT: Final = ".tandem-"
"""Beginning of the names of files that are not an address's yet; `host-local` looks at names of addresses only."""


class HostLocal:
    """One network's directory. Raises DriverError where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, Mapping[str, Key]] = (-1, {})

    def make(self) -> None:
        """As `host-local` does where there is none: runtimes keep it where a reboot clears it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o755)
        except OSError as error:
            raise DriverError(f"{self.path}: {error.strerror}") from error

    def held(self) -> Mapping[str, Key]:
        """Who has which address; read again only when a file came or went."""
        try:
            stamp = self.path.stat().st_mtime_ns
            if stamp != self._seen[0]:
                self._seen = (stamp, dict(self._read()))
        except OSError as error:
            raise DriverError(f"{error.filename or self.path}: {error.strerror}") from error
        return self._seen[1]

    def take(self, address: str, key: Key) -> bool:
        """Write the file of an address; False if another has it. Whole or not at all."""
        draft = self.path / f"{_DRAFT}{os.getpid()}"
        try:
            draft.write_text(f"{key[0]}\r\n{key[1]}", encoding="utf-8", newline="")
            try:
                os.link(draft, self.path / address)
            except FileExistsError:
                return _parse(self.path / address) == key
            finally:
                draft.unlink()
        except OSError as error:
            raise DriverError(f"{self.path}: {error.strerror}") from error
        return True

    def give_back(self, address: str, key: Key) -> bool:
        """Remove the file of an address if it is this container's; True if it was."""
        file = self.path / address
        try:
            with self._locked():
                if _parse(file) != key:
                    return False
                file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DriverError(f"{file}: {error.strerror}") from error
        return True

    def _read(self) -> Iterator[tuple[str, Key]]:
        for entry in self.path.iterdir():
            with suppress(ValueError, FileNotFoundError):
                address = str(ipaddress.ip_address(entry.name))
                yield address, _parse(entry)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """`host-local`'s own lock, which it holds while it looks for the files of a container."""
        with (self.path / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _parse(file: Path) -> Key:
    """Container and interface; older releases of `host-local` wrote the container alone."""
    container, _, ifname = file.read_text(encoding="utf-8", errors="replace").strip().partition("\n")
    return ContainerId(container.strip()), ifname.strip()
