"""Environment and standard input -> one request to the agent -> result or error on standard output.

Follows the CNI specification 1.1.0, sections 2 and 4: errors are JSON on standard output (where runtimes look), the
exit status says whether there was one. No policy, no netlink, no state: what the agent says is passed on.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tandem_cni.wire import (
    BAD_CONFIG,
    BAD_ENVIRONMENT,
    BAD_JSON,
    INCOMPATIBLE_VERSION,
    IO_FAILURE,
    NOT_AVAILABLE,
    TRY_AGAIN,
    CniError,
    ask,
)

ABOUT = "tandem-cni: network and mesh of pods, CNI protocol versions 0.3.0 to 1.1.0"
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
PASSED_ON = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")
SECONDS = 60.0
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
        name = env["CNI_IFNAME"]
        if len(name.encode()) > 15 or name in {".", ".."} or any(c in "/:" or c.isspace() for c in name):
            raise CniError(BAD_ENVIRONMENT, f"CNI_IFNAME: {name!r} is no legal interface name")
    return verb


def is_identifier(text: str) -> bool:
    """The form that the specification gives to container ids and network names."""
    return bool(text) and text[0] in LETTERS and all(c in LETTERS or c in "_.-" for c in text)


def read_config(data: bytes) -> dict[str, Any]:
    """The network configuration as an object; raises CniError 6."""
    try:
        config = json.loads(data)
    except ValueError as error:
        raise CniError(BAD_JSON, "network configuration on standard input: not JSON", str(error)) from None
    if not isinstance(config, dict):
        raise CniError(BAD_JSON, "network configuration on standard input: not a JSON object")
    return config


def check_config(verb: str, config: dict[str, Any]) -> None:
    """Raises CniError 7 or 1 that names the key at fault."""
    name = config.get("name")
    if not isinstance(name, str) or not is_identifier(name):
        raise CniError(BAD_CONFIG, f"network configuration: 'name' is missing or illegal: {name!r}")
    version = config.get("cniVersion", "0.1.0")
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise CniError(INCOMPATIBLE_VERSION, f"network configuration: cniVersion {version!r} is none of {known}")
    since = SINCE.get(verb)
    if since is not None and VERSIONS.index(version) < VERSIONS.index(since):
        raise CniError(INCOMPATIBLE_VERSION, f"{verb} needs cniVersion {since} or newer, not {version}")
    if not isinstance(config.get("socket"), str) or not config["socket"]:
        raise CniError(BAD_CONFIG, "network configuration: 'socket' must name the socket of the node's agent")


def say_version(data: bytes) -> dict[str, Any]:
    """The answer to VERSION, which needs neither agent nor a whole configuration."""
    try:
        asked = read_config(data).get("cniVersion") if data.strip() else None
    except CniError:
        asked = None
    return {"cniVersion": asked if asked in VERSIONS else VERSIONS[-1], "supportedVersions": list(VERSIONS)}


def relay(verb: str, env: dict[str, str], config: dict[str, Any]) -> Any:
    """What the agent answers; an agent that is away is a state of its own for STATUS."""
    known = {name: env[name] for name in PASSED_ON if name in env}
    try:
        return ask(config["socket"], {"verb": verb, "env": known, "config": config}, seconds=SECONDS)
    except CniError as error:
        if verb == "STATUS" and error.code == TRY_AGAIN:
            raise CniError(NOT_AVAILABLE, error.msg, error.details) from None
        raise


def main() -> int:
    """Run one verb; the exit status."""
    env = dict(os.environ)
    if not env.get("CNI_COMMAND"):
        print(ABOUT, file=sys.stderr)
        return 0
    version = VERSIONS[-1]
    try:
        verb = check_environment(env)
        try:
            # By descriptor: where standard input is closed, `sys.stdin` is None.
            with os.fdopen(0, "rb", closefd=False) as stdin:
                data = stdin.read()
        except OSError as error:
            raise CniError(IO_FAILURE, "standard input cannot be read", str(error)) from None
        if verb == "VERSION":
            result: Any = say_version(data)
        else:
            config = read_config(data)
            version = str(config.get("cniVersion", version))
            check_config(verb, config)
            result = relay(verb, env, config)
    except CniError as error:
        answer = {"cniVersion": version, "code": error.code, "msg": error.msg, "details": error.details}
        print(json.dumps(answer))
        return 1
    if result is not None:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
