"""`tandem status`: the view `status` of control, as tables or as the JSON that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import KubeconfigOption, with_client

if TYPE_CHECKING:
    from rich.console import Console

    from tandem.ingest.kube import KubeClient

PATH: Final = "/apis/views.tandem.io/v1/status"
_HIDDEN: Final = frozenset({"problems"})
"""Sections and columns with a form of their own."""


def status(
    *,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.", metavar="FORMAT")] = "table",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Show nodes, pods, proxies, acknowledged versions, certificates and problems.

    Exit status 1 if something is not ready or there is an error among the problems.

    Example: tandem status -o json
    """
    check_format(output, ("table", "json"))

    async def work(client: KubeClient) -> dict[str, Any]:
        return await client.request("GET", PATH)

    view = with_client(work, kubeconfig)
    if output == "json":
        typer.echo(as_json(view))
    else:
        paint(view)
    return int(not healthy(view))


def healthy(view: dict[str, Any]) -> bool:
    """Every node is ready and no problem is an error."""
    return all(n.get("ready") for n in view.get("nodes") or ()) and not any(
        p.get("severity", "error") == "error" for p in view.get("problems") or ()
    )


def paint(view: dict[str, Any]) -> None:
    """One table per section of the view, and the problems as sentences."""
    from rich.console import Console

    console = Console(highlight=False)
    for section, rows in view.items():
        if section not in _HIDDEN and isinstance(rows, list) and rows:
            _paint_table(console, section, rows)
    problems = view.get("problems") or []
    for problem in problems:
        colour = "red" if problem.get("severity") == "error" else "yellow"
        console.print(f"[{colour}]{problem.get('severity', 'error')}[/]", _problem_text(problem), soft_wrap=True)
    if not problems:
        console.print("no problems")


def _problem_text(problem: dict[str, Any]) -> str:
    at = problem.get("origin") or {}
    where = "/".join(str(at[k]) for k in ("namespace", "name") if at.get(k))
    place = " ".join(str(p) for p in (at.get("kind"), where, at.get("path")) if p)
    source = f" ({at['source']})" if at.get("source") else ""
    return f"{place}{source}: {problem.get('text', '')}".replace("[", r"\[")


def _paint_table(console: Console, section: str, rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    names = [n for n in rows[0] if n not in _HIDDEN]
    table = Table(title=section, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    console.print(table)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case True:
            return "[green]yes[/]"
        case False:
            return "[red]no[/]"
        case dict():
            return ", ".join(f"{k} {_plain(v)}" for k, v in value.items() if v not in ("", None, []))
        case list():
            return "\n".join(_plain(v) for v in value)
        case _:
            return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
        case list():
            return ", ".join(_plain(v) for v in value)
        case _:
            return str(value).replace("[", r"\[")
