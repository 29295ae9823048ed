"""What the demo's steps are told with: commands run as a user runs them, findings with a mark, tables.

In: command lines. Out: a coloured report on stdout, and whether every expectation held.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

INDENT: Final = 3
SEEN: Final = 140
"""Characters of what was seen that are shown beside an expectation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Its standard output as JSON; an empty object if it is none."""
        try:
            return json.loads(self.out)
        except ValueError:
            return {}


class Teller:
    """Collects what was expected and what was seen."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        self.failed: list[str] = []
        self._started = time.monotonic()

    def step(self, number: int, title: str) -> None:
        """A headline."""
        seconds = time.monotonic() - self._started
        self.console.print(f"\n[bold cyan]{number}. {title}[/]  [dim]{seconds:.0f} s[/]")

    def say(self, text: str) -> None:
        """A sentence."""
        self.console.print(f"   {text}", markup=False)

    def tandem(self, *arguments: str, show: bool = True, timeout: float = 120.0) -> Ran:
        """Run `tandem ARGUMENTS` and show the line, so that the reader can repeat it."""
        if show:
            self.console.print(f"   [dim]$[/] tandem {escape(shlex.join(arguments))}", soft_wrap=True)
        return run([sys.executable, "-m", "tandem.apps.cli.main", *arguments], timeout=timeout)

    def inside(
        self, pod: str, *command: str, namespace: str = "shop", show: bool = True, timeout: float = 120.0
    ) -> Ran:
        """Run a command in a pod."""
        return self.tandem("exec", "-n", namespace, pod, "--", *command, show=show, timeout=timeout)

    def expect(self, what: str, *, held: bool, seen: str = "") -> None:
        """State what was expected, with a mark for whether it held and what was seen."""
        mark = "[green]✓[/]" if held else "[bold red]✗[/]"
        tail = f"  [dim]{escape(_short(seen))}[/]" if seen else ""
        self.console.print(f"   {mark} {escape(what)}{tail}", soft_wrap=True)
        if not held:
            self.failed.append(f"{what} ({seen})" if seen else what)

    def quote(self, text: str, *, limit: int = 6) -> None:
        """Lines that a command printed."""
        lines = [line for line in text.splitlines() if line.strip()]
        for line in lines[:limit]:
            self.console.print(f"     [yellow]{escape(line)}[/]", soft_wrap=True)
        if len(lines) > limit:
            self.console.print(f"     [dim]… {len(lines) - limit} more lines[/]")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*map(escape, row))
        self.console.print(Padding(table, (0, 0, 0, INDENT)))


def _short(text: str) -> str:
    """The beginning of what was seen; the report is to be read, not searched."""
    return text if len(text) <= SEEN else f"{text[:SEEN]} …"


def run(argv: Sequence[str], *, timeout: float = 120.0) -> Ran:
    """Run a command to its end; one that takes too long ends with status 124."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as err:
        out = err.stdout.decode() if isinstance(err.stdout, bytes) else err.stdout or ""
        return Ran(status=124, out=out, err=f"timed out after {timeout:g} s")
    return Ran(status=done.returncode, out=done.stdout, err=done.stderr)
