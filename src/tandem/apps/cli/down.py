"""`tandem down`: stop everything and leave no trace, also after a crash."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from tandem.apps.cli.session import CommandError
from tandem.base.paths import RunDir


def down(
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
) -> int:
    """Stop everything that `tandem up` started and remove every trace from the kernel, also after a crash.

    Example: tandem down
    """
    from tandem.runtime.teardown import down as take_down

    if output not in {"text", "json"}:
        raise CommandError(f"-o {output}: text or json", status=2)
    if os.geteuid() != 0:
        raise CommandError("root is needed to remove links and tables: run it with sudo")
    lines = []
    for line in take_down(RunDir.default()):
        lines.append(line)
        if output == "text":
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    left = [line.partition("left: ")[2] for line in lines if "left: " in line]
    if output == "json":
        sys.stdout.write(json.dumps({"done": [line for line in lines if "left: " not in line], "left": left}) + "\n")
    return 1 if left else 0
