"""`tandem verify`: does the network do what policies say (`matrix`), and do policies say what was meant (`intents`)?"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tandem.apps.cli import verify_intents, verify_matrix
from tandem.apps.cli.output import check_format
from tandem.apps.cli.session import CommandError, KubeconfigOption


class What(Enum):
    """What is verified."""

    INTENTS = "intents"
    MATRIX = "matrix"


def verify(
    what: Annotated[What, typer.Argument(metavar="[intents|matrix]")] = What.INTENTS,
    *,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "-f",
            "--filename",
            help="intents: the sentences to check. matrix: manifests, for a world of their own.",
            metavar="PATH",
        ),
    ] = None,
    manifests: Annotated[
        list[Path] | None,
        typer.Option(
            "-m",
            "--manifests",
            help="intents: judge these manifests instead of the running system.",
            metavar="PATH",
        ),
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--port",
            help="matrix: ask these only. Default: what pods and policies name, and port 80.",
            metavar="N/PROTOCOL",
        ),
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option("-n", "--namespace", help="matrix: pods of these only.", metavar="NS")
    ] = None,
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=32, help="matrix -f: how many nodes.")] = 1,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.05, help="matrix: how long an answer may take.", metavar="SECONDS")
    ] = 1.0,
    tries: Annotated[
        int, typer.Option("--tries", min=1, help="matrix: how often to ask where an answer is due and missing.")
    ] = 3,
    kubectl: Annotated[
        bool, typer.Option("--kubectl", help="matrix: work in the pods by `kubectl exec`; they need python3.")
    ] = False,
    apart: Annotated[bool, typer.Option("--apart", hidden=True)] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> int:
    """Check that policies say what was meant; or send packets between all pods and compare with what policies say.

    intents reads sentences such as `web may reach orders:8080` from a file and judges them by the objects alone, of the
    running system or of manifests, without root or traffic; it names the rule that breaks one.

    matrix asks every pod about every other, by TCP, UDP and SCTP, and shows a table for each port: rows are sources,
    columns destinations; `.` passes, `X` is silence, `R` a refusal, `?` cannot be known, `!` a difference. With -f it
    starts a world of its own from the manifests, out of sight, and takes it down again.

    Exit status 0: all is as it should be; 1: something is not; 2: no answer, because of wrong use or because nothing
    runs that could be asked.

    Example: tandem verify -f examples/verify/intents.yaml -m examples/verify/shop

    Example: tandem verify matrix -f examples/verify/shop
    """
    check_format(output, ("text", "json"))
    if what is What.MATRIX:
        asked = verify_matrix.Asked(
            ports=verify_matrix.ports_named(port or ()),
            namespaces=tuple(namespace or ()),
            seconds=timeout,
            tries=tries,
            kubectl=kubectl,
            apart=apart,
        )
        if files:
            return verify_matrix.in_a_world_apart(files, asked, nodes=nodes, output=output)
        return verify_matrix.here(asked, kubeconfig, output=output)
    if not files:
        raise CommandError("which intents? Give a file with -f")
    return verify_intents.check_intents(files, manifests or (), kubeconfig, output=output)
