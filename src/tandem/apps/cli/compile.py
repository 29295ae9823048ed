"""`tandem compile PATH --to ir,nft,xds`: any prefix of the pipeline on files; debugger, documentation, case maker."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.session import CommandError, complain, warn

if TYPE_CHECKING:
    from tandem.ir.node import NodeView

STAGES: Final = ("ir", "nft", "xds")


def compile_command(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Manifests: files or directories.")],
    to: Annotated[str, typer.Option("--to", help="Stages, comma-separated: ir, nft, xds.", metavar="STAGES")] = "ir",
    node: Annotated[str, typer.Option("--node", help="The node whose state to show.", metavar="NODE")] = "node-1",
    output: Annotated[str, typer.Option("-o", "--output", help="yaml or json.", metavar="FORMAT")] = "yaml",
) -> int:
    """Show what manifests become, without root and without anything running.

    Deployments are rolled out, Services and pods get addresses, as a cluster of one node would have them at rest.
    Problems go to stderr; exit status 1 if one of them is an error.

    Example: tandem compile examples/shop --to nft
    """
    from tandem.apps.cli.applying import read_manifests
    from tandem.base.problems import Severity
    from tandem.runtime.rehearsal import rehearse, view_of
    from tandem.translate.world import Options, translate_world

    stages = to.split(",")
    if unknown := [s for s in stages if s not in STAGES]:
        raise CommandError(f"--to {','.join(unknown)}: stages are {', '.join(STAGES)}", status=2)
    if output not in {"yaml", "json"}:
        raise CommandError(f"-o {output}: yaml or json", status=2)
    world = rehearse(read_manifests(paths, None), node=node)
    translation = translate_world(world, Options())
    for problem in translation.problems:
        say = complain if problem.severity is Severity.ERROR else warn
        say(f"{problem.at}: {problem.text}")
    view = view_of(world, translation, node)
    result = {stage: _render(stage, view) for stage in stages}
    sys.stdout.write(_json(result) if output == "json" else _yaml(result))
    return int(any(p.severity is Severity.ERROR for p in translation.problems))


def _render(stage: str, view: NodeView) -> Any:
    if stage == "ir":
        import msgspec

        return msgspec.to_builtins(view)
    if stage == "nft":
        from tandem.compile.nft.capture import compile_capture
        from tandem.compile.nft.node import compile_nft
        from tandem.state.nft_text import table

        meshed = [p for p in view.pods if p.pod.meshed]
        inside = {f"{p.pod.namespace}/{p.pod.name}": table(compile_capture(view, p)) for p in meshed}
        return {"node": table(compile_nft(view)), "pods": inside}
    from tandem.compile.envoy import compile_envoy

    snapshot = compile_envoy(view)
    return {
        url.rpartition(".")[2]: {name: dict(resource.body) for name, resource in sorted(named.items())}
        for url, named in snapshot.resources.items()
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _yaml(value: object) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Text of several lines as a block; no anchors."""

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is the library's
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump(json.loads(json.dumps(value)), Dumper=Dumper, sort_keys=False, width=120)
    return dumped
