"""`tandem canary`: how far a Canary is and why, and what somebody may do about it by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.applying import conditions
from tandem.apps.cli.columns import age_since
from tandem.apps.cli.layout import table, terminal_width
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, KubeconfigOption, NamespaceOption, with_client
from tandem.base.clock import SystemClock
from tandem.model.canary import COMMAND, IGNORED
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

POLL: Final = 0.1
FIGURES: Final = ("VERSION", "SHARE", "REQUESTS", "SUCCESS", "LATENCY")
HISTORY: Final = ("AGE", "WEIGHT", "REASON", "MESSAGE")


class Action(Enum):
    """What to do."""

    STATUS = "status"
    PROMOTE = "promote"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"


def canary(
    action: Annotated[Action, typer.Argument(metavar="status|promote|abort|pause|resume|restart")],
    name: Annotated[str, typer.Argument(help="Name of the Canary.")],
    *,
    namespace: NamespaceOption = "default",
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait until it is done.", metavar="SECONDS")] = 10.0,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show how far a Canary is and what its versions did, or move it by hand.

    promote gives the canary everything at once, whatever was measured; abort gives everything back to the stable
    version. pause keeps the weight (what fails is still rolled back); resume ends a pause, and lets a manual step go
    on. restart begins anew, also after the end. Each is written as the annotation tandem.io/canary, which is taken
    away when it is done. Where there is nothing to promote, to abort or to resume, it says so: exit status 1.

    Example: tandem canary status reviews -n shop

    Example: tandem canary promote reviews -n shop
    """
    check_format(output, ("text", "json"))

    async def work(client: KubeClient) -> RawObject:
        kind = BY_KIND["Canary"]
        if action is Action.STATUS:
            return await client.get(kind, namespace, name)
        before = await client.get(kind, namespace, name)
        await client.patch(kind, namespace, name, {"metadata": {"annotations": {COMMAND: action.value}}})
        after = await _done(client, namespace, name, wait)
        if why := ignored(before, after):
            raise CommandError(f"Canary {namespace}/{name}: {why}")
        return after

    raw = with_client(work, kubeconfig)
    typer.echo(as_json(summary(raw)) if output == "json" else "\n".join(paint(raw, SystemClock().now())))


async def _done(client: KubeClient, namespace: str, name: str, seconds: float) -> RawObject:
    """The object once control has taken the command away; CommandError if it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                raw = await client.get(BY_KIND["Canary"], namespace, name)
                if COMMAND not in (raw["metadata"].get("annotations") or {}):
                    return raw
                await asyncio.sleep(POLL)
    except TimeoutError as err:
        raise CommandError(f"not done within {seconds:g} s: control has not taken the command yet") from err


def ignored(before: RawObject, after: RawObject) -> str:
    """Why the command between the two has moved nothing; empty if it has."""
    known, now = ((raw.get("status") or {}).get("history") or [] for raw in (before, after))
    new = (e for e in now if now.count(e) > known.count(e))
    return next((e["message"] for e in new if e["reason"] == IGNORED), "")


def summary(raw: RawObject) -> dict[str, Any]:
    """The status as JSON, without what control keeps for itself."""
    status = raw.get("status") or {}
    return {
        "name": raw["metadata"]["name"],
        "namespace": raw["metadata"].get("namespace", ""),
        "phase": status.get("phase", ""),
        "weight": status.get("weight", 0),
        "step": min(status.get("step", 0) + 1, len(raw["spec"]["steps"])),
        "steps": len(raw["spec"]["steps"]),
        "reason": status.get("reason", ""),
        "message": status.get("message", ""),
        "failures": status.get("failures", 0),
        "judged": status.get("judged", ""),
        "stable": {"version": _version(raw, "stable"), **(status.get("stableFigures") or {})},
        "canary": {"version": _version(raw, "canary"), **(status.get("canaryFigures") or {})},
        "conditions": list(conditions(raw)),
        "history": status.get("history") or [],
    }


def paint(raw: RawObject, now: float) -> Iterator[str]:
    """Lines for people: where it stands, the figures of both versions, what has happened."""
    found = summary(raw)
    where = f"{found['namespace']}/{found['name']}: {found['phase'] or 'not begun'}"
    yield f"{where}, step {found['step']} of {found['steps']}, {found['weight']}% to the canary"
    if found["reason"]:
        yield f"{found['reason']}: {found['message']}"
    for condition in found["conditions"]:
        if condition["status"] == "False" and condition["type"] in {"Accepted", "Programmed"}:
            yield f"not {condition['type']}: {condition.get('message', '')}"
    yield ""
    shares = {"stable": 100 - found["weight"], "canary": found["weight"]}
    rows = [_figures(found[which], f"{share}%") for which, share in shares.items()]
    yield from table(FIGURES, rows, width=terminal_width())
    if found["history"]:
        yield ""
        events = [(age_since(e["time"], now), f"{e['weight']}%", e["reason"], e["message"]) for e in found["history"]]
        yield from table(HISTORY, events, width=terminal_width())


def _figures(version: dict[str, Any], share: str) -> tuple[str, ...]:
    if not version.get("requests"):  # nothing was measured
        return version["version"], share, str(version.get("requests", "-")), "-", "-"
    return (
        version["version"],
        share,
        str(version["requests"]),
        f"{version['successRate']:g}%",
        f"{version['latencyMs']:g} ms" if version["latencyMs"] else "-",  # of connections none is known
    )


def _version(raw: RawObject, which: str) -> str:
    ref = raw["spec"][which]
    service = ref.get("service") or raw["spec"]["service"]
    return f"{service}/{ref['subset']}" if ref.get("subset") else str(service)
