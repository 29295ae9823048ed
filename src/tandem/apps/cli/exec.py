"""`tandem exec`: a command inside a pod's namespaces on this machine.

This process enters the container and stays for the command alone: streams, terminal, signals and exit status are the
command's own. Nothing needs to be in the container but the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tandem.apps.cli.session import CommandError, KubeconfigOption, NamespaceOption, complain, with_client
from tandem.apps.cli.target import container_named, find_pod
from tandem.base.paths import RunDir
from tandem.model.meta import RawObject
from tandem.workloads.record import ContainerRecord, Process, load
from tandem.workloads.sandbox import DEFAULT_PATH, Launch, StartError, take_part

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

_CANNOT_START: Final = 127
_HANDED_ON: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_OF_THE_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT)
"""They come to the command as well."""


def exec_command(
    *,
    pod: Annotated[str, typer.Argument(help="POD, deploy/NAME or svc/NAME.")],
    command: Annotated[list[str], typer.Argument(help="Command and its arguments, after --.", metavar="-- CMD...")],
    namespace: NamespaceOption = "default",
    container: Annotated[str, typer.Option("-c", "--container", help="Container; default: the first.")] = "",
    stdin: Annotated[bool, typer.Option("-i", "--stdin", help="Pass standard input on.")] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="The terminal is the command's (it always is).")] = False,
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Run a command inside a pod; its output and exit status pass through.

    Example: tandem exec -n shop deploy/frontend -- curl -s http://my-service/v1
    """

    async def work(client: KubeClient) -> RawObject:
        return await find_pod(client, pod, namespace)

    found = with_client(work, kubeconfig)
    beside, order = place(found, container_named(found, container), command)
    if not (stdin or tty):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.flush()
    try:
        child = take_part(beside, order)
    except StartError as err:  # from here on, this machine's files are out of sight
        complain(str(err))
        return _CANNOT_START
    return _outlive(child)


def _outlive(child: subprocess.Popen[bytes]) -> int:
    """Hand signals on until it has ended, and then end as it did."""

    def hand_on(number: int, _: FrameType | None) -> None:
        child.send_signal(number)

    for number in _OF_THE_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    for number in _HANDED_ON:
        signal.signal(number, hand_on)
    status = child.wait()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def place(pod: RawObject, container: str, command: list[str]) -> tuple[Process, Launch]:
    """Beside which process, and how, to run `command` as the container's own; CommandError if it is not here.

    A container that does not run has no mounts of its own: then the sandbox's are entered.
    """
    meta = pod["metadata"]
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    if not node:
        raise CommandError(f"pod {meta['name']} is not on a node yet")
    sandbox = load(RunDir.default().node(node), str(meta["uid"]))
    if sandbox is None:
        raise CommandError(f"pod {meta['name']} has no sandbox on this machine (its node is {node})")
    if not sandbox.init.alive:
        raise CommandError(f"pod {meta['name']} is not running (its first process {sandbox.init.pid} is gone)")
    own = sandbox.containers.get(container, ContainerRecord())
    target = own.process if own.process.alive else sandbox.init
    environment = {"PATH": DEFAULT_PATH, "TERM": os.environ.get("TERM", "dumb"), **own.environment}
    return target, Launch(argv=command, environment=environment, working_dir=own.working_dir)
