"""`tandem delete`: manifests or names in, objects gone (or on their way out)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tandem.apps.cli.applying import label, read_manifests
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, KubeconfigOption, complain, with_client
from tandem.apps.cli.target import kind_named
from tandem.base.clock import SystemClock
from tandem.ingest.errors import ApiError, NotFound, Unreachable
from tandem.model.kinds import BY_KIND, Kind, name_of

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

_POLL: Final = 0.1
_PATIENCE: Final = 120.0


def delete(
    *,
    kind: Annotated[str | None, typer.Argument(help="Kind, such as pod, svc or netpol; or KIND/NAME.")] = None,
    names: Annotated[list[str] | None, typer.Argument(help="Names.", metavar="[NAME]...")] = None,
    filename: Annotated[
        list[Path] | None, typer.Option("-f", "--filename", help="Delete the objects of a manifest.", metavar="PATH")
    ] = None,
    namespace: Annotated[str | None, typer.Option("-n", "--namespace", help="Namespace.", metavar="NS")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when the objects are gone.")] = True,
    grace_period: Annotated[
        int | None, typer.Option("--grace-period", help="Seconds that pods have to end.", metavar="SECONDS", min=0)
    ] = None,
    ignore_not_found: Annotated[bool, typer.Option("--ignore-not-found", help="What is not there is fine.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Delete objects, by manifest or by name.

    Example: tandem delete -f examples/shop

    Example: tandem delete pod web-0 -n shop --grace-period 1
    """
    check_format(output, ("text", "json"))
    targets = _targets(kind, names or [], filename or [], namespace)

    async def work(client: KubeClient) -> int:
        missing = 0
        asked: list[tuple[Kind, str, str, str]] = []
        for of, where, name in targets:
            try:
                uid = str((await client.get(of, where, name))["metadata"]["uid"])
                await client.delete(of, where, name, grace_seconds=grace_period)
            except Unreachable:
                raise
            except NotFound as err:
                if not ignore_not_found:
                    complain(err.message)
                    missing = 1
                continue
            except ApiError as err:
                complain(f"{label(of, name)}: {err.message}")
                missing = 1
                continue
            if output == "text":
                typer.echo(f'{label(of, "").rstrip("/")} "{name}" deleted')
            asked.append((of, where, name, uid))
        if wait:
            await _gone(client, asked)
        if output == "json":
            deleted = [{"kind": of.kind, "namespace": where, "name": name} for of, where, name, _ in asked]
            typer.echo(as_json({"deleted": deleted, "gone": wait}))
        return missing

    return with_client(work, kubeconfig)


def _targets(
    kind: str | None, names: list[str], files: list[Path], namespace: str | None
) -> list[tuple[Kind, str, str]]:
    if files:
        if kind:
            raise CommandError("give either -f or KIND NAME, not both", status=2)
        raws = read_manifests(files, namespace)
        return [
            (BY_KIND[name_of(r)], str(r["metadata"].get("namespace", "")), str(r["metadata"]["name"]))
            for r in reversed(raws)
        ]
    if not kind:
        raise CommandError("what to delete? give -f PATH or KIND NAME (see: tandem delete --help)", status=2)
    pairs = [kind, *names] if "/" in kind else [f"{kind}/{name}" for name in names]
    if not pairs:
        raise CommandError(f"which {kind}? give a NAME (see: tandem delete --help)", status=2)
    targets = []
    for pair in pairs:
        word, _, name = pair.partition("/")
        of = kind_named(word)
        targets.append((of, (namespace or "default") if of.namespaced else "", name))
    return targets


async def _gone(client: KubeClient, asked: list[tuple[Kind, str, str, str]]) -> None:
    """Wait until none of these very objects (by uid) is there; a namesake made since does not count."""
    clock = SystemClock()
    deadline = clock.monotonic() + _PATIENCE
    for kind, namespace, name, uid in asked:
        while True:
            try:
                live = await client.get(kind, namespace, name)
            except NotFound:
                break
            if live["metadata"]["uid"] != uid:
                break
            if clock.monotonic() >= deadline:
                raise CommandError(f"{label(kind, name)} is still terminating after {_PATIENCE:g} s")
            await asyncio.sleep(_POLL)
