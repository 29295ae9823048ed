"""`tandem exec`: a command inside a pod's namespaces on this machine.

The command replaces this process: its output, its signals and its exit status are the command's own.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.apps.cli.session import CommandError, KubeconfigOption, NamespaceOption, with_client
from tandem.apps.cli.target import container_named, find_pod
from tandem.base.paths import RunDir
from tandem.model.meta import RawObject
from tandem.workloads.record import ContainerRecord, load
from tandem.workloads.sandbox import DEFAULT_PATH, exec_argv

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient


def exec_command(
    *,
    pod: Annotated[str, typer.Argument(help="POD, deploy/NAME or svc/NAME.")],
    command: Annotated[list[str], typer.Argument(help="Command and its arguments, after --.", metavar="-- CMD...")],
    namespace: NamespaceOption = "default",
    container: Annotated[str, typer.Option("-c", "--container", help="Container; default: the first.")] = "",
    stdin: Annotated[bool, typer.Option("-i", "--stdin", help="Pass standard input on.")] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="The terminal is the command's (it always is).")] = False,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Run a command inside a pod; its output and exit status pass through.

    Example: tandem exec -n shop deploy/frontend -- curl -s http://my-service/v1
    """

    async def work(client: KubeClient) -> RawObject:
        return await find_pod(client, pod, namespace)

    found = with_client(work, kubeconfig)
    argv, environment = enter(found, container_named(found, container), command)
    if not (stdin or tty):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.flush()
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - no shell is wanted


def enter(pod: RawObject, container: str, command: list[str]) -> tuple[list[str], dict[str, str]]:
    """(command line, environment) that run `command` as if it were the container's own; CommandError if it is not here.

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
    return exec_argv(target, command, working_dir=own.working_dir or "/"), environment
