"""`tandem verify matrix`: over the running system, over a cluster by kubectl, or in a world apart made of manifests."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tandem.apps.cli.progress import Progress
from tandem.apps.cli.session import CommandError, with_client
from tandem.apps.cli.verify_intents import world_of
from tandem.base.paths import RunDir
from tandem.cluster.networks import POD_NETWORK, SERVICE_NETWORK
from tandem.runtime.preflight import IF_INET6

if TYPE_CHECKING:
    from tandem.model.world import World
    from tandem.runtime.apart import Apart
    from tandem.runtime.matrix import Seat
    from tandem.views.matrix import Matrix

_BOTH_FAMILIES: Final = (
    f"--pod-cidr={POD_NETWORK},fd00:10:244::/56",
    f"--service-cidr={SERVICE_NETWORK},fd00:10:96::/112",
)
_TANDEM: Final = (sys.executable, "-m", "tandem.apps.cli.main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options."""

    ports: tuple[tuple[str, int], ...]
    namespaces: tuple[str, ...]
    seconds: float
    tries: int
    kubectl: bool
    apart: bool


def ports_named(words: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """`80`, `53/UDP`: (protocol, port); CommandError for anything else."""
    found = []
    for word in words:
        number, _, protocol = word.partition("/")
        protocol = (protocol or "TCP").upper()
        if not number.isdigit() or not 0 < int(number) < 65536 or protocol not in {"TCP", "UDP", "SCTP"}:
            raise CommandError(f"--port {word}: write 80, 53/UDP or 9999/SCTP")
        found.append((protocol, int(number)))
    return tuple(dict.fromkeys(found))


def here(asked: Asked, kubeconfig: Path | None, *, output: str) -> int:
    """Over what runs on this machine, or with `kubectl` over the cluster of the kubeconfig."""
    world = with_client(world_of, kubeconfig)
    matrix = _observe(world, asked, kubeconfig, progress=Progress(quiet=output == "json"))
    if output == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(matrix).decode() + "\n")
    else:
        _paint(matrix)
    return 0 if matrix.equal else 1


def _observe(world: World, asked: Asked, kubeconfig: Path | None, *, progress: Progress) -> Matrix:
    from tandem.base.problems import DriverError
    from tandem.runtime.matrix import Patience, observe
    from tandem.views.matrix import ends_of, ports_of, questions

    wanted = [p for p in ends_of(world) if not asked.namespaces or p.name.partition("/")[0] in asked.namespaces]
    seats, left_out = _seats(world, wanted, asked, kubeconfig)
    if not seats:
        raise CommandError("there is no pod to ask" + "".join(f"\n  {n}: {why}" for n, why in left_out.items()))
    dns = _dns_addresses(asked)
    every = questions(world, [seat.end for seat in seats], asked.ports or ports_of(world), dns_addresses=dns)
    patience = Patience(seconds=asked.seconds, tries=asked.tries)
    progress.line(f"asking {len(every)} questions from {len(seats)} places")
    try:
        return asyncio.run(observe(seats, every, patience=patience, left_out=left_out))
    except DriverError as err:
        raise CommandError(str(err)) from err


def _dns_addresses(asked: Asked) -> tuple[str, ...]:
    """Nobody asks the cluster's DNS here; its address only decides who it would be."""
    from tandem.reference.ends import DNS

    return () if asked.kubectl else DNS


def _seats(
    world: World, ends: Sequence[Any], asked: Asked, kubeconfig: Path | None
) -> tuple[tuple[Seat, ...], dict[str, str]]:
    from tandem.runtime import matrix
    from tandem.runtime.apart import OUTSIDE, OUTSIDE_NETNS
    from tandem.views.matrix import End

    if asked.kubectl:
        command = ("kubectl", *(("--kubeconfig", str(kubeconfig)) if kubeconfig else ()))
        return matrix.seats_in_cluster(ends, kubectl=command), {}
    if os.geteuid() != 0:
        raise CommandError("the pods' network namespaces are root's to enter: run it as root, or use --kubectl")
    run_dir = RunDir.default()
    seats, left_out = matrix.seats_here(run_dir, world, ends)
    if asked.apart:
        families = {":" in a for seat in seats for a in seat.end.addresses}
        outside = End(name="outside", addresses=tuple(a for a in OUTSIDE if (":" in a) in families))
        seats = (*seats, *matrix.seats_of_nodes(run_dir, world))
        if Path(OUTSIDE_NETNS).exists():
            seats = (*seats, matrix.Seat(end=outside, argv=matrix.inside(OUTSIDE_NETNS)))
    return seats, left_out


def in_a_world_apart(files: Sequence[Path], asked: Asked, *, nodes: int, output: str) -> int:
    """A world made of manifests, with pods that only sleep; gone when this returns."""
    from tandem.apps.cli.applying import read_manifests
    from tandem.base.problems import DriverError
    from tandem.runtime.apart import apart

    if Path("-") in files:
        raise CommandError("-f -: give files or directories: they are read once more in the world apart")
    read_manifests(files, None)
    if os.geteuid() != 0:
        raise CommandError("a world of its own takes root")
    progress = Progress(quiet=output == "json")
    try:
        progress.line("making a world of these manifests, with pods that only sleep")
        with apart() as world:
            if nodes == 1:
                world.make_outside()
            _bring_up(world, files, nodes)
            command = [*_TANDEM, "verify", "matrix", "--apart", "-o", output, *_options(asked)]
            return subprocess.run(world.enter(*command), env=_environment(), check=False).returncode
    except DriverError as err:
        raise CommandError(str(err)) from err


def _bring_up(world: Apart, files: Sequence[Path], nodes: int) -> None:
    manifests = [word for file in files for word in ("-f", str(file))]
    families = _BOTH_FAMILIES if IF_INET6.exists() else ()
    command = [*_TANDEM, "up", *manifests, "--asleep", "--nodes", str(nodes), *families, "--detach", "-o", "json"]
    done = subprocess.run(world.enter(*command), env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        try:
            why = "\n".join(f"  {reason}" for reason in json.loads(done.stdout)["reasons"])
        except ValueError:
            why = done.stderr.strip()
        raise CommandError(f"the world of these manifests does not get ready:\n{why}")


def _options(asked: Asked) -> list[str]:
    return [
        *(f"--port={port}/{protocol}" for protocol, port in asked.ports),
        *(f"--namespace={name}" for name in asked.namespaces),
        f"--timeout={asked.seconds}",
        f"--tries={asked.tries}",
    ]


def _environment() -> dict[str, str]:
    """Not the run directory of another world."""
    return {k: v for k, v in os.environ.items() if k != "TANDEM_RUN_DIR"}


def _paint(matrix: Matrix) -> None:
    from tandem.views.matrix import tables

    for line in tables(matrix):
        sys.stdout.write(line + "\n")
    for name, why in matrix.left_out:
        sys.stderr.write(f"left out: {name}: {why}\n")
    if matrix.sctp_by_hand:
        sys.stderr.write("the kernel has no SCTP: its packets were made by hand\n")
    unknown = f", {matrix.unknown} cannot be known" if matrix.unknown else ""
    verdict = "all as it should be" if matrix.equal else f"{matrix.differences} differ"
    sys.stdout.write(f"{matrix.asked} asked, {verdict}{unknown}; {matrix.seconds:.1f} s\n")
