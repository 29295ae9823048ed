"""`python -m tandem.apps.runtime --node NAME --kubeconfig PATH --run-dir DIR`: the process runtime of one node.

In: the API server of the kubeconfig. Out: pods as processes, which outlive this process; `--sweep` ends them all.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from tandem.base.clock import SystemClock
from tandem.base.paths import RunDir
from tandem.workloads.sweep import sweep

_PARALLEL: Final = 6
"""Sandboxes and processes that are being started at the same time."""
_KUBECONFIG_WAIT: Final = 0.02
_FOR_TERMINALS: Final = ("rich", "click")
"""Optional parts of our libraries that only terminals need; to load them takes a third of this process's start."""


async def run(arguments: argparse.Namespace) -> None:
    """Until cancelled."""
    from tandem.ingest.images import load_images
    from tandem.ingest.kube import KubeClient
    from tandem.ingest.recorder import Recorder
    from tandem.workloads.cni import Cni
    from tandem.workloads.context import Node
    from tandem.workloads.node import own_address, run_node

    run_dir = RunDir(arguments.run_dir)
    directory = run_dir.node(arguments.node)
    directory.pods.mkdir(mode=0o700, parents=True, exist_ok=True)
    kubeconfig = arguments.kubeconfig or run_dir.kubeconfig
    # The API server starts at the same time and writes it when it answers.
    while not kubeconfig.exists():  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(_KUBECONFIG_WAIT)
    clock = SystemClock()
    async with KubeClient.from_kubeconfig(kubeconfig) as client:
        await run_node(
            Node(
                name=arguments.node,
                addresses=arguments.addresses or tuple(map(own_address, arguments.families)),
                dns=arguments.cluster_dns,
                directory=directory,
                client=client,
                cni=Cni(directory),
                clock=clock,
                events=Recorder(client, "tandem-runtime", clock, host=arguments.node),
                slots=asyncio.Semaphore(_PARALLEL),
                images=load_images(run_dir.images),
            )
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, _words(text)))


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="tandem.apps.runtime")
    parser.add_argument("--node", required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--kubeconfig", type=Path, help="default: the one in the run directory")
    parser.add_argument(
        "--addresses", type=_words, default=(), help="the node's addresses; default: what the routing table says"
    )
    parser.add_argument("--families", type=_numbers, default=(4,), help="of which families, by preference: 4,6")
    parser.add_argument("--cluster-dns", type=_words, default=(), help="name servers of the pods")
    parser.add_argument("--sweep", action="store_true", help="end every pod of the node and remove its namespaces")
    arguments = parser.parse_args()
    if arguments.sweep:
        lines = list(sweep(RunDir(arguments.run_dir).node(arguments.node)))
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.exit(1 if any(line.startswith("left:") for line in lines) else 0)
    for name in _FOR_TERMINALS:  # importing one of them fails from now on, which its users expect
        sys.modules[name] = None  # type: ignore[assignment]
    from tandem.apps.process import until_told

    until_told(lambda: run(arguments))


if __name__ == "__main__":
    main()
