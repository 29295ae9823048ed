"""`tandem cni`: the plugin for other runtimes of this machine (containerd, podman): install, take away, look at it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tandem.apps.cli.layout import sentence, table, terminal_width
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, node_named
from tandem.base.paths import NodeDir, RunDir
from tandem.podnet.unmanaged import Unmanaged
from tandem.runtime import cni_chain, cni_host

if TYPE_CHECKING:
    from tandem.runtime.cni_status import CniStatus, Served

COLUMNS: Final = ("CONTAINER", "INTERFACE", "ADDRESS", "NETWORK", "POD", "PHASE")


class Action(Enum):
    """What to do with the plugin."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    STATUS = "status"


def cni(
    action: Annotated[Action, typer.Argument(metavar="install|uninstall|status")],
    *,
    node: Annotated[str, typer.Option("--node", help="Which node, if there are several.", metavar="NODE")] = "",
    bin_dir: Annotated[
        Path, typer.Option("--bin-dir", help="Where runtimes look for plugins (install).", metavar="DIR")
    ] = cni_host.BIN_DIR,
    conf_dir: Annotated[
        Path, typer.Option("--conf-dir", help="Where runtimes look for networks.", metavar="DIR")
    ] = cni_host.CONF_DIR,
    unmanaged: Annotated[
        Unmanaged, typer.Option("--unmanaged", help="Containers that are no Pods (install).")
    ] = Unmanaged.OPEN,
    chained_to: Annotated[
        str | None,
        typer.Option("--chained-to", help="Behind this network of another plugin (install).", metavar="NETWORK"),
    ] = None,
    policy: Annotated[
        bool, typer.Option("--policy", help="With --chained-to: enforce NetworkPolicy there, too (install).")
    ] = False,
    cni_version: Annotated[
        str, typer.Option("--cni-version", help="For runtimes that do not know `cniVersions` (install).", metavar="V")
    ] = cni_host.VERSION,
    wait: Annotated[
        float, typer.Option("--wait", help="How long the agent may take to serve (install).", metavar="SECONDS")
    ] = 10.0,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
) -> int:
    """Let containerd, podman and other CNI runtimes of this machine use the network of a running tandem.

    install writes tandem-cni and, once the agent answers STATUS, 10-tandem.conflist. With --chained-to it writes
    NETWORK/90-tandem.conf instead: pods keep the link and the address that NETWORK gives them, and get the mesh.
    uninstall removes what install wrote; so does `tandem down`. status exits with 1 if the agent does not serve or an
    installed file was changed.

    Example: tandem cni install --chained-to mynet --policy
    """
    check_format(output, ("text", "json"))
    run_dir = RunDir.default()
    if action is Action.STATUS:
        return _status(run_dir, node_named(run_dir, node), conf_dir, output)
    if os.geteuid() != 0:
        raise CommandError("root is needed to write where runtimes look: run it with sudo")
    if action is Action.UNINSTALL:
        return _tell(cni_host.uninstall(run_dir, [conf_dir.absolute()]), output)
    if cni_version not in cni_host.VERSIONS:
        raise CommandError(f"--cni-version {cni_version}: one of {', '.join(cni_host.VERSIONS)}", status=2)
    if chained_to == "":
        raise CommandError(f"--chained-to: the name of a network in {conf_dir}", status=2)
    if policy and not chained_to:
        raise CommandError("--policy goes with --chained-to: pods of Tandem's own network are always judged", status=2)
    places = cni_host.Places(
        bin_dir=bin_dir.absolute(),
        conf_dir=conf_dir.absolute(),
        unmanaged=unmanaged,
        version=cni_version,
        chain=cni_host.Chain(network=chained_to, policy=policy) if chained_to else None,
    )
    try:
        steps = cni_host.install(run_dir, node_named(run_dir, node), places, wait=wait)
        if chained_to:
            cni_chain.find_network(places.conf_dir, chained_to)
            steps = chain(steps, cni_chain.deaf_runtimes())
        return _tell(steps, output)
    except (cni_host.InstallError, OSError) as err:
        raise CommandError(str(err)) from err


def _tell(steps: Iterable[str], output: str) -> int:
    lines = []
    for line in steps:
        lines.append(line)
        if output == "text":
            typer.echo(line)
    left = [line.removeprefix("left: ") for line in lines if line.startswith("left: ")]
    if output == "json":
        typer.echo(as_json({"done": [line for line in lines if not line.startswith("left: ")], "left": left}))
    return int(bool(left))


def _status(run_dir: RunDir, node: NodeDir, conf_dir: Path, output: str) -> int:
    from tandem.runtime.cni_status import cni_status

    found = cni_status(run_dir, node, [conf_dir.absolute()])
    typer.echo(as_json(found) if output == "json" else "\n".join(paint(found, width=terminal_width())))
    return int(not found.well)


def paint(found: CniStatus, *, width: int) -> Iterator[str]:
    """The status as lines."""
    yield f"node: {found.node}"
    agent = f"does not serve ({found.code}): {found.message}" if found.code else "serves"
    yield from sentence(f"agent: {agent}", width=width)
    yield f"verbs: {', '.join(found.verbs)}"
    yield f"versions: {', '.join(found.versions) or 'none'}"
    for place in found.installed:
        yield f"installed: {place.configuration}{'' if place.unchanged else ' (changed since)'}"
    if not found.installed:
        yield "installed: nowhere"
    if found.attachments:
        yield ""
        yield from table(COLUMNS, [_row(a) for a in found.attachments], width=width)


def _row(served: Served) -> tuple[str, ...]:
    pod = f"{served.namespace}/{served.name}" if served.namespace else f"none ({served.unmanaged})"
    network = f"{served.network} (chained)" if served.chained else served.network
    return served.container, served.interface, ", ".join(served.addresses), network, pod, served.phase
