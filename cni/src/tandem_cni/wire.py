"""One request to the agent and its answer: a 4-byte big-endian length, then JSON; and the CNI error codes.

Request `{"verb", "env", "config"}`, from quick.py with `"unchecked": true`; answer `{"result": …}` (null: no output)
or `{"error": {code, msg, details}}`.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

INCOMPATIBLE_VERSION = 1
BAD_ENVIRONMENT = 4
IO_FAILURE = 5
BAD_JSON = 6
BAD_CONFIG = 7
TRY_AGAIN = 11
NOT_AVAILABLE = 50
INTERNAL = 999

LIMIT = 8 << 20
_LENGTH = struct.Struct(">I")


class CniError(Exception):
    """A failure as the CNI specification tells it to the runtime."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.details = details


def ask(path: str, request: dict[str, Any], *, seconds: float) -> Any:
    """The agent's result for one request; raises CniError: the agent's own, or TRY_AGAIN when it does not answer."""
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(seconds)
            connection.connect(path)
            data = json.dumps(request).encode()
            connection.sendall(_LENGTH.pack(len(data)) + data)
            (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline))
            if length > LIMIT:
                raise CniError(BAD_JSON, f"the agent's answer has {length} bytes, more than {LIMIT}")
            data = _exactly(connection, length, deadline)
        except OSError as error:
            raise away(path, error) from None
    return result_of(data)


class AgentAwayError(CniError):
    """Nobody listens, or the agent ended in the middle."""


def away(path: str, error: OSError) -> CniError:
    """What to tell the runtime when the agent does not answer."""
    if isinstance(error, TimeoutError):
        return CniError(TRY_AGAIN, "the node's agent did not answer in time", f"{path}: {error}")
    return AgentAwayError(TRY_AGAIN, "the node's agent is away", f"{path}: {error}")


def result_of(data: bytes) -> Any:
    """The result in an answer; raises CniError: the agent's own, or BAD_JSON."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CniError(BAD_JSON, "the agent's answer is not JSON", str(error)) from None
    if not isinstance(answer, dict):
        raise CniError(BAD_JSON, "the agent's answer is not a JSON object")
    failure = answer.get("error")
    if failure:
        raise CniError(failure["code"], failure["msg"], failure.get("details", ""))
    return answer.get("result")


def _exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        connection.settimeout(left)
        part = connection.recv(min(size - len(data), 1 << 16))
        if not part:
            raise ConnectionError("the agent hung up")
        data += part
    return data
