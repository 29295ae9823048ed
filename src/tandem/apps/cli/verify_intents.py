"""`tandem verify`: sentences from files against manifests, or against the objects of the running system."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tandem.apps.cli.session import CommandError, with_client

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient
    from tandem.model.world import World
    from tandem.views.intent_check import IntentReport

KINDS: Final = (
    "Namespace",
    "Node",
    "Pod",
    "Deployment",
    "StatefulSet",
    "Service",
    "NetworkPolicy",
    "ClusterNetworkPolicy",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "ServiceIntentions",
    "JWTProvider",
    "ServiceDefaults",
    "Server",
    "ServerAuthorization",
    "LinkerdAuthorizationPolicy",
    "MeshTLSAuthentication",
    "NetworkAuthentication",
    "LinkerdHTTPRoute",
    "HTTPRoute",
    "GRPCRoute",
    "DestinationRule",
)
"""What verdicts and names depend on."""
_SHOWN: Final = 3


def check_intents(files: Sequence[Path], manifests: Sequence[Path], kubeconfig: Path | None, *, output: str) -> int:
    """0: every sentence holds; 1: not; CommandError for what cannot be read or names nothing."""
    from tandem.views.intent_check import check
    from tandem.views.intents import IntentError, read_intents

    try:
        intents = [intent for file in files for intent in read_intents(file)]
        world = _world(manifests) if manifests else with_client(world_of, kubeconfig)
        report = check(world, intents)
    except IntentError as err:
        raise CommandError("\nerror: ".join(err.errors)) from err
    if output == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _paint(report)
    return 0 if report.holds else 1


def _world(manifests: Sequence[Path]) -> World:
    from tandem.apps.cli.applying import read_manifests
    from tandem.runtime.rehearsal import rehearse

    return rehearse(read_manifests(manifests, None))


async def world_of(client: KubeClient) -> World:
    """The objects that verdicts depend on, as the API has them now; kinds that it does not serve have none.

    What is not understood of a policy is closed, as it is where it is put in force.
    """
    from tandem.ingest.errors import NotFound
    from tandem.model.closing import CLOSING, read_policy
    from tandem.model.kinds import BY_KIND
    from tandem.model.parse import parse
    from tandem.model.world import World

    found = []
    for kind in (BY_KIND[name] for name in KINDS):
        try:
            items, _ = await client.list(kind)
        except NotFound:
            continue
        found += [(read_policy if kind.name in CLOSING else parse)(item) for item in items]
    return World.of(found)


def _paint(report: IntentReport) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for result in report.results:
        mark = "[green]✓[/]" if result.holds else "[red]✗[/]"
        console.print(f"{mark} {escape(result.intent)}  [dim]{escape(result.at)}[/]")
        for breach in result.breaches[:_SHOWN]:
            console.print(f"    {escape(breach.text)}")
        if len(result.breaches) > _SHOWN:
            console.print(f"    and {len(result.breaches) - _SHOWN} more like it (-o json has them)")
    said = "every intent holds" if report.holds else f"{report.broken} of {len(report.results)} intents do not hold"
    console.print(said)
