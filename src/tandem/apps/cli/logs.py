"""`tandem logs`: what a container has printed, through the API's pods/log."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.apps.cli.session import KubeconfigOption, NamespaceOption, with_client
from tandem.apps.cli.target import container_named, find_pod

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient


def logs(
    *,
    pod: Annotated[str, typer.Argument(help="POD, deploy/NAME or svc/NAME.")],
    namespace: NamespaceOption = "default",
    container: Annotated[str, typer.Option("-c", "--container", help="Container; default: the first.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is printed next.")] = False,
    tail: Annotated[int, typer.Option("--tail", help="Only the last N lines.", metavar="N")] = -1,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the run before the last restart.")] = False,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show what a pod's container has printed.

    Example: tandem logs -n shop deploy/frontend --tail 20 -f
    """

    async def work(client: KubeClient) -> None:
        from tandem.ingest.kube import collection_path
        from tandem.model.kinds import BY_KIND

        found = await find_pod(client, pod, namespace)
        query = {"container": container_named(found, container)}
        if follow:
            query["follow"] = "true"
        if previous:
            query["previous"] = "true"
        if tail >= 0:
            query["tailLines"] = str(tail)
        path = f"{collection_path(BY_KIND['Pod'], namespace)}/{found['metadata']['name']}/log"
        async with aclosing(client.lines(path, query)) as lines:
            async for line in lines:
                typer.echo(line)

    with_client(work, kubeconfig)
