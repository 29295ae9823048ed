"""`tandem status`: the view `status` of control, as tables or as the JSON that it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.layout import sentence, table, terminal_width
from tandem.apps.cli.output import as_json, check_format, place
from tandem.apps.cli.session import KubeconfigOption, with_client

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

PATH: Final = "/apis/views.tandem.io/v1/status"
NODES: Final = ("NODE", "READY", "ADDRESS", "POD-CIDR", "PODS", "ACCEPTED", "ENVOY", "PID")
PODS: Final = ("POD", "READY", "PHASE", "ADDRESS", "NODE", "MESH-IDENTITY")
_SHOWN: Final = 3
_SCHEME: Final = "spiffe://"


def status(
    *,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.", metavar="FORMAT")] = "table",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Show nodes, pods, proxies, acknowledged versions, certificates and problems.

    Exit status 1 if a node is not ready, an object is not in force, or a problem is an error.

    Example: tandem status -o json
    """
    check_format(output, ("table", "json"))

    async def work(client: KubeClient) -> dict[str, Any]:
        return await client.request("GET", PATH)

    view = with_client(work, kubeconfig)
    if output == "json":
        typer.echo(as_json(view))
    else:
        typer.echo("\n".join(paint(view, width=terminal_width())))
    return int(not healthy(view))


def healthy(view: dict[str, Any]) -> bool:
    """Every node is ready, every object is in force, and no problem is an error."""
    return (
        all(n["ready"] for n in view["nodes"])
        and all(o["programmed"] for o in view["objects"])
        and not any(p["severity"] == "error" for p in view["problems"])
    )


def paint(view: dict[str, Any], *, width: int) -> list[str]:
    """The view as lines: a section each for nodes, pods, objects, certificates and problems."""
    lines = _nodes(view["nodes"], width)
    if view["pods"]:
        lines += ["", *table(PODS, [_pod(p) for p in view["pods"]], width=width)]
    lines += ["", *_networks(view["nodes"], width), *_acknowledged(view["nodes"], width)]
    sections = (_bgp, _encryption, _fast_path, _names, _drift)
    lines += [part for more in sections for part in more(view["nodes"], width)]
    lines += _judged(view.get("policy", ()), width)
    lines += _objects(view["objects"], width)
    lines += [_certificates(view["nodes"]), *_problems(view, width)]
    return lines


def _nodes(nodes: list[dict[str, Any]], width: int) -> list[str]:
    if not nodes:
        return ["no node has registered"]
    return table(NODES, [_node(n) for n in nodes], width=width)


def _node(node: dict[str, Any]) -> tuple[str, ...]:
    envoy, resources = node["envoy"], node["resources"]
    return (
        node["name"],
        _yes(node["ready"]),
        ",".join(node["addresses"]),
        ",".join(node["podCIDRs"]),
        str(node["pods"]),
        f"{resources['accepted']}/{resources['sent']}",
        envoy["version"] or "-",
        str(envoy["pid"] or "-") + (f" (restarts: {envoy['restarts']})" if envoy["restarts"] else ""),
    )


