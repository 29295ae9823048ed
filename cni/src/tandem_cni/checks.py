"""What the specification asks of environment and configuration; raises CniError.

Also what the agent applies to requests that came by the quick way (quick.py), which nobody has looked at.
"""

from __future__ import annotations

import json
from typing import Any

from tandem_cni.wire import BAD_CONFIG, BAD_ENVIRONMENT, BAD_JSON, INCOMPATIBLE_VERSION, CniError

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEEDS = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "STATUS": (),
    "GC": (),
    "VERSION": (),
}
SINCE = {"CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"}
LONGEST_CONFIG = 7 << 20
"""Bytes on standard input; with the environment it is no more than the agent takes (wire.py)."""
LONGEST_ID = 239
"""Bytes of a container id; with the longest interface name it is the name of a file (spool.py)."""
LONGEST_PATH = 107
"""Bytes of a socket's path (unix(7))."""
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def check_environment(env: dict[str, str]) -> str:
    """The verb; raises CniError 4 that names every variable at fault."""
    verb = env["CNI_COMMAND"]
    if verb not in NEEDS:
        raise CniError(BAD_ENVIRONMENT, f"CNI_COMMAND: unknown verb {verb!r}; known are {', '.join(NEEDS)}")
    missing = [name for name in NEEDS[verb] if not env.get(name)]
    if missing:
        raise CniError(BAD_ENVIRONMENT, f"{verb} needs {', '.join(missing)} in the environment")
    if NEEDS[verb]:
        if not is_identifier(env["CNI_CONTAINERID"]):
            raise CniError(BAD_ENVIRONMENT, f"CNI_CONTAINERID: {env['CNI_CONTAINERID']!r} has illegal characters")
        if len(env["CNI_CONTAINERID"]) > LONGEST_ID:
            raise CniError(BAD_ENVIRONMENT, f"CNI_CONTAINERID: longer than {LONGEST_ID} characters")
        name = env["CNI_IFNAME"]
        # In a new name, the kernel takes `%` for a place to put a number.
        illegal = any(c in "/:" or c.isspace() for c in name) or (verb == "ADD" and "%" in name)
        if illegal or name in {".", ".."} or not 0 < size_of(name) <= 15:
            raise CniError(BAD_ENVIRONMENT, f"CNI_IFNAME: {name!r} is no legal interface name")
    return verb


def size_of(text: str) -> int:
    """Bytes of it for the kernel; 0 for what is no text: bytes of no UTF-8, or half of a pair of surrogates."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


def is_identifier(text: str) -> bool:
    """The form that the specification gives to container ids and network names."""
    return bool(text) and text[0] in LETTERS and all(c in LETTERS or c in "_.-" for c in text)


def read_config(data: bytes) -> dict[str, Any]:
    """The network configuration as an object; raises CniError 6, or 7 for more than the agent takes."""
    if len(data) > LONGEST_CONFIG:
        what = f"{len(data)} bytes, more than {LONGEST_CONFIG}"
        raise CniError(BAD_CONFIG, f"network configuration on standard input: {what}")
    try:
        config = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CniError(BAD_JSON, "network configuration on standard input: not JSON", str(error)) from None
    if not isinstance(config, dict):
        raise CniError(BAD_JSON, "network configuration on standard input: not a JSON object")
    return config


def _refuse(word: str) -> None:
    """For what Python reads in JSON and nobody else does."""
    raise ValueError(word)


def check_config(verb: str, config: dict[str, Any]) -> None:
    """Raises CniError 7, 6 or 1 that names the key at fault."""
    name = config.get("name")
    if not isinstance(name, str) or not is_identifier(name):
        raise CniError(BAD_CONFIG, f"network configuration: 'name' is missing or illegal: {name!r}")
    version = config.get("cniVersion", "0.1.0")
    if not isinstance(version, str):
        raise CniError(BAD_JSON, f"network configuration: cniVersion: a string, not {version!r}")
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise CniError(INCOMPATIBLE_VERSION, f"network configuration: cniVersion {version!r} is none of {known}")
    since = SINCE.get(verb)
    if since is not None and VERSIONS.index(version) < VERSIONS.index(since):
        raise CniError(INCOMPATIBLE_VERSION, f"{verb} needs cniVersion {since} or newer, not {version}")
    path = config.get("socket")
    if not isinstance(path, str) or path[:1] != "/" or not 0 < size_of(path) <= LONGEST_PATH:
        what = f"must name the socket of the node's agent, by an absolute path of {LONGEST_PATH} bytes at most"
        raise CniError(BAD_CONFIG, f"network configuration: 'socket' {what}, not {path!r}")
