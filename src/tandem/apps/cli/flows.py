"""`tandem flows`: who talked to whom, the verdict, and which rule decided, from kernel drops and access logs alike."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.output import until_unread
from tandem.apps.cli.session import CommandError, KubeconfigOption, with_client

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

VIEW: Final = "/apis/views.tandem.io/v1/flows"


def flows(
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on printing as they happen.")] = False,
    denied: Annotated[bool, typer.Option("--denied", help="Only what was denied.")] = False,
    staged: Annotated[bool, typer.Option("--staged", help="Only what a staged policy would have denied.")] = False,
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", help="Only with an end in this namespace.", metavar="NS")
    ] = "",
    pod: Annotated[str, typer.Option("--pod", help="Only with this pod at an end.", metavar="POD")] = "",
    last: Annotated[int, typer.Option("--last", help="Only the newest N so far (0 with --follow: none).", min=0)] = 200,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.", metavar="FORMAT")] = "table",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Show connections, requests and dropped packets with their verdict and the rule behind it.

    With -o json: one object {"flows": [...]}; with --follow one flow a line.

    Example: tandem flows --denied
    """
    if output not in {"table", "json"}:
        raise CommandError(f"-o {output}: table or json", status=2)
    chosen = {"denied": str(denied).lower(), "staged": str(staged).lower()}
    query = {**chosen, "namespace": namespace, "pod": pod, "last": str(last)}

    async def once(client: KubeClient) -> int:
        answer = await client.request("GET", VIEW, query=query)
        if output == "json":
            sys.stdout.write(json.dumps(answer) + "\n")
        else:
            _table(answer["flows"])
        return 0

    async def on_and_on(client: KubeClient) -> int:
        async for line in client.lines(VIEW, query | {"follow": "true"}):
            sys.stdout.write(f"{line}\n" if output == "json" else _text(json.loads(line)))
            sys.stdout.flush()
        return 0

    async def while_read(client: KubeClient) -> int:
        return await until_unread(on_and_on(client), sys.stdout)

    return with_client(while_read if follow else once, kubeconfig)


def _table(found: list[dict[str, Any]]) -> None:
    from tandem.views.flows import COLUMNS, row

    rows = [COLUMNS, *(row(flow) for flow in found)]
    widths = [max(len(r[i]) for r in rows) for i in range(len(COLUMNS) - 1)]
    for cells in rows:
        sys.stdout.write("  ".join([*(c.ljust(w) for c, w in zip(cells, widths, strict=False)), cells[-1]]).rstrip())
        sys.stdout.write("\n")


def _text(flow: dict[str, Any]) -> str:
    from tandem.views.flows import row

    return "  ".join(row(flow)) + "\n"
