"""A DEL while the agent is away -> a file beside the agent's socket, which the agent carries out when it is back.

The runtime gets success: DEL must not depend on anything that may be gone. The file has its full content before it has
its name, and is on the disk before success is told. After that the agent is asked once more, since it may have come
back between, and looked for such files before this one was there.
"""

from __future__ import annotations

import errno
import json
import posix  # as in quick.py; pathlib would import half of the library
from typing import Any

from tandem_cni.wire import TRY_AGAIN, AgentAwayError, CniError, ask

FOLDER = "dels"


def queue(socket_path: str, request: dict[str, Any], *, seconds: float) -> Any:
    """None once the DEL is queued, or the answer of an agent that has come back; raises CniError."""
    env, folder = request["env"], f"{socket_path.rpartition('/')[0]}/{FOLDER}"
    target = f"{folder}/{env['CNI_IFNAME']}@{env['CNI_CONTAINERID']}"
    try:
        _write(folder, target, request)
    except FileNotFoundError:
        # No journal, no links, no agent: Tandem was taken down, and there is nothing to delete.
        return None
    except OSError as error:
        raise CniError(TRY_AGAIN, "the node's agent is away, and DEL cannot be queued", str(error)) from None
    try:
        result = ask(socket_path, request, seconds=seconds)
    except AgentAwayError:
        return None
    except CniError:
        _forget(target)
        raise
    _forget(target)
    return result


def _write(folder: str, target: str, request: dict[str, Any]) -> None:
    try:
        posix.mkdir(folder, 0o700)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    draft = f"{folder}/.{posix.getpid()}"
    try:
        with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123 - see the import of posix
            json.dump(request, file)
            file.flush()
            posix.fsync(file.fileno())
        posix.rename(draft, target)
    except OSError:
        _forget(draft)
        raise
    directory = posix.open(folder, posix.O_RDONLY)
    try:
        posix.fsync(directory)
    finally:
        posix.close(directory)


def _forget(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:  # the agent may have been quicker
            raise
