"""Agents that start within milliseconds: `python cni_forks.py DIRECTORY NODE_NETNS`, then a line a start.

In: lines on standard input, each of which starts an agent (`cni_agent.main`), `held` one that waits for the file GO.
Out: the pid of each on standard output. The parent has imported everything and does nothing else.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from netns.cni_agent import main

GO = "go"
LOG = "agent.log"


def run(directory: Path, node_netns: str, *, held: bool) -> None:
    log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    while held and not (directory / GO).exists():
        time.sleep(0.001)
    asyncio.run(main(directory, node_netns, "", background=True, six="fd00:10:244::/64"))


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                run(Path(sys.argv[1]), sys.argv[2], held=line.strip() == "held")
            finally:
                sys.stderr.flush()
                os._exit(1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