def _networks(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """How nodes are connected; those that say the same are told together."""
    told: dict[str, list[str]] = {}
    for node in nodes:
        if (network := node["network"])["fabric"]:
            told.setdefault(_network(network), []).append(node["name"])
    for text, names in told.items():
        yield from sentence(f"network of {', '.join(names)}: {text}", width=width)


def _network(network: dict[str, Any]) -> str:
    paths = network["paths"]
    silent = [p["node"] for p in paths if not p["carries"]]
    narrow = [f"{p['node']} ({p['carries']})" for p in paths if 0 < p["carries"] < network["mtu"]]
    parts = [f"fabric {network['fabric']}, MTU {network['mtu']} of {network['underlayMTU']} on the underlay"]
    if paths and not silent and not narrow:
        parts.append("every path carries it")
    parts += [f"too narrow: {', '.join(narrow)}"] if narrow else []
    parts += [f"no answer from {', '.join(silent)}"] if silent else []
    parts += [f"pods are let through {', '.join(opened)}"] if (opened := network.get("opened")) else []
    return "; ".join(parts)


def _acknowledged(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """What each Envoy has in force: per type how many resources, and the version of all of them together."""
    for node in nodes:
        types = node["envoy"].get("acknowledged", {})
        if parts := [f"{kind} {t['resources']} ({t['version']})" for kind, t in types.items() if t["resources"]]:
            yield from sentence(f"Envoy of {node['name']} acknowledged: {', '.join(parts)}", width=width)


def _bgp(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Of each node that speaks BGP: its sessions, and how many prefixes were told either way."""
    for node in nodes:
        sessions = (node.get("bgp") or {}).get("sessions", ())
        if sessions:
            up = [s for s in sessions if s["state"] == "Established"]
            told = ", ".join(f"{sum(s[key] for s in up)} {key}" for key in ("accepted", "refused", "announced"))
            text = f"BGP of {node['name']}: {len(up)} of {len(sessions)} sessions established; prefixes: {told}"
            yield from sentence(text, width=width)


def _encryption(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Of each node that encrypts: by what, and with how many other nodes it has spoken."""
    for node in nodes:
        if tunnel := node.get("encryption"):
            spoken = sum(bool(peer["handshake"]) for peer in tunnel["peers"])
            by = "the kernel" if tunnel["by"] == "wireguard" else "wireguard-go"
            text = f"encryption of {node['name']}: by {by}; {spoken} of {len(tunnel['peers'])} nodes have answered"
            yield from sentence(text, width=width)


def _fast_path(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Of how many pods' addresses established connections go from link to link, or why of none."""
    for node in nodes:
        if fast := node.get("fastPath"):
            text = f"off: {fast['why']}" if fast["why"] else f"{fast['addresses']} addresses, {fast['packets']} packets"
            yield from sentence(f"fast path of {node['name']}: {text}", width=width)


def _names(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Of each node with policies about names: how many names are known there."""
    for node in nodes:
        names = node.get("names") or {}
        if patterns := names.get("patterns"):
            wanted = f"{len(patterns)} pattern{'s' if len(patterns) > 1 else ''}"
            text = f"names of {node['name']}: policies are about {wanted}; {names['known']} names have addresses"
            yield from sentence(text, width=width)


def _drift(nodes: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Of each node whose tables or pods' links others have changed: how often, and the newest change."""
    for node in nodes:
        drift = node.get("drift") or {}
        if newest := drift.get("newest", ())[-1:]:
            what = ", ".join(newest[0]["what"][:_SHOWN])
            by = f"{newest[0]['by']} (process {newest[0]['pid']})" if newest[0]["by"] else "somebody"
            what_of = f"rules and links of {node['name']}"
            text = f"{what_of} were changed by others: {drift['found']}, repaired: {drift['repaired']}"
            where = f" inside pod {newest[0]['pod']}" if newest[0].get("pod") else ""
            yield from sentence(f"{text}; the last by {by}{where} at {newest[0]['time']}: {what}", width=width)


def _judged(counts: Iterable[dict[str, Any]], width: int) -> Iterator[str]:
    """First packets that policy has judged since its rules are there; nothing where it judged none."""
    policy = {one["verdict"]: one["count"] for one in counts}
    if any(policy.values()):
        staged = f", {policy['staged']} would be by staged policies" if policy["staged"] else ""
        yield from sentence(
            f"policy: {policy['allowed']} connections allowed, {policy['denied']} packets denied{staged}", width=width
        )


def _pod(pod: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{pod['namespace']}/{pod['name']}",
        _yes(pod["ready"]),
        pod["phase"],
        ",".join(pod["addresses"]) or "-",
        pod["node"] or "-",
        pod["identity"].removeprefix(_SCHEME) or "-",
    )


def _objects(objects: list[dict[str, Any]], width: int) -> list[str]:
    waiting = [o for o in objects if not o["programmed"]]
    if not waiting:
        return [f"objects: {_all(len(objects))} in force"]
    lines = [f"objects: {len(objects) - len(waiting)} of {len(objects)} in force; these are not:"]
    for obj in waiting:
        text = f"{obj['kind']} {obj['namespace']}/{obj['name']}: {obj['message']}"
        lines += sentence(text, width=width, first="  ")
    return lines


def _all(count: int) -> str:
    return f"all {count}" if count else "none to put"


def _certificates(nodes: list[dict[str, Any]]) -> str:
    """Ends are in RFC 3339 with the same zone, so that they sort as text."""
    ends = sorted(c["notAfter"] for n in nodes for c in n["certificates"])
    return f"certificates: {len(ends)}, the nearest expiry at {ends[0]}" if ends else "certificates: none"


def _problems(view: dict[str, Any], width: int) -> Iterator[str]:
    """Why nodes and pods are not as they should be, then what is wrong with what the user wrote."""
    texts = []
    told: dict[str, list[str]] = {}
    for node in view["nodes"]:
        if not node["agent"]["connected"]:
            texts.append(f"error: node {node['name']}: its agent is not connected")
        if not node["podCIDRs"]:
            texts.append(f"error: node {node['name']}: no pool has a block of pod addresses for it")
        for text in (*node["resources"]["refused"], *node["problems"]):
            told.setdefault(text, []).append(node["name"])
    texts += [f"error: node{'s' if len(by) > 1 else ''} {', '.join(by)}: {text}" for text, by in told.items()]
    texts += [
        f"warning: pod {p['namespace']}/{p['name']}: {p['message']}"
        for p in view["pods"]
        if p["message"] and not p["ready"] and p["phase"] not in {"Succeeded", "Terminating"}
    ]
    texts += [f"{p['severity']}: {place(p['origin'])}: {p['text']}" for p in view["problems"]]
    yield "problems:" if texts else "problems: none"
    for text in texts:
        yield from sentence(text, width=width, first="  ")


def _yes(answer: bool) -> str:  # noqa: FBT001 - a word for an answer
    return "yes" if answer else "no"
