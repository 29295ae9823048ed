"""A pod's namespaces: made, entered, removed.

In: a record and the files of /etc. Out: an init process that holds UTS, IPC, PID and mount namespaces (and the network
namespace, which is pinned before), and processes started inside them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tandem.base import processes
from tandem.base.paths import NodeDir
from tandem.state.ownership import SANDBOX_VARIABLE
from tandem.workloads import kernel as k
from tandem.workloads import netns, rootfs
from tandem.workloads.console import Opening
from tandem.workloads.hold import Hold, closing_descriptor, own_namespaces
from tandem.workloads.record import Process, SandboxRecord

_NAMESPACES: Final = k.CLONE_NEWUTS | k.CLONE_NEWIPC | k.CLONE_NEWNS | k.CLONE_NEWPID
_INIT: Final = ("unshare", "--mount", "--propagation", "unchanged", "--mount-proc", "catatonit", "-P")
_JOINED: Final = _NAMESPACES | k.CLONE_NEWNET
_START_LIMIT: Final = 5.0
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StartError(Exception):
    """A container cannot be started; the message says what is missing and where it was looked for."""


class SandboxEndedError(StartError):
    """The init of a sandbox has ended, and all that ran in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A volume (a name below rootfs.VOLUMES), or a path within it, at a place in the container."""

    volume: str
    path: str = ""
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start in a sandbox."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    working_dir: str = ""
    binds: Sequence[Bind] = ()
    root: Path | None = None
    """Of the container's image, one that the sandbox was started with; None: the pod's own."""


class Streams(NamedTuple):
    """Descriptors of a process' standard input, output and error."""

    stdin: int
    stdout: int
    stderr: int


