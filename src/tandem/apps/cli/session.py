"""What every command shares: the connection to the API, and one form of errors and warnings on stderr."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from tandem.base.paths import NodeDir, RunDir

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

T = TypeVar("T")

KubeconfigOption = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Credentials of the API. Default: those that `tandem up` wrote.", metavar="FILE"),
]
NamespaceOption = Annotated[str, typer.Option("-n", "--namespace", help="Namespace.", metavar="NS")]

_YELLOW: Final = "\x1b[33m"
_RED: Final = "\x1b[31m"
_PLAIN: Final = "\x1b[0m"


class CommandError(Exception):
    """The command ends here, with this message and exit status."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class NotRunningError(CommandError):
    """There is no API to talk to; the message names the cure."""


def complain(text: str) -> None:
    """`error: ...` on stderr."""
    _say("error: ", text, _RED)


def warn(text: str) -> None:
    """`Warning: ...` on stderr, yellow on a terminal."""
    _say("Warning: ", text, _YELLOW)


def with_client(
    work: Callable[[KubeClient], Awaitable[T]], kubeconfig: Path | None, *, on_warning: Callable[[str], None] = warn
) -> T:
    """Run `work` with a connected client; raises NotRunningError when there is no API to talk to."""
    from tandem.ingest.errors import Unreachable
    from tandem.ingest.kube import KubeClient

    path = kubeconfig or RunDir.default().kubeconfig

    async def run() -> T:
        async with KubeClient.from_kubeconfig(path, on_warning=on_warning) as client:
            try:
                return await work(client)
            except Unreachable as err:
                raise NotRunningError(not_running(client.server, str(err))) from err

    if not path.exists():
        raise NotRunningError(f"tandem is not running (no kubeconfig at {path}); start it with: tandem up")
    return asyncio.run(run())


def node_named(run_dir: RunDir, name: str) -> NodeDir:
    """The node of this machine with this name, or the only one; CommandError with those that there are."""
    nodes = {node.root.name: node for node in run_dir.nodes()}
    if not nodes:
        raise CommandError(f"no tandem is running in {run_dir.root}: start one with `tandem up`")
    if not name and len(nodes) > 1:
        raise CommandError(f"several nodes run here: say which by --node, {' or '.join(nodes)}", status=2)
    if name and name not in nodes:
        raise CommandError(f"--node {name}: choose one of {', '.join(nodes)}", status=2)
    return nodes[name or next(iter(nodes))]


def not_running(server: str, detail: str = "") -> str:
    """What to say when nobody answers at `server`."""
    if "CERTIFICATE" in detail.upper():
        return f"the API at {server} is not the one of this kubeconfig: {detail}"
    return f"tandem is not running (no API at {server}); start it with: tandem up"


def explain_failure(err: Exception) -> str | None:
    """The message of an expected failure; None for what is a bug of ours and deserves its traceback."""
    from tandem.ingest.errors import ApiError
    from tandem.ingest.kubeconfig import KubeconfigError

    match err:
        case ApiError():
            return f"{err.message} ({err.reason})" if err.reason else err.message
        case KubeconfigError():
            return str(err)
        case PermissionError():
            return f"{err.filename}: {err.strerror}: run it as root"
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return f"{err.filename}: {err.strerror}"
        case OSError(errno=errno.ENOSPC | errno.EIO):  # of standard output, too
            return f"cannot write: {err.strerror}"
        case _:
            return None


def _say(head: str, text: str, colour: str) -> None:
    coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    first = f"{colour}{head}{_PLAIN}" if coloured else head
    sys.stderr.write(f"{first}{text}\n")
