"""Plain tables and sentences for a terminal of any width, or for a pipe: no boxes, and no word is ever broken.

In: cells and a width (0: unlimited, for a pipe). Out: lines.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

GAP: Final = "  "
INDENT: Final = "    "


def terminal_width() -> int:
    """The columns of the terminal behind stdout; 0 if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def visible(text: str) -> str:
    """One line as it can be shown: a terminal does not obey what somebody wrote into an object."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[str]:
    """A header and a line for each row; the columns that do not fit follow in lines of their own, each by name."""
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    fitting = _fitting(widths, width)
    lines = [_line(columns[:fitting], widths)]
    for row in rows:
        lines.append(_line(row[:fitting], widths))
        for name, cell in zip(columns[fitting:], row[fitting:], strict=True):
            if cell:
                lines += sentence(f"{name.lower()}: {cell}", width=width, first=INDENT)
    return lines


def sentence(text: str, *, width: int, first: str = "") -> list[str]:
    """Text in lines that break between words; those after the first are indented."""
    if not width:
        return [f"{first}{text}"]
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=INDENT + first,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _fitting(widths: Sequence[int], width: int) -> int:
    """How many columns stand beside each other; the first always does."""
    used = 0
    for number, column in enumerate(widths):
        used += column + (len(GAP) if number else 0)
        if width and number and used > width:
            return number
    return len(widths)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(size) for cell, size in zip(cells, widths, strict=False)).rstrip()
