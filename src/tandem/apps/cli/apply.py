"""`tandem apply`: manifests in, objects as the manifests say them; what is no longer in a manifest disappears."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.apps.cli.applying import Applied, about_it, apply_each, missing_namespaces, read_manifests, refusals
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, KubeconfigOption, complain, warn, with_client

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

FilesOption = Annotated[
    list[Path],
    typer.Option("-f", "--filename", help="Manifest, directory of manifests, or - for stdin.", metavar="PATH"),
]


def apply(
    *,
    filename: FilesOption,
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", help="Namespace of objects that name none.", metavar="NS")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare only; send nothing.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", help="How long to wait for the nodes' answer.", metavar="SECONDS", min=0)
    ] = 2.0,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Create or change objects from manifests, as `kubectl apply` does.

    Everything is checked before anything is sent. Exit status 1 if an object was refused.

    Example: tandem apply -f examples/shop
    """
    check_format(output, ("text", "json"))
    objects = read_manifests(filename, namespace)
    warnings: list[str] = []

    def warned(text: str) -> None:
        warnings.append(about_it(text))
        warn(warnings[-1])

    async def work(client: KubeClient) -> int:
        if missing := await missing_namespaces(client, objects):
            raise CommandError("\nerror: ".join((*missing, "nothing was applied")))
        done: list[Applied] = []
        async for applied in apply_each(client, objects, dry_run=dry_run):
            if output == "text" or applied.outcome == "refused":
                report(applied, dry_run=dry_run)
            done.append(applied)
        if not dry_run:
            told = tuple(warnings)
            for text in await refusals(client, done, wait):
                if not any(_same(warning, text) for warning in told):
                    warned(text)
        if output == "json":
            typer.echo(as_json({"objects": [_as_json(a) for a in done], "warnings": warnings, "dryRun": dry_run}))
        return int(any(a.outcome == "refused" for a in done))

    return with_client(work, kubeconfig, on_warning=warned)


def _same(warning: str, refusal: str) -> bool:
    """The server said what a condition says when it took the object."""
    whose, _, text = warning.partition(": ")
    return refusal.startswith(f"{whose}: ") and text in refusal


def _as_json(applied: Applied) -> dict[str, str]:
    meta = applied.raw["metadata"]
    return {
        "kind": applied.kind.kind,
        "namespace": str(meta.get("namespace") or ""),
        "name": str(meta.get("name", "")),
        "outcome": applied.outcome,
        "message": applied.message,
    }


def report(applied: Applied, *, dry_run: bool = False) -> None:
    """One line: on stdout what was done, on stderr what was refused."""
    if applied.outcome == "refused":
        complain(f"{applied.label}: {applied.message}")
    else:
        typer.echo(f"{applied.label} {applied.outcome}{' (dry run)' if dry_run else ''}")
