"""Environment and standard input -> one request to the agent -> result or error on standard output.

Follows the CNI specification 1.1.0, sections 2 and 4: errors are JSON on standard output (where runtimes look), the
exit status says whether there was one. No policy, no netlink, no state: what the agent says is passed on.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tandem_cni.checks import VERSIONS, check_config, check_environment, read_config
from tandem_cni.spool import queue
from tandem_cni.wire import (
    INTERNAL,
    IO_FAILURE,
    NOT_AVAILABLE,
    TRY_AGAIN,
    AgentAwayError,
    CniError,
    ask,
    away,
    result_of,
)

ABOUT = "tandem-cni: network and mesh of pods, CNI protocol versions 0.3.0 to 1.1.0"
CNI = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")
PASSED_ON = (*CNI, "TRACEPARENT", "TRACESTATE", "BAGGAGE")
SECONDS = 60.0


def read_input() -> bytes:
    """Standard input, by descriptor: where it is closed, `sys.stdin` is None. Raises CniError 5."""
    try:
        with os.fdopen(0, "rb", closefd=False) as stdin:
            return stdin.read()
    except OSError as error:
        raise CniError(IO_FAILURE, "standard input cannot be read", str(error)) from None


def say_version(data: bytes) -> dict[str, Any]:
    """The answer to VERSION, which needs neither agent nor a whole configuration."""
    try:
        asked = read_config(data).get("cniVersion")
    except CniError:
        asked = None
    return {
        "cniVersion": asked if asked and isinstance(asked, str) else VERSIONS[-1],
        "supportedVersions": list(VERSIONS),
    }


def relay(verb: str, env: dict[str, str], config: dict[str, Any], answer: bytes | OSError | None) -> Any:
    """What the agent answers; one that is away is a state of its own for STATUS, and DEL waits for it in a queue."""
    known = {name: env[name] for name in PASSED_ON if name in env}
    request = {"verb": verb, "env": known, "config": config}
    try:
        if isinstance(answer, OSError):
            raise away(config["socket"], answer)
        return ask(config["socket"], request, seconds=SECONDS) if answer is None else result_of(answer)
    except AgentAwayError:
        if verb != "DEL":
            raise
        return queue(config["socket"], request, seconds=SECONDS)


def serve(verb: str, env: dict[str, str], config: dict[str, Any], answer: bytes | OSError | None) -> Any:
    """The same, with STATUS in the words of the specification."""
    try:
        return relay(verb, env, config, answer)
    except CniError as error:
        if verb == "STATUS" and error.code == TRY_AGAIN:
            raise CniError(NOT_AVAILABLE, error.msg, error.details) from None
        raise


def say(answer: Any, status: int) -> int:
    """One object on standard output, None: nothing; `status`, or 1 where the runtime cannot have heard it."""
    if answer is None:
        return status
    try:
        with os.fdopen(1, "wb", closefd=False) as stdout:
            stdout.write(json.dumps(answer).encode() + b"\n")
    except OSError as error:
        print(f"tandem-cni: standard output cannot be written: {error}", file=sys.stderr)
        return 1
    return status


def main(data: bytes | None = None, *, answer: bytes | OSError | None = None) -> int:
    """Run one verb; the exit status. `data` is what the quick way has read, `answer` what the agent told it."""
    env = dict(os.environ)
    if not env.get("CNI_COMMAND"):
        print(ABOUT, file=sys.stderr)
        return 0
    version, result = VERSIONS[-1], None
    try:
        verb = check_environment(env)
        data = read_input() if data is None else data
        if verb == "VERSION":
            result = say_version(data)
        else:
            config = read_config(data)
            if config.get("cniVersion") in VERSIONS:
                version = config["cniVersion"]
            check_config(verb, config)
            result = serve(verb, env, config, answer)
    except CniError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - the runtime has to be told in JSON, whatever it was
        failure = CniError(INTERNAL, f"internal error: {error!r}")
    else:
        return say(result, 0)
    told = {"code": failure.code, "msg": failure.msg, "details": failure.details}
    return say({"cniVersion": version, **told}, 1)


if __name__ == "__main__":
    sys.exit(main())
