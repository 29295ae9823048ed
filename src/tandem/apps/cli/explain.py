"""`tandem explain FROM TO`: the verdict before any packet is sent, and each rule on the way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.output import place
from tandem.apps.cli.session import CommandError, KubeconfigOption, NamespaceOption, NotRunningError, with_client

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

VIEW: Final = "/apis/views.tandem.io/v1/explain"
_ENDS: Final = "[NS/]POD, [NS/]deploy/NAME, [NS/]svc/NAME, node/NAME or an address"
_TO: Final = f"{_ENDS}; [NS/]gateway/NAME; or a domain name. PORT is 80, 53/UDP or a name such as http"


def explain(
    *,
    source: Annotated[str, typer.Argument(metavar="FROM", help=_ENDS)],
    destination: Annotated[str, typer.Argument(metavar="TO[:PORT]", help=_TO)],
    namespace: NamespaceOption = "default",
    protocol: Annotated[
        str, typer.Option("--protocol", help="TCP, UDP, SCTP or ICMP; default: as TO says.", metavar="P")
    ] = "",
    method: Annotated[str, typer.Option("--method", help="HTTP method.", metavar="M")] = "",
    path: Annotated[str, typer.Option("--path", help="Request path.", metavar="P")] = "",
    header: Annotated[list[str] | None, typer.Option("--header", help="A header.", metavar="K=V")] = None,
    host: Annotated[str, typer.Option("--host", help="Host of a request to a gateway.", metavar="H")] = "",
    sni: Annotated[
        str, typer.Option("--sni", help="Name asked for in TLS; at a gateway the host without it.", metavar="H")
    ] = "",
    files: Annotated[
        list[Path] | None,
        typer.Option("-f", "--filename", help="Judge these manifests instead of the running system.", metavar="PATH"),
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Say whether FROM may talk to TO, and name each rule on the way, from egress policy to routes and mTLS.

    What is sent is TCP; TO:53/UDP and --protocol ask about UDP, SCTP and ICMP.

    Exit status 0: allowed; 1: denied; 2: no answer, because of wrong use or because nothing runs and no -f is given.

    Example: tandem explain shop/client shop/svc/my-service:80 --path /v1
    """
    if output not in {"text", "json"}:
        raise CommandError(f"-o {output}: text or json")
    for item in header or ():
        if "=" not in item:
            raise CommandError(f"--header {item}: write it as NAME=VALUE")
    asked = {
        "from": source,
        "to": destination,
        "namespace": namespace,
        "protocol": protocol,
        "method": method,
        "path": path,
        "host": host,
        "sni": sni,
        "headers": json.dumps([h.split("=", 1) for h in header or ()]),
    }
    answer = _from_files(files, asked) if files else _from_cluster(kubeconfig, asked)
    if output == "json":
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        _paint(answer)
    return 0 if answer["allowed"] else 1


def _from_cluster(kubeconfig: Path | None, asked: dict[str, str]) -> dict[str, Any]:
    from tandem.ingest.errors import ApiError, Unreachable

    async def ask(client: KubeClient) -> dict[str, Any]:
        try:
            return await client.request("GET", VIEW, query=asked)
        except Unreachable:
            raise
        except ApiError as err:
            raise CommandError(err.message) from err

    try:
        return with_client(ask, kubeconfig)
    except NotRunningError as err:
        raise CommandError(f"{err}, or ask about manifests: tandem explain -f PATH FROM TO") from err


def _from_files(files: list[Path], asked: dict[str, str]) -> dict[str, Any]:
    """The same answer without anything running: the manifests as a cluster would have them at rest."""
    import msgspec

    from tandem.apps.cli.applying import read_manifests
    from tandem.runtime.rehearsal import rehearse
    from tandem.views.explain import ExplainError, explain, question

    try:
        answer = explain(rehearse(read_manifests(files, None)), question(asked))
    except ExplainError as err:
        raise CommandError(str(err)) from err
    built: dict[str, Any] = msgspec.to_builtins(answer)
    return built


def _paint(answer: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    colour = "green" if answer["allowed"] else "red"
    console.print(f"[bold {colour}]{_escape(answer['summary'])}[/]")
    for one in answer.get("seen", ()):
        reason = one.get("reason", "")
        rules = "; ".join(at for at in map(place, one.get("rules", ())) if at not in reason)
        told = "  ".join(filter(None, (_escape(reason), f"[cyan]{_escape(rules)}[/]" if rules else "")))
        console.print(f"  [dim]lately:[/] {one['count']} {one['verdict']}  {told}  [dim]last {one['newest'][11:19]}[/]")
    for line in answer["route"]:
        console.print(f"  {_line(line)}")
    for ways in _alike(answer["ways"]):
        for way in ways:
            mark = "[green]✓[/]" if way["allowed"] else "[red]✗[/]"
            console.print(f"{mark} {_escape(way['destination'])} at {way['address']} ({way['transport']})")
        for line in ways[0]["steps"]:
            console.print(f"    {_line(line)}")


def _alike(ways: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Ends for which the same rules say the same are shown together: in the order of the first of each."""
    found: list[list[dict[str, Any]]] = []
    for way in ways:
        own = way["allowed"], way["transport"], way["steps"]
        group = next((g for g in found if (g[0]["allowed"], g[0]["transport"], g[0]["steps"]) == own), None)
        if group is None:
            found.append([way])
        else:
            group.append(way)
    return found


def _line(line: dict[str, Any]) -> str:
    rule = line.get("rule")
    parts = [f"[dim]{line['layer']}:[/] {line['effect']}", _escape(line.get("text", ""))]
    if rule:
        parts.append(f"[cyan]{_escape(place(rule))}[/]")
    return "  ".join(p for p in parts if p)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
