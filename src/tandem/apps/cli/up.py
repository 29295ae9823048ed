"""`tandem up`: both layers on this machine with one command, in the right order, and manifests applied."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tandem.apps.cli.apply import SkipOption, kinds_of
from tandem.apps.cli.applying import about_it, apply_each, read_manifests
from tandem.apps.cli.output import check_format
from tandem.apps.cli.progress import Progress
from tandem.apps.cli.session import CommandError
from tandem.apps.cli.warnings import Warnings
from tandem.base.paths import RunDir
from tandem.cluster.networks import (
    POD_NETWORK,
    SERVICE_NETWORK,
    PodNetwork,
    ServiceNetwork,
    check_apart,
    check_together,
)
from tandem.cluster.nodes import first_pools
from tandem.compile.fabric import FABRICS
from tandem.ingest.errors import ApiError, Unreachable
from tandem.ingest.images import read_images, save_images
from tandem.ingest.kube import KubeClient
from tandem.ipam.store import REMEMBERED
from tandem.model.images import Images
from tandem.model.schema import validate
from tandem.runtime import plant, preflight, teardown, underlay
from tandem.runtime.apart import at_rest
from tandem.runtime.cni_install import install_cni
from tandem.runtime.holdings import LIMITS, Limits
from tandem.runtime.supervisor import spawn, write_tasks

STATUS: Final = "/apis/views.tandem.io/v1/status"
UNDERLAY: Final = "the underlay of the nodes"
_LOOK: Final = 0.05


def up(
    *,
    files: Annotated[
        list[str] | None, typer.Option("-f", "--filename", help="Manifests: a file or a directory.", metavar="PATH")
    ] = None,
    skip: SkipOption = "",
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=32, help="How many nodes to make.")] = 1,
    images: Annotated[
        Path | None, typer.Option("--images", help="What images are here: programs, root directories.", metavar="FILE")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready; go on in the background.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="How long it may take to get ready.", metavar="SECONDS")
    ] = 60.0,
    api_port: Annotated[
        int, typer.Option("--api-port", min=1, max=65535, help="Loopback port of the API server.")
    ] = 6443,
    pod_cidr: Annotated[
        str, typer.Option("--pod-cidr", help="The addresses of all pods; for both families two, with a comma.")
    ] = POD_NETWORK,
    node_prefix: Annotated[
        str,
        typer.Option(
            "--node-prefix", help="Length of a node's blocks of each --pod-cidr: 24 or 64 unless told; 29 has 5 pods."
        ),
    ] = "",
    service_cidr: Annotated[
        str, typer.Option("--service-cidr", help="The addresses of all Services; the first family is their default.")
    ] = SERVICE_NETWORK,
    ip_cool_down: Annotated[
        float,
        typer.Option(
            "--ip-cool-down", min=0, max=REMEMBERED, help="Before a pod's address is given again.", metavar="SECONDS"
        ),
    ] = LIMITS.cool_down,
    leak_grace: Annotated[
        float, typer.Option("--leak-grace", min=0, help="Before leaked addresses are taken back.", metavar="SECONDS")
    ] = LIMITS.leak_grace,
    peers_wait: Annotated[
        float,
        typer.Option("--peers-wait", min=0, help="Before a pod starts that rules do not know yet.", metavar="SECONDS"),
    ] = LIMITS.peers_wait,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Where agents serve metrics beside their sockets.", metavar="HOST:PORT")
    ] = LIMITS.metrics,
    lb_pool: Annotated[
        str, typer.Option("--lb-pool", help="Addresses for Services of type LoadBalancer: prefixes, ranges.")
    ] = "",
    fabric: Annotated[
        str, typer.Option("--fabric", help=f"How nodes are connected: {', '.join(f.name for f in FABRICS)}.")
    ] = "",
    mtu: Annotated[int, typer.Option("--mtu", help="MTU of pods; 0: worked out from the underlay.")] = 0,
    encryption: Annotated[
        str,
        typer.Option("--encryption", help="Between nodes, of what mTLS does not cover: wireguard. Off unless told."),
    ] = "",
    asleep: Annotated[bool, typer.Option("--asleep", hidden=True, help="Pods only sleep (verify matrix).")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
) -> int:
    """Start API server, control plane, agents and Envoy; apply manifests; wait until all is in force.

    Without --detach it stays in the foreground, and Ctrl-C (or SIGTERM) takes everything down again.

    Example: tandem up -f examples/shop --detach

    Images that are unpacked here: tandem up -f app.yaml --images images.yaml

    Both families: tandem up --pod-cidr 10.244.0.0/16,fd00:10:244::/56
    """
    check_format(output, ("text", "json"))
    started = time.monotonic()
    run_dir = RunDir.default()
    known = _known(images)
    # Manifests are read before anything is started: a mistake in them changes nothing.
    say = Progress(quiet=output == "json")
    loaded = read_manifests(files, None, skip=kinds_of(skip), progress=say) if files else []
    loaded = at_rest(loaded) if asleep else loaded
    objects = _with_pool(_with_network(loaded, fabric, mtu, encryption), lb_pool)
    networks = _networks(pod_cidr, node_prefix, service_cidr=service_cidr, nodes=nodes)
    _check_pools(objects, networks)
    limits = Limits(cool_down=ip_cool_down, leak_grace=leak_grace, peers_wait=peers_wait, metrics=metrics)
    _check(run_dir, api_port, networks.pods.families, fabric=_fabric(objects))
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C
        signal.signal(number, signal.default_int_handler)
    _prepare(run_dir, say)
    try:
        save_images(run_dir.images, known)
        seats = _seats(run_dir, nodes, networks.pods.families)
        write_tasks(run_dir, plant.tasks(run_dir, seats, api_port=api_port, networks=networks, limits=limits))
        spawn(run_dir)
        say.line(f"starting {nodes} node{'s' if nodes > 1 else ''} in {run_dir.root}")
        reasons = asyncio.run(_bring_up(run_dir, objects, nodes=nodes, deadline=started + wait, say=say))
    except (Exception, KeyboardInterrupt):
        _take_down(run_dir, say)
        raise
    seconds = round(time.monotonic() - started, 2)
    if output == "json":
        sys.stdout.write(json.dumps({"ready": not reasons, "reasons": reasons, "seconds": seconds}) + "\n")
    if reasons:
        say.line(f"not ready after {seconds:.0f} s:")
        for reason in reasons:
            say.line(f"  {reason}")
        say.line("it is left running: look with `tandem status`, end it with `tandem down`")
        return 1
    say.line(f"ready after {seconds:.1f} s; kubeconfig: {run_dir.kubeconfig}")
    if not detach:
        _stay(run_dir, say)
    return 0


def _known(path: Path | None) -> Images:
    """What the file of --images says, checked before anything is started."""
    from tandem.ingest.files import ManifestError

    try:
        return read_images(path) if path is not None else Images()
    except ManifestError as err:
        raise CommandError("\nerror: ".join(err.errors)) from err


def _with_network(objects: list[dict[str, Any]], fabric: str, mtu: int, encryption: str) -> list[dict[str, Any]]:
    """The manifests, and the Network that the options mean."""
    asked = {"fabric": fabric, "mtu": mtu, "encryption": {"type": encryption} if encryption else None}
    spec = {field: value for field, value in asked.items() if value}
    if not spec:
        return objects
    options = ", ".join(f"--{field}" for field in spec)
    if any(o["kind"] == "Network" for o in objects):
        raise CommandError(f"{options}: the manifests have a Network already: say it there", status=2)
    network = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": spec}
    if wrong := validate(network):
        raise CommandError(f"{options}: {'; '.join(wrong)}", status=2)
    return [network, *objects]


def _with_pool(objects: list[dict[str, Any]], lb_pool: str) -> list[dict[str, Any]]:
    """The manifests, and the pool that the option means."""
    if not lb_pool:
        return objects
    pool = {"apiVersion": "tandem.io/v1", "kind": "LoadBalancerPool", "metadata": {"name": "default"}}
    pool["spec"] = {"addresses": [text.strip() for text in lb_pool.split(",")]}
    if any((o["kind"], o["metadata"].get("name")) == ("LoadBalancerPool", "default") for o in objects):
        raise CommandError("--lb-pool: the manifests have a LoadBalancerPool default already", status=2)
    if wrong := validate(pool):
        raise CommandError(f"--lb-pool: {'; '.join(wrong)}", status=2)
    return [pool, *objects]


def _fabric(objects: list[dict[str, Any]]) -> str:
    """The one that the Network names; empty: the default."""
    specs = (o.get("spec") or {} for o in objects if o["kind"] == "Network")
    return str(next(specs, {}).get("fabric") or "")


def _check_pools(objects: list[dict[str, Any]], networks: plant.Networks) -> None:
    """Pools that the API would refuse beside those of --pod-cidr, or that would keep those out."""
    from tandem.apiserver.pools import KINDS, clashes

    first = [made.raw for made in first_pools(networks.pods)]
    names = {pool["metadata"]["name"] for pool in first}
    for pool in objects:
        if pool["kind"] not in KINDS or validate(pool):
            continue
        kind, name = pool["kind"], pool["metadata"].get("name", "")
        if kind == "IPPool" and name in names:
            continue
        if wrong := clashes(pool, first, services=networks.services.cidrs, nodes=()):
            raise CommandError(f"{kind} {name}: {'; '.join(wrong)}", status=2)


def _check(run_dir: RunDir, api_port: int, families: tuple[int, ...], *, fabric: str) -> None:
    if lines := preflight.missing(families, fabric):
        raise CommandError("this machine lacks something:\n" + "\n".join(f"  {line}" for line in lines))
    if teardown.running(run_dir):
        raise CommandError(f"tandem is running already in {run_dir.root}; use `tandem apply`, or `tandem down` first")
    try:
        plant.check_port(api_port)
    except plant.PortInUseError as err:
        raise CommandError(str(err)) from err


def _networks(pod_cidr: str, node_prefix: str, *, service_cidr: str, nodes: int) -> plant.Networks:
    underlays = (str(underlay.NETWORK), str(underlay.NETWORK6)) if nodes > 1 else ()
    try:
        pods = PodNetwork.parse(pod_cidr, node_prefix)
        pods.check_room(nodes)
        check_apart(pods.cidrs, underlays, UNDERLAY)
    except ValueError as err:
        raise CommandError(f"--pod-cidr, --node-prefix: {err}", status=2) from err
    try:
        services = ServiceNetwork.parse(service_cidr)
        check_together(pods, services)
        check_apart(services.cidrs, underlays, UNDERLAY)
    except ValueError as err:
        raise CommandError(f"--service-cidr: {err}", status=2) from err
    return plant.Networks(pods=pods, services=services)


def _prepare(run_dir: RunDir, say: Progress) -> None:
    if teardown.traces(run_dir):
        say.line(f"an earlier run in {run_dir.root} has left something: cleaning up first")
        for _ in teardown.down(run_dir):
            pass
    run_dir.root.mkdir(mode=0o700, parents=True)


def _seats(run_dir: RunDir, nodes: int, families: tuple[int, ...]) -> tuple[underlay.NodeSeat, ...]:
    """Where the nodes live, made ready for them."""
    names = plant.node_names(nodes)
    seats = underlay.seats(names, families) if nodes > 1 else (underlay.NodeSeat(name=names[0], netns=""),)
    for name in names:
        run_dir.node(name).root.mkdir(mode=0o700, parents=True)
        install_cni(run_dir.node(name))
    if nodes > 1:
        underlay.build(seats, run_dir.root)
    return seats


async def _bring_up(
    run_dir: RunDir, objects: list[dict[str, Any]], *, nodes: int, deadline: float, say: Progress
) -> list[str]:
    """Apply and wait; returns why it is not ready at the deadline (empty: it is)."""
    warnings = Warnings(lambda text: say.line(f"Warning: {text}"))
    async with await _api(run_dir, deadline, on_warning=lambda text: warnings.add(about_it(text))) as client:
        refused = []
        async for applied in apply_each(client, objects):
            if applied.outcome == "refused":
                refused.append(f"{applied.label}: {applied.message}")
            else:
                say.line(f"{applied.label} {applied.outcome}")
        warnings.close()
        if refused:
            return refused
        reasons = ["control has not answered"]
        while time.monotonic() < deadline:
            status = await _status(client)
            if status is not None:
                reasons = plant.unready(status, nodes=nodes, applied=objects)
                ready = sum(p["ready"] for p in status["pods"])
                say.moving(f"pods {ready}/{len(status['pods'])} ready, {len(reasons)} things to wait for")
                if not reasons:
                    return []
            await asyncio.sleep(_LOOK)
        return reasons


async def _api(run_dir: RunDir, deadline: float, *, on_warning: Callable[[str], None]) -> KubeClient:
    """The API as soon as it answers."""
    while time.monotonic() < deadline:
        if run_dir.kubeconfig.exists():
            client = KubeClient.from_kubeconfig(run_dir.kubeconfig, on_warning=on_warning)
            try:
                await client.request("GET", "/version")
            except (Unreachable, ApiError):
                await client.close()
            else:
                return client
        await asyncio.sleep(_LOOK)
    raise CommandError(f"the API server does not answer in the time that --wait gives{_tail(run_dir.control_log)}")


async def _status(client: KubeClient) -> dict[str, Any] | None:
    try:
        return await client.request("GET", STATUS)
    except ApiError:
        return None


def _stay(run_dir: RunDir, say: Progress) -> None:
    """In the foreground until Ctrl-C (or `tandem down` from elsewhere)."""
    say.line("press Ctrl-C to take it down")
    try:
        while teardown.running(run_dir):
            time.sleep(0.5)
    except KeyboardInterrupt:
        _take_down(run_dir, say)


def _take_down(run_dir: RunDir, say: Progress) -> None:
    say.line("taking it down")
    for line in teardown.down(run_dir):
        if "left: " in line:
            say.line(line)


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    return "".join(f"\n  {line}" for line in log.read_text(errors="replace").splitlines()[-3:])
