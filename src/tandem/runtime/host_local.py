"""Which directories of `host-local` a node shares: kept beside its journal, cleared of our files by `tandem down`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tandem.base.files import PUBLIC, replace_file
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.store import read_attachments


def shared_directories(node: NodeDir) -> tuple[HostLocal, ...]:
    """As they were kept; none if nothing was."""
    try:
        kept: list[str] = msgspec.json.decode(node.host_local.read_bytes(), type=list[str])
    except (FileNotFoundError, msgspec.DecodeError):
        return ()
    return tuple(HostLocal(Path(path)) for path in kept)


def keep(node: NodeDir, directories: tuple[HostLocal, ...]) -> None:
    """For the next start; whole or not at all."""
    replace_file(node.host_local, msgspec.json.encode([str(d.path) for d in directories]), mode=PUBLIC)


def remove_files(node: NodeDir) -> Iterator[str]:
    """Take our files out of the directories; one line for what was done, `left:` for what could not be."""
    directories = shared_directories(node)
    if not directories:
        return
    removed = 0
    try:
        attachments = read_attachments(node.journal)
        for directory in directories:
            for one in attachments:
                removed += sum(directory.give_back(address, one.key) for address in one.addresses)
    except DriverError as error:
        yield f"left: files in directories of host-local: {error}"
    yield f"files taken out of directories of host-local: {removed}"
