"""`tandem translate`: routes of other APIs on standard output as Gateway API, and what was lost beside it on stderr."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from tandem.apps.cli.output import as_json, as_yaml, check_format
from tandem.apps.cli.session import CommandError, complain, warn

TARGETS: Final = ("gateway-api",)


def translate(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Manifests: files or directories.")],
    to: Annotated[str, typer.Option("--to", help="gateway-api.", metavar="API")] = TARGETS[0],
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Of objects that name none.", metavar="NS")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if something is not carried over.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="yaml or json.", metavar="FORMAT")] = "yaml",
) -> int:
    """Write what VirtualServices and DestinationRules mean for clients in the mesh as HTTPRoutes and TrafficPolicies.

    So do Consul's ServiceRouters, ServiceSplitters and ServiceResolvers, and Linkerd's ServiceProfiles. Nothing has to
    run. The Services that are routed to must be among the manifests, and what defines their subsets: each becomes a
    Service of its own. Requests are decided as before, in every order of rules; what has no form in Gateway API is told
    with its field, as an error, and what has another form as a warning. The manifests are not changed.

    Example: tandem translate examples/traffic --to gateway-api
    """
    from tandem.apps.cli.applying import read_manifests
    from tandem.base.problems import Severity
    from tandem.runtime.rehearsal import rehearse
    from tandem.translate.gatewayapi.shapes import OF_MESHES
    from tandem.translate.gatewayapi.write import write_gateway_api
    from tandem.translate.world import Options, translate_world

    if to not in TARGETS:
        raise CommandError(f"--to {to}: choose one of {', '.join(TARGETS)}", status=2)
    check_format(output, ("yaml", "json"))
    world = rehearse(read_manifests(paths, namespace or None), node="node-1")
    translation = translate_world(world, Options())
    refused = [
        p for p in translation.problems if p.at.kind in OF_MESHES and p.severity is Severity.ERROR
    ]  # of such an object nothing is in force, so that nothing could be written
    made = write_gateway_api(world, translation.mesh, Options(), translation.edge)
    remarks = (*refused, *made.remarks)
    for remark in remarks:
        (complain if remark.severity is Severity.ERROR else warn)(f"{remark.at}: {remark.text}")
    if output == "json":
        told = [{"code": r.code, "at": str(r.at), "text": r.text} for r in remarks]
        sys.stdout.write(as_json({"objects": list(made.objects), "remarks": told}) + "\n")
    else:
        sys.stdout.write("---\n".join(as_yaml(raw) + "\n" for raw in made.objects))
    return int(strict and any(r.severity is Severity.ERROR for r in remarks))
