"""`tandem ipam`: pools, blocks and addresses of pods: how full they are, whether all agree, and what to give back."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from tandem.apps.cli.layout import sentence, table, terminal_width
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, KubeconfigOption, node_named, with_client
from tandem.base.paths import RunDir

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient
    from tandem.runtime.address_check import Finding
    from tandem.views.addresses import Addresses, Found, Lent

VIEW: Final = "/apis/views.tandem.io/v1/addresses"
POOLS: Final = ("POOL", "CIDR", "BLOCK", "BLOCKS", "USED", "COOLING", "FREE", "STATE")
NODES: Final = ("NODE", "USED", "COOLING", "FREE", "BLOCKS", "BORROWED")
BLOCKS: Final = ("BLOCK", "POOL", "NODE", "USED", "COOLING", "FREE", "LENT")


class Action(Enum):
    """What to do."""

    SHOW = "show"
    CHECK = "check"
    RELEASE = "release"
    IMPORT = "import"


def ipam(
    action: Annotated[Action, typer.Argument(metavar="show|check|release|import")],
    address: Annotated[str, typer.Argument(help="show: what is known of it; release: give it back.")] = "",
    *,
    show_blocks: Annotated[bool, typer.Option("--show-blocks", help="Each block, and what is lent of it.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Release an address that is in use: its pod is cut off.")
    ] = False,
    from_host_local: Annotated[
        Path | None,
        typer.Option(
            "--from-host-local", help="host-local's data, such as /var/lib/cni/networks (import).", metavar="DIR"
        ),
    ] = None,
    network: Annotated[str, typer.Option("--network", help="Which network of it (import).", metavar="NAME")] = "",
    node: Annotated[
        str, typer.Option("--node", help="Which node, if there are several (import).", metavar="NODE")
    ] = "",
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Show pools, blocks and addresses of pods, check that all agree, release one by hand, share with host-local.

    check compares the journals of this machine's nodes with the kernel, the API and each other, and exits with 1 where
    something does not agree. release takes away what is left of a container that is gone; it refuses one that lives.
    import makes a node and host-local's data respect each other: what either has given, the other does not give.

    Example: tandem ipam show 10.244.0.5
    """
    check_format(output, ("text", "json"))
    wanted = _address(address)
    match action:
        case Action.SHOW if wanted:
            return _tell(_found(wanted, kubeconfig), output)
        case Action.SHOW:
            return _show(_addresses(kubeconfig), output, blocks=show_blocks)
        case Action.CHECK:
            if wanted:
                raise CommandError("ipam check looks at all addresses: give none", status=2)
            return _check(output, kubeconfig)
        case Action.RELEASE:
            if not wanted:
                raise CommandError("which ADDRESS is to be released?", status=2)
            return _release(wanted, output, force=force)
        case Action.IMPORT:
            return _import(from_host_local, network, node, output)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError as err:
        raise CommandError(f"ADDRESS {text!r}: an IP address without a prefix length", status=2) from err


def _addresses(kubeconfig: Path | None) -> Addresses:
    from tandem.views.addresses import Addresses

    async def ask(client: KubeClient) -> Any:
        return await client.request("GET", VIEW)

    return msgspec.convert(with_client(ask, kubeconfig), Addresses)


def _found(address: str, kubeconfig: Path | None) -> Found:
    from tandem.views.addresses import Found

    async def ask(client: KubeClient) -> Any:
        return await client.request("GET", VIEW, query={"address": address})

    found = msgspec.convert(with_client(ask, kubeconfig), Found)
    holders = (a for _, a in _attachments() if address in a.addresses)
    return msgspec.structs.replace(found, container=next((a.container_id for a in holders), ""))


def _attachments() -> Iterator[tuple[str, Any]]:
    """Those of the nodes of this machine, as far as this user may read them."""
    from tandem.base.problems import DriverError
    from tandem.ipam.store import read_attachments

    try:
        for node in RunDir.default().nodes():
            yield from ((node.root.name, a) for a in read_attachments(node.journal))
    except (DriverError, PermissionError):
        return


def _show(found: Addresses, output: str, *, blocks: bool) -> int:
    typer.echo(as_json(found) if output == "json" else "\n".join(paint(found, width=terminal_width(), blocks=blocks)))
    return 0


def paint(found: Addresses, *, width: int, blocks: bool = False) -> Iterator[str]:
    """The whole as lines."""
    rows = [
        (p.name, p.cidr, f"/{p.block}", *_numbers(p.blocks, p.used, p.cooling, p.free), _state(p.disabled))
        for p in found.pools
    ]
    yield from table(POOLS, rows, width=width)
    yield ""
    nodes = [
        (
            n.name,
            *(_numbers(n.used, n.cooling, n.free) if n.reported else ("?",) * 3),
            *map(_joined, (n.blocks, n.borrowed)),
        )
        for n in found.nodes
    ]
    yield from table(NODES, nodes, width=width)
    if blocks:
        yield ""
        shares = [
            (
                b.cidr,
                b.pool or "-",
                b.node,
                *_numbers(b.used, b.cooling, b.free),
                _joined(tuple(_lent(x) for x in b.lent)),
            )
            for b in found.blocks
        ]
        yield from table(BLOCKS, shares, width=width)
    if found.reservations:
        yield ""
        for one in found.reservations:
            yield from sentence(f"reserved by {one.name}: {', '.join(one.cidrs)}", width=width)


