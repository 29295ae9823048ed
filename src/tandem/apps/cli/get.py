"""`tandem get`: kinds and names in, a table, JSON, YAML or names out; `-w` goes on with every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import msgspec
import typer

from tandem.apps.cli.applying import label
from tandem.apps.cli.columns import Column, columns, table, widths
from tandem.apps.cli.output import LIST, as_json, as_yaml, check_format, ordered
from tandem.apps.cli.session import CommandError, KubeconfigOption, NamespaceOption, complain, with_client
from tandem.apps.cli.target import kinds_named
from tandem.base.clock import SystemClock
from tandem.ingest.errors import Gone, NotFound
from tandem.model.core import Pod
from tandem.model.kinds import BY_KIND, Kind
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.translate.membership import membership

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

Labels = Mapping[str, str]
FORMATS: Final = ("table", "wide", "json", "yaml", "name")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. `namespace` empty: everywhere."""

    kinds: tuple[Kind, ...]
    names: tuple[str, ...]
    namespace: str
    selector: str
    output: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one kind, and the version to watch from."""

    kind: Kind
    objects: tuple[RawObject, ...]
    version: str = ""


def get(
    *,
    kind: Annotated[str, typer.Argument(help="Kind, several with commas, `all`, or KIND/NAME.")],
    names: Annotated[list[str] | None, typer.Argument(help="Names.", metavar="[NAME]...")] = None,
    namespace: NamespaceOption = "default",
    all_namespaces: Annotated[bool, typer.Option("-A", "--all-namespaces", help="In every namespace.")] = False,
    selector: Annotated[
        str, typer.Option("-l", "--selector", help="Labels, such as app=web.", metavar="SELECTOR")
    ] = "",
    output: Annotated[
        str, typer.Option("-o", "--output", help="table, wide, json, yaml or name.", metavar="FORMAT")
    ] = "table",
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Go on with every change.")] = False,
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Show objects.

    Example: tandem get pods,svc -n shop -o wide

    Example: tandem get netpol deny-all -o yaml
    """
    check_format(output, FORMATS)
    word, slash, name = kind.partition("/")
    request = Request(
        kinds=tuple(kinds_named(word)),
        names=tuple([name] if slash else []) + tuple(names or ()),
        namespace="" if all_namespaces else namespace,
        selector=selector,
        output=output,
    )
    if request.names and (all_namespaces or selector):
        raise CommandError("a NAME goes with neither -A nor -l", status=2)
    if watch and len(request.kinds) > 1:
        raise CommandError("-w follows one kind at a time", status=2)
    return with_client(lambda client: run(client, request, watch=watch), kubeconfig)


async def run(client: KubeClient, request: Request, *, watch: bool) -> int:
    """Print what was asked for; 1 if a named object is not there."""
    found, missing = await _fetch(client, request)
    mesh = await _namespace_labels(client, request)
    for text in missing:
        complain(text)
    several = len(request.kinds) > 1
    if request.output in {"json", "yaml"}:
        _print_data(found, request, single=len(request.names) == 1 and not several)
    elif not _print_tables(found, request, mesh, several=several) and not missing and not watch:
        where = f" in namespace {request.namespace}" if request.namespace and request.kinds[0].namespaced else ""
        complain_nothing(where)
    if watch:
        await _follow(client, request, found[0], mesh)
    return int(bool(missing))


def complain_nothing(where: str) -> None:
    """An empty answer is no error, but must not look like silence."""
    typer.echo(f"no objects found{where}", err=True)


async def _fetch(client: KubeClient, request: Request) -> tuple[list[Found], list[str]]:
    found, missing = [], []
    for kind in request.kinds:
        if not request.names:
            objects, version = await client.list(kind, request.namespace, label_selector=request.selector)
            found.append(Found(kind=kind, objects=tuple(objects), version=version))
            continue
        named = []
        for name in request.names:
            try:
                named.append(await client.get(kind, request.namespace, name))
            except NotFound as err:
                missing.append(err.message)
        version = max((str(o["metadata"]["resourceVersion"]) for o in named), default="", key=len)
        found.append(Found(kind=kind, objects=tuple(named), version=version))
    return found, missing


async def _namespace_labels(client: KubeClient, request: Request) -> Mapping[str, Labels]:
    """The labels of each namespace, which decide about the mesh; only asked for where that is shown."""
    if request.output != "wide" or not any(k.kind == "Pod" for k in request.kinds):
        return {}
    namespaces, _ = await client.list(BY_KIND["Namespace"])
    return {str(n["metadata"]["name"]): n["metadata"].get("labels") or {} for n in namespaces}


def _shown(kind: Kind, request: Request, mesh: Mapping[str, Labels]) -> list[Column]:
    def pod_mesh(raw: RawObject) -> str:
        pod = cast("Pod", parse(raw))
        return "in" if membership(pod, mesh.get(pod.metadata.namespace, {})).meshed else "out"

    every = columns(kind, namespaces=not request.namespace, now=SystemClock().now(), pod_mesh=pod_mesh)
    return [c for c in every if request.output == "wide" or not c.wide]


def _print_tables(found: list[Found], request: Request, mesh: Mapping[str, Labels], *, several: bool) -> bool:
    """True if there was anything to print."""
    printed = False
    for part in found:
        if not part.objects:
            continue
        if request.output == "name":
            lines = [label(part.kind, o["metadata"]["name"]) for o in part.objects]
        else:
            lines = table(part.objects, _shown(part.kind, request, mesh))
            if several:
                lines = [*([""] if printed else []), f"{part.kind.plural}:", *lines]
        typer.echo("\n".join(lines))
        printed = True
    return printed


def _print_data(found: list[Found], request: Request, *, single: bool) -> None:
    objects = [ordered(o) for part in found for o in part.objects]
    if single and not objects:
        return
    value: Any = objects[0] if single else {**LIST, "items": objects}
    typer.echo(as_json(value) if request.output == "json" else as_yaml(value))


async def _follow(client: KubeClient, request: Request, start: Found, mesh: Mapping[str, Labels]) -> None:
    """One line (or document) per change, until interrupted."""
    show = _line_printer(start, request, mesh)
    version = start.version
    while True:
        try:
            stream = client.watch(start.kind, version, namespace=request.namespace, label_selector=request.selector)
            async with aclosing(stream) as events:
                async for change, raw in events:
                    version = str(raw["metadata"]["resourceVersion"])
                    if change != "BOOKMARK" and (not request.names or raw["metadata"]["name"] in request.names):
                        show(raw)
        except Gone:
            _, version = await client.list(start.kind, request.namespace)
        await asyncio.sleep(0.05)


def _line_printer(start: Found, request: Request, mesh: Mapping[str, Labels]) -> Callable[[RawObject], None]:
    """Prints an object below the table that is there already, in its columns."""
    known = widths(start.objects, _shown(start.kind, request, mesh))
    headed = bool(start.objects)

    def show(raw: RawObject) -> None:
        nonlocal headed
        match request.output:
            case "json":
                typer.echo(as_json(ordered(raw)))
            case "yaml":
                typer.echo(f"---\n{as_yaml(ordered(raw))}")
            case "name":
                typer.echo(label(start.kind, raw["metadata"]["name"]))
            case _:
                lines = table([raw], _shown(start.kind, request, mesh), known)
                typer.echo("\n".join(lines[1:] if headed else lines))
                headed = True

    return show
