"""`tandem control | agent | runtime`: the processes of `tandem up` by the names that people see in `ps`.

The arguments go to the process's own module unread.
"""

from __future__ import annotations

import runpy
import sys
from typing import Annotated

import typer

from tandem.runtime.supervisor import MODULES

Arguments = Annotated[list[str] | None, typer.Argument(help="Arguments of the process, after `--`.")]


def control(arguments: Arguments = None) -> None:
    """Run the API server and the control plane. Example: tandem control -- --run-dir /run/tandem."""
    _run("control", arguments)


def agent(arguments: Arguments = None) -> None:
    """Run the agent of one node. Example: tandem agent -- --run-dir /run/tandem --node node-1."""
    _run("agent", arguments)


def runtime(arguments: Arguments = None) -> None:
    """Run the process runtime of one node. Example: tandem runtime -- --run-dir /run/tandem --node node-1."""
    _run("runtime", arguments)


def _run(role: str, arguments: list[str] | None) -> None:
    module = MODULES[role]
    sys.argv = [module, *(arguments or ())]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