def _numbers(*numbers: int) -> tuple[str, ...]:
    return tuple(map(str, numbers))


def _joined(texts: tuple[str, ...]) -> str:
    return ",".join(texts) or "-"


def _state(disabled: bool) -> str:  # noqa: FBT001 - a word for an answer
    return "disabled" if disabled else "open"


def _lent(loan: Lent) -> str:
    state = "" if loan.state == "Lent" else f" ({loan.state.lower()})"
    return f"{loan.address} to {loan.node}{state}"


def _tell(found: Found, output: str) -> int:
    typer.echo(as_json(found) if output == "json" else "\n".join(explain_address(found)))
    return 0


def explain_address(found: Found) -> Iterator[str]:
    """What is known of one address, a line for each fact."""
    yield f"address: {found.address}"
    if not found.pool and not found.block:
        yield "pool: none: it is no address of pods"
        return
    yield f"pool: {found.pool or 'none'}"
    yield f"block: {found.block or 'none: no node has it yet'}"
    if found.node:
        yield f"node: {found.node}{' (borrowed)' if found.borrowed else ''}"
    if found.own:
        yield "use: the node's own, or given to nobody"
        return
    if found.reserved:
        yield f"reserved by: {found.reserved}"
    yield f"pod: {found.pod or 'none'}"
    if found.container:
        yield f"container: {found.container}"


def _check(output: str, kubeconfig: Path | None) -> int:
    from tandem.model.kinds import BY_KIND
    from tandem.runtime.address_check import check

    async def pods(client: KubeClient) -> Any:
        return (await client.list(BY_KIND["Pod"]))[0]

    findings = check(RunDir.default(), _addresses(kubeconfig), with_client(pods, kubeconfig))
    if output == "json":
        typer.echo(as_json({"findings": findings}))
    else:
        typer.echo("\n".join(_lines(findings)))
    return int(bool(findings))


def _lines(findings: tuple[Finding, ...]) -> Iterator[str]:
    if not findings:
        yield "journals, kernel and API agree"
    for one in findings:
        yield from sentence(f"{one.kind}: {one.node}: {one.text}", width=terminal_width())


def _release(address: str, output: str, *, force: bool) -> int:
    from tandem.podnet.upkeep import RELEASE

    name = next((name for name, a in _attachments() if address in a.addresses), "") or _holder(address)
    if not name:
        raise CommandError(f"address {address} is not in use on a node of this machine")
    done = _asked(name, RELEASE, {"address": address, "force": force})
    if output == "json":
        typer.echo(as_json({"node": name, **done}))
    else:
        typer.echo(f"{', '.join(done['addresses'])} released on {name} (container {done['container']})")
    return 0


def _holder(address: str) -> str:
    """The node of this machine that shares a directory of host-local with this address; empty if there is none."""
    from tandem.runtime.host_local import shared_directories

    shared = ((node.root.name, d) for node in RunDir.default().nodes() for d in shared_directories(node))
    return next((name for name, directory in shared if (directory.path / address).exists()), "")


def _import(data: Path | None, network: str, node: str, output: str) -> int:
    from tandem.podnet.upkeep import SHARE

    if data is None:
        raise CommandError("import from where? give --from-host-local DIR", status=2)
    folder = _network(data.absolute(), network)
    name = node_named(RunDir.default(), node).root.name
    done = _asked(name, SHARE, {"directory": str(folder)})
    if output == "json":
        typer.echo(as_json({"node": name, **done}))
    else:
        count = len(done["addresses"])
        typer.echo(
            f"{name} shares {folder} from now on; host-local holds {count} address{'' if count == 1 else 'es'} there"
        )
    return 0


def _network(data: Path, network: str) -> Path:
    """The directory of one network: named, or the only one."""
    if not data.is_dir():
        raise CommandError(f"--from-host-local {data}: no such directory")
    names = sorted(p.name for p in data.iterdir() if p.is_dir())
    if network in names:
        return data / network
    if network or len(names) != 1:
        raise CommandError(f"--network {network or '?'}: choose one of {', '.join(names) or 'none'}", status=2)
    return data / names[0]


def _asked(node: str, verb: str, config: dict[str, Any]) -> dict[str, Any]:
    from tandem.podnet.ask import AskError, ask

    try:
        return ask(RunDir.default().node(node).cni_socket, verb, config)
    except AskError as err:
        raise CommandError(str(err)) from err
