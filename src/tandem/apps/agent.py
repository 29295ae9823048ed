"""`python -m tandem.apps.agent`: the agent of one node.

In: `--run-dir DIR --node NAME`. Out: pods on the network; until SIGTERM. What is in force stays in force then.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tandem.apps.process import until_told
from tandem.base.paths import RunDir
from tandem.runtime.agent import new_agent
from tandem.runtime.holdings import LIMITS, Limits


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="tandem.apps.agent")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--ip-cool-down", type=float, default=LIMITS.cool_down)
    parser.add_argument("--leak-grace", type=float, default=LIMITS.leak_grace)
    parser.add_argument("--peers-wait", type=float, default=LIMITS.peers_wait)
    parser.add_argument("--metrics", default=LIMITS.metrics, metavar="HOST:PORT")
    arguments = parser.parse_args()
    directory = RunDir(arguments.run_dir)
    limits = Limits(
        cool_down=arguments.ip_cool_down,
        leak_grace=arguments.leak_grace,
        peers_wait=arguments.peers_wait,
        metrics=arguments.metrics,
    )
    place = (directory.node(arguments.node), directory.control_socket)
    until_told(lambda: new_agent(arguments.node, *place, limits).run())


if __name__ == "__main__":
    main()
