"""A server process of its own, as control is for an agent: `python xdschild.py SOCKET '{"name": "version"}'`.

Prints one JSON line for each acknowledgement and each report; ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from tandem.drivers.xds.client import REPORTS
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.server import XdsServer

POD, SET = "t/Pod", "t/Set"


def say(value: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main() -> None:
    server = XdsServer(Path(sys.argv[1]), (SET, POD))
    versions = json.loads(sys.argv[2])
    server.publish("n1", {POD: {n: Encoded(n, v, f"{n}={v}".encode()) for n, v in versions.items()}, SET: {}})
    server.on_ack = lambda _, url, __: say(dict(server.accepted_versions("n1", url)))
    server.add_push(REPORTS, lambda client, data: say({"from": client, "report": data.decode()}))
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await server.start()
    await told.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
