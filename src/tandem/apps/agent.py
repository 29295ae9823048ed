"""`python -m tandem.apps.agent`: the agent of one node.

In: `--run-dir DIR --node NAME`. Out: pods on the network; until SIGTERM. What is in force stays in force then.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tandem.apps.process import until_told
from tandem.base.paths import RunDir
from tandem.runtime.agent import new_agent


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="tandem.apps.agent")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--node", required=True)
    arguments = parser.parse_args()
    directory = RunDir(arguments.run_dir)
    until_told(lambda: new_agent(arguments.node, directory.node(arguments.node), directory.control_socket).run())


if __name__ == "__main__":
    main()