def make_netns(record: SandboxRecord) -> None:
    """In a thread of its own: the pinned network namespace, with loopback up."""
    netns.create(Path(record.netns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guise:
    """What a pod calls itself, and what it sees beside the machine's own."""

    hostname: str
    files: Mapping[str, bytes]
    images: Sequence[Path] = ()
    """Roots of its containers' images."""


def start_init(node_dir: NodeDir, record: SandboxRecord, guise: Guise) -> int:
    """In a thread of its own: the other namespaces, and the pid of the process that will hold them (`started`)."""
    if gone := [image for image in guise.images if not image.is_dir()]:
        raise StartError(f"the root of an image is not there any more: no directory {gone[0]}")
    folder = node_dir.pods / record.uid
    base = folder / "root"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    if record.netns:
        _enter_file(Path(record.netns), k.CLONE_NEWNET)
    with Path(os.devnull).open("r+b") as null, (folder / "init.log").open("wb") as log:
        k.unshare(_NAMESPACES)
        k.sethostname(guise.hostname[:63])
        rootfs.build(base, rootfs.View(hidden=_secret_places(node_dir), images=guise.images, files=guise.files))
        return _spawn(
            _INIT,
            Streams(null.fileno(), null.fileno(), log.fileno()),
            environment={"PATH": DEFAULT_PATH, SANDBOX_VARIABLE: str(folder)},
        )


async def started(node_dir: NodeDir, record: SandboxRecord, pid: int) -> Process:
    """Once the chain of programs has become catatonit, /proc is mounted and can be closed."""
    log = node_dir.pods / record.uid / "init.log"
    async with asyncio.timeout(_START_LIMIT):
        while (name := _command_name(pid)) != "catatonit":
            if not name:
                raise StartError(f"the sandbox's init ended at once: {log.read_text(errors='replace').strip()}")
            await asyncio.sleep(0.001)
    init = identify(pid)
    await k.in_thread(partial(in_sandbox, init, rootfs.harden_proc))
    return init


def launch(
    beside: Process, order: Launch, output: int, opening: Opening | None = None, *, terminal: bool = False
) -> tuple[int, Hold]:
    """In a thread of its own: start a process in the sandbox, its stdout and stderr on the descriptor `output`.

    With an `opening` its standard input comes from there, with `terminal` all three.

    It sees what `beside` sees: the sandbox's init for a container, the container for an exec probe.
    The pid, and a hold on the mount namespace of the process and its children, which the caller closes.
    """
    if not beside.alive:
        raise StartError("the sandbox has gone")
    with Path(os.devnull).open("rb") as null, closing_descriptor(own_namespaces()) as namespaces:
        _enter(beside.pid, _JOINED)
        k.unshare(k.CLONE_NEWNS)
        with rootfs.container(order.root) as pods:
            for bind in order.binds:
                _bind_volume(bind, pods / rootfs.VOLUMES)
        hold = Hold(os.open("mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=namespaces))
        try:
            if opening is None:
                return _run(order, Streams(null.fileno(), output, output)), hold
            given = Streams(*opening.streams(partial(_keep, null.fileno())))
            with closing_descriptor(given.stdin):
                return _run(order, given, terminal=terminal), hold
        except (StartError, OSError):
            hold.close()
            raise


def join(beside: Process, order: Launch, streams: Callable[[], Streams], *, terminal: bool = False) -> int:
    """In a thread of its own: start a process among those of the container that `beside` is of, and give its pid.

    It shares the container's mounts too, and so ends with the container. `streams` is called in the container, and what
    it gives is closed here; with `terminal` standard input is a terminal, and becomes that of the process' session.
    """
    if not beside.alive:
        raise StartError("the container has ended")
    _enter(beside.pid, _JOINED)
    given = streams()
    try:
        return _run(order, given, terminal=terminal)
    finally:
        for descriptor in set(given):
            os.close(descriptor)


def take_part(beside: Process, order: Launch) -> subprocess.Popen[bytes]:
    """Start a process among those of the container that `beside` is of, with the streams and terminal of this one.

    The calling thread is in the container from then on: it is that of a program that ends with the process.
    """
    if not beside.alive:
        raise StartError("the container has ended")
    _enter(beside.pid, _JOINED)
    argv = _ready(order)
    try:
        return subprocess.Popen(argv, env=dict(order.environment), close_fds=False)
    except OSError as err:
        raise StartError(f"command {argv[0]!r}: {err.strerror}") from err


def _run(order: Launch, streams: Streams, *, terminal: bool = False) -> int:
    """In a thread that is where the process is to be."""
    argv = _ready(order)
    if terminal:  # setsid(1) takes the terminal, which only the leader of a session can, and becomes the command
        setsid = shutil.which("setsid", path=DEFAULT_PATH)
        if setsid is None:
            raise StartError("a terminal needs the program `setsid` in the container, and there is none")
        argv = [setsid, "-c", *argv]
    return _spawn(argv, streams, environment=order.environment, session=not terminal)


def _ready(order: Launch) -> list[str]:
    """The command line with the program's path; the calling thread is where it is to start, with no more rights."""
    argv = [_find(order), *order.argv[1:]]
    directory = order.working_dir or "/"
    if not Path(directory).is_dir():
        raise StartError(f"workingDir {directory}: no such directory in the pod")
    os.chdir(directory)
    k.limit_capabilities()
    return argv


def _keep(null: int, descriptor: int) -> int:
    """A process of the container that does nothing but to have a descriptor."""
    return _spawn(["sleep", "infinity"], Streams(descriptor, null, null), environment={"PATH": DEFAULT_PATH})


def identify(pid: int) -> Process:
    """A live process with its start time."""
    started = processes.start_time(pid)
    if started is None:
        raise StartError(f"process {pid} ended at once")
    return Process(pid=pid, started=started)


def kill_all(record: SandboxRecord) -> None:
    """End everything in the sandbox at once: the kernel kills a PID namespace with its init."""
    signal_process(record.init, signal.SIGKILL)


def signal_process(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process has gone."""
    if process.alive:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def remove(node_dir: NodeDir, record: SandboxRecord) -> None:
    """Unpin the network namespace and remove what only this sandbox used; the processes have ended."""
    if record.netns:
        netns.remove(Path(record.netns))
    shutil.rmtree(node_dir.pods / record.uid / "root", ignore_errors=True)


def in_sandbox(init: Process, work: Callable[[], None]) -> None:
    """In a thread of its own: run `work` with the sandbox's file system as `/`."""
    _enter(init.pid, k.CLONE_NEWNS)
    work()


def _enter(pid: int, flags: int) -> None:
    k.unshare(k.CLONE_FS)  # a thread may change its mount namespace only if it shares root and cwd with nobody
    descriptor = os.pidfd_open(pid)
    try:
        k.setns(descriptor, flags)
    finally:
        os.close(descriptor)


def _enter_file(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        k.setns(descriptor, flags)
    finally:
        os.close(descriptor)


def _spawn(argv: Sequence[str], streams: Streams, *, environment: Mapping[str, str], session: bool = True) -> int:
    try:
        child = subprocess.Popen(
            argv,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            env=dict(environment),
            close_fds=False,  # all of ours are close-on-exec; without /proc Python would try a million numbers
            start_new_session=session,
        )
    except OSError as err:
        raise StartError(f"command {argv[0]!r}: {err.strerror}") from err
    child.returncode = 0  # it is waited for by pid (`waiting.exited`), not by this object, which ends here
    return child.pid


def _command_name(pid: int) -> str:
    """Empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() if processes.start_time(pid) else ""
    except OSError:
        return ""


def _secret_places(node_dir: NodeDir) -> list[Path]:
    """The run directory holds credentials and the other pods' files: pods see an empty directory instead."""
    nodes = node_dir.root.parent
    return [nodes.parent if nodes.name == "nodes" else node_dir.root]


def _bind_volume(bind: Bind, volumes: Path) -> None:
    target = Path(bind.target)
    try:
        with closing_descriptor(k.open_beneath(volumes / bind.volume, bind.path)) as source:
            if stat.S_ISDIR(os.fstat(source).st_mode):
                target.mkdir(parents=True, exist_ok=True)
            elif not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
            flags = k.MS_NODEV | k.MS_NOSUID | (k.MS_RDONLY if bind.read_only else 0)
            k.bind_open(source, target, flags=flags)
    except OSError as err:
        raise StartError(f"mountPath {bind.target} cannot be provided: {err.strerror or err}") from err


def _find(order: Launch) -> str:
    search = order.environment.get("PATH", DEFAULT_PATH)
    name = order.argv[0]
    if "/" in name and not name.startswith("/"):
        name = str(Path(order.working_dir or "/", name))
    found = shutil.which(name, path=search)
    if found is None:
        where = f"no such executable file in the pod: {name}" if "/" in name else f"not found in PATH={search}"
        raise StartError(f"command {order.argv[0]!r}: {where}")
    return found
