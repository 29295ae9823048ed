"""Writes docs/reference/cli.md from the command line's own help; `--check` only says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from pages import keep
from typer.testing import CliRunner

from tandem.apps.cli.main import COMMANDS, application

TARGET: Final = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD: Final = """\
# The command line

Written by `tools/make_reference.py` from `tandem --help`; do not edit.

Exit status: 0 fine, 1 the answer is no or something failed, 2 wrong use. Data goes to stdout; errors (`error: ...`)
and warnings (`Warning: ...`) go to stderr. `$TANDEM_RUN_DIR` names another run directory than `/run/tandem`;
`$KUBECONFIG` is not looked at.
"""


def reference() -> str:
    """The whole page."""
    parts = [HEAD, _block("tandem", _help(None))]
    for name, command in COMMANDS.items():
        if not command.hidden:
            parts.append(f"## tandem {name}\n\n{command.summary}\n")
            parts.append(_block(f"tandem {name}", _help(name)))
    return "\n".join(parts)


def _help(name: str | None) -> str:
    arguments = [name, "--help"] if name else ["--help"]
    # The width is the page's, not that of whoever's terminal runs this.
    done = CliRunner().invoke(application(name), arguments, prog_name="tandem", env={"COLUMNS": "100", "TERM": "dumb"})
    if done.exit_code != 0:
        raise SystemExit(f"tandem {' '.join(arguments)} failed: {done.output}")
    return done.output.strip("\n")


def _block(command: str, text: str) -> str:
    return f"```text\n$ {command} --help\n{text}\n```\n"


def main() -> int:
    """Write the page, or compare it."""
    return keep(TARGET, reference())


if __name__ == "__main__":
    sys.exit(main())
