"""A world of its own for the real `tandem` commands: network, mount and PID namespace, and an empty /run.

In: nothing. Out: `Lab`, in which the default run directory is unused and the API port free, so that several run on one
machine. Ending the world's first process ends everything in it; nothing of it was ever visible outside.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from e2e.forks import Forks
from tandem.runtime.kernelstate import Picture, difference

T = TypeVar("T")

REPO: Final = Path(__file__).parents[2]
RUN: Final = Path("/run/tandem")
TANDEM: Final = (sys.executable, "-m", "tandem.apps.cli.main")
LASTING: Final = (("up",), ("restart",))
"""What these start goes on running: they are processes of their own (see `forks.py`)."""
PATIENCE: Final = 60.0
"""No test depends on how long something takes; this only ends one that would wait for ever."""
MODULES: Final = {
    "control": "tandem.apps.control",
    "agent": "tandem.apps.agent",
    "runtime": "tandem.apps.runtime",
    "supervisor": "tandem.runtime.supervisor",
}
_WORLD: Final = (
    # Mounts of others are copied into a new namespace, and vanish from it at their owners' pleasure.
    "for m in $(awk '$5 ~ \"^/(run|tmp)/\" {print $5}' /proc/self/mountinfo | sort -r); do umount -l $m; done;"
    " mount -t tmpfs tmpfs /run && mkdir /run/netns && mount -t tmpfs tmpfs /tmp && chmod 1777 /tmp"
    " && mount -t tmpfs tmpfs /dev/shm"
    " && ip link set lo up && exec catatonit -P"
)
_PICTURE: Final = (
    "import json, pathlib, tandem.runtime.kernelstate as k; print(json.dumps(k.picture(pathlib.Path('/run/tandem'))))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


class Lab:
    """One world; `init` is its first process, as this one sees it."""

    def __init__(self, init: int) -> None:
        self.init = init
        self.root = Path(f"/proc/{init}/root")

    @property
    def run_dir(self) -> Path:
        """The run directory, seen from outside."""
        return self.root / RUN.relative_to("/")

    def enter(self, *argv: str) -> list[str]:
        """The command line that runs `argv` in here."""
        return ["nsenter", f"--target={self.init}", "--net", "--mount", "--pid", f"--wdns={REPO}", "--", *argv]

    def run(self, *argv: str, stdin: str = "", status: int | None = None) -> Ran:
        """Run to the end; `status` is the only exit status that will do."""
        done = subprocess.run(
            self.enter(*argv), input=stdin, capture_output=True, text=True, check=False, timeout=150, env=environment()
        )
        return self._checked(argv, Ran(status=done.returncode, out=done.stdout, err=done.stderr), status)

    def _checked(self, argv: Sequence[str], ran: Ran, status: int | None) -> Ran:
        if status is not None:
            assert ran.status == status, f"{argv[-6:]} ended with {ran.status}:\n{ran.text}{self.logs()}"
        return ran

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start and go on; the caller ends it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.enter(*argv), stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment())

    def add_machine(self, name: str, link: str, *, at: str, ours: str = "") -> None:
        """A machine beyond this one: a namespace behind `link`, which is at the address `at` there and `ours` here.

        Addresses come with their prefix length.
        """
        quick = " nodad" if ":" in at else ""
        for command in (
            f"netns add {name}",
            f"link add {link} type veth peer name eth0 netns {name}",
            f"link set {link} addrgenmode none",  # or it would go on getting ready after the first picture
            *([f"address add {ours} dev {link}{quick}"] if ours else []),
            f"link set {link} up",
            f"-n {name} address add {at} dev eth0{quick}",
            f"-n {name} link set eth0 up",
            f"-n {name} link set lo up",
        ):
            self.run("ip", *command.split(), status=0)

    def tandem(self, *arguments: str, stdin: str = "", status: int | None = None) -> Ran:
        """`tandem ARGUMENTS`, to the end; `status` is the only exit status that will do."""
        if arguments[:1] in LASTING:
            return self.run(*TANDEM, *arguments, stdin=stdin, status=status)
        done = forks().run(self.init, arguments, environment(), stdin=stdin, timeout=150)
        return self._checked(arguments, Ran(status=done[0], out=done[1], err=done[2]), status)

    def apply(self, *objects: Mapping[str, Any], seconds: int = 20) -> Ran:
        """Apply, and wait (pods that are slow to begin: longer) until every pod, Deployment and rule is in force."""
        ran = self.tandem("apply", "-f", "-", "--wait", str(seconds), stdin=yaml.safe_dump_all(objects), status=0)
        self.settled()
        return ran

    def delete(self, *arguments: str) -> None:
        self.tandem("delete", *arguments, "--wait", status=0)

    def inside(self, namespace: str, pod: str, *command: str) -> Ran:
        """Run a command in a pod."""
        return self.tandem("exec", "-n", namespace, pod, "--", *command)

    def begin(self, namespace: str, pod: str, *command: str, stdin: bool = False) -> subprocess.Popen[str]:
        """Start a command in a pod; the caller ends it."""
        take = ["-i"] if stdin else []
        return self.start(*TANDEM, "exec", *take, "-n", namespace, pod, "--", *command)

    def curl(self, namespace: str, pod: str, url: str, *options: str) -> Ran:
        """One request; the status is that of curl, and the last line of the output that of HTTP."""
        return self.inside(namespace, pod, "curl", "-s", "-m", "5", "-w", "\n%{http_code}", *options, url)

    def status(self) -> Any:
        """`tandem status`; it exits with 1 while something is not well. Without an answer: empty."""
        ran = self.tandem("status", "-o", "json")
        return (
            ran.json() if ran.out else {"nodes": [], "pods": [], "deployments": [], "statefulSets": [], "objects": []}
        )

    def get(self, namespace: str, kind: str, *more: str) -> Any:
        return self.tandem("get", kind, *more, "-n", namespace, "-o", "json", status=0).json()

    def settled(self) -> Any:
        """Wait until everything wanted is ready and programmed; the status then."""
        return until(self.status, _is_settled, self.logs)

    def settles(self) -> bool:
        """Whether everything wanted is ready and programmed now."""
        return _is_settled(self.status())

    def picture(self) -> Picture:
        """The state of the kernel and the file system in here."""
        raw = self.run(sys.executable, "-c", _PICTURE, status=0).json()
        return {topic: tuple(lines) for topic, lines in raw.items()}

    def left_since(self, before: Picture) -> list[str]:
        """What differs from an earlier picture."""
        return difference(before, self.picture())

    def processes(self) -> dict[int, str]:
        """Command lines by pid, both as seen in here."""
        found = {}
        for entry in (self.root / "proc").iterdir():
            if entry.name.isdigit():
                try:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                except OSError:
                    continue
        return found

    def pid(self, role: str) -> int:
        """The process of a role (`envoy`, or one of MODULES); 0 if it does not run."""
        for pid, command in self.processes().items():
            words = command.split(" ")
            if Path(words[0]).name == "envoy" if role == "envoy" else MODULES[role] in words:
                return pid
        return 0

    def seen_from_outside(self, pid: int) -> int:
        """The same process by the number that it has for us."""
        space = Path(f"/proc/{self.init}/ns/pid").readlink()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "ns" / "pid").readlink() == space:
                    numbers = (entry / "status").read_text().partition("NSpid:")[2].splitlines()[0].split()
                    if int(numbers[-1]) == pid:
                        return int(entry.name)
        raise ProcessLookupError(pid)

    def kill(self, *roles: str) -> None:
        """SIGKILL, all at once."""
        pids = [pid for pid in map(self.pid, roles) if pid]
        assert len(pids) == len(roles), f"{roles}: some do not run: {pids}"
        self.run("kill", "-9", *map(str, pids), status=0)

    def back(self, role: str, old: int) -> int:
        """Wait until a role runs in another process than `old`; its pid."""
        return until(lambda: self.pid(role), lambda pid: pid not in {0, old})

    def fill_disk(self) -> None:
        """From now on nothing fits into /run."""
        size = "$(df --output=used -B1 /run | tail -1)"
        tries = f"for n in 1 2 3 4 5 6 7 8 9; do mount -o remount,size={size} /run && exit; done; exit 1"
        self.run("sh", "-c", tries, status=0)  # somebody may write between the two
        assert self.run("sh", "-c", "head -c 99999 /dev/zero > /run/filler").status != 0
        self.run("rm", "/run/filler", status=0)

    def make_room(self) -> None:
        self.run("mount", "-o", "remount,size=50%", "/run", status=0)

    def logs(self) -> str:
        """The ends of all logs, for the message of a failure."""
        parts = []
        for path in sorted(self.run_dir.rglob("*.log")) if self.run_dir.exists() else ():
            if "pods" not in path.parts:
                lines = path.read_text(errors="replace").splitlines()[-12:]
                parts.append(f"--- {path.relative_to(self.run_dir)}\n" + "\n".join(line[:400] for line in lines))
        return "\n" + "\n".join(parts)


@contextmanager
def lab() -> Iterator[Lab]:
    """A new world, gone afterwards."""
    namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
    with subprocess.Popen(
        ["unshare", *namespaces, "--kill-child", "sh", "-c", _WORLD],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as holder:
        try:
            yield Lab(until(lambda: _first_process(holder.pid), bool))
        finally:
            for child in _children(holder.pid):
                os.kill(child, signal.SIGKILL)
            holder.wait(20)


@cache
def forks() -> Forks:
    """The one server of forks of this run."""
    return Forks(environment())


def environment() -> dict[str, str]:
    """What the commands get: this checkout, and the programs beside this interpreter."""
    here = Path(sys.executable).parent
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("TANDEM_", "KUBECONFIG"))}
    return {**keep, "PATH": f"{here}:{keep['PATH']}", "PYTHONPATH": f"{REPO}/src:{REPO}/cni/src", "NO_COLOR": "1"}


def until(look: Callable[[], T], holds: Callable[[T], object], explain: Callable[[], str] = str) -> T:
    """What `look` returns, as soon as `holds`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if holds(found):
            return found
        assert time.monotonic() < deadline, f"waited in vain; the last look: {found}{explain()}"
        time.sleep(0.05)


def holds_for(objects: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Whether a flag is set on every one of them."""
    return all(o[key] for o in objects)


def _is_settled(status: Any) -> bool:
    return bool(
        status["nodes"]
        and all(p["ready"] or p["phase"] == "Succeeded" for p in status["pods"])
        and all(o["ready"] == o["wanted"] for o in (*status["deployments"], *status["statefulSets"]))
        and holds_for(status["objects"], "programmed")
        and holds_for(status["nodes"], "ready")
    )


def _first_process(holder: int) -> int:
    """The world's init, once it has prepared everything."""
    for child in _children(holder):
        if Path(f"/proc/{child}/comm").read_text().strip() == "catatonit":
            return child
    return 0


def _children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
