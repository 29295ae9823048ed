"""`tandem apply`: manifests in, objects as the manifests say them; what is no longer in a manifest disappears."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.apps.cli.applying import (
    Applied,
    about_it,
    apply_each,
    idle_fields,
    missing_namespaces,
    read_manifests,
    refusals,
)
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.progress import Progress
from tandem.apps.cli.session import CommandError, KubeconfigOption, complain, warn, with_client
from tandem.apps.cli.warnings import Warnings

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

FilesOption = Annotated[
    list[Path],
    typer.Option("-f", "--filename", help="Manifest, directory of manifests, or - for stdin.", metavar="PATH"),
]

SkipOption = Annotated[
    str, typer.Option("--skip", help="Kinds of objects that are left out, with commas.", metavar="KINDS")
]


def kinds_of(skip: str) -> list[str]:
    """What --skip names."""
    return [kind.strip() for kind in skip.split(",") if kind.strip()]


def apply(
    *,
    filename: FilesOption,
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", help="Namespace of objects that name none.", metavar="NS")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare only; send nothing.")] = False,
    skip: SkipOption = "",
    wait: Annotated[
        float, typer.Option("--wait", help="How long to wait for the nodes' answer.", metavar="SECONDS", min=0)
    ] = 2.0,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Create or change objects from manifests, as `kubectl apply` does.

    Everything is checked before anything is sent. Exit status 1 if an object was refused.

    Example: tandem apply -f examples/shop

    Without what is not served here: tandem apply -f app.yaml --skip HorizontalPodAutoscaler,PodDisruptionBudget
    """
    check_format(output, ("text", "json"))
    progress = Progress()
    objects = read_manifests(filename, namespace, skip=kinds_of(skip), progress=progress)
    warnings = Warnings(warn)

    async def work(client: KubeClient) -> int:
        if missing := await missing_namespaces(client, objects):
            raise CommandError("\nerror: ".join((*missing, "nothing was applied")))
        done: list[Applied] = []
        async for applied in apply_each(client, objects, dry_run=dry_run):
            if output == "text" or applied.outcome == "refused":
                report(applied, dry_run=dry_run)
            else:
                progress.moving(f"sent {len(done)} of {len(objects)} objects")
            done.append(applied)
        progress.clear()
        told = tuple(warnings.all)
        afterwards = idle_fields(objects) if dry_run else await refusals(client, done, wait, progress=progress)
        for text in afterwards:
            if not any(_same(warning, text) for warning in told):
                warnings.add(text)
        warnings.close()
        if output == "json":
            answer = {"objects": [_as_json(a) for a in done], "warnings": warnings.all, "dryRun": dry_run}
            typer.echo(as_json(answer))
        return int(any(a.outcome == "refused" for a in done))

    return with_client(work, kubeconfig, on_warning=lambda text: warnings.add(about_it(text)))


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
