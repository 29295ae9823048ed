"""The command line's end of the courier's socket: one request to the agent of a node of this machine, one answer."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

_LENGTH: Final = struct.Struct(">I")
SECONDS: Final = 60.0


class AskError(Exception):
    """The agent refused, or is not there; the text says which."""


def ask(path: Path, verb: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the agent answers; raises AskError."""
    data = msgspec.json.encode({"verb": verb, "config": config})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conn:
            conn.settimeout(SECONDS)
            conn.connect(str(path))
            conn.sendall(_LENGTH.pack(len(data)) + data)
            (length,) = _LENGTH.unpack(_exactly(conn, _LENGTH.size))
            answer = msgspec.json.decode(_exactly(conn, length))
    except (OSError, EOFError) as err:
        raise AskError(f"the agent does not answer at {path}: {err}") from err
    if "error" in answer:
        raise AskError(": ".join(filter(None, (answer["error"]["msg"], answer["error"].get("details", "")))))
    result: dict[str, Any] = answer["result"] or {}
    return result


def _exactly(conn: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = conn.recv(size - len(found))
        if not piece:
            raise EOFError("the connection ended")
        found += piece
    return found
