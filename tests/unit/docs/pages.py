"""The pages for users: their console commands, the paths they mention, their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
TASKS: Final = ROOT / "docs" / "tasks"
PROGRAMS: Final = ("tandem", ".venv/bin/tandem")
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_TICKED: Final = re.compile(r"`([^`\n]+)`")
_FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_MODULE: Final = re.compile(r"(?:\w+/)*\w+\.py")
EXAMPLES: Final = {"compile/fabric/mixed.py"}
_PATH: Final = re.compile(r"(?:examples|docs|src|tests|tools|cni|bench|changes\.d)/[\w./*-]+|[A-Z]+\.md|Makefile")


def tasks() -> list[Path]:
    """README and the task pages, whose commands are checked."""
    return [ROOT / "README.md", *sorted(TASKS.glob("*.md"))]


def every_page() -> list[Path]:
    """All Markdown of ours."""
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[list[str]]:
    """The words of each `$` line in the console blocks of `page`."""
    blocks = _BLOCK.findall(page.read_text())
    lines = (line for block in blocks for line in block.splitlines())
    return [shlex.split(line[2:]) for line in lines if line.startswith("$ ")]


def tandem_commands(page: Path) -> list[list[str]]:
    """The arguments of each `tandem` line of `page`."""
    return [words[1:] for words in commands(page) if words[0] in PROGRAMS]


def links(page: Path) -> Iterator[tuple[str, Path]]:
    """Each relative link as it is written, with the file it leads to."""
    for target in _LINK.findall(_FENCED.sub("", page.read_text())):
        if "://" not in target and not target.startswith("#"):
            yield target, (page.parent / target.partition("#")[0]).resolve()


def paths(page: Path) -> set[str]:
    """Files and folders of this repository that `page` mentions, in a command or in backticks."""
    words = {word for line in commands(page) for word in line} | ticked(page)
    return {word.rstrip(".,:") for word in words if _PATH.fullmatch(word.rstrip(".,:"))}


def modules(page: Path) -> set[str]:
    """Python files in backticks; that of a worked example is none of ours."""
    return {word.rstrip(".,:") for word in ticked(page) if _MODULE.fullmatch(word.rstrip(".,:"))} - EXAMPLES


def is_module(written: str) -> bool:
    """As pages write it: from the root, or from src/tandem, or its name alone."""
    roots = (ROOT / "src" / "tandem", ROOT / "cni" / "src" / "tandem_cni")
    return (ROOT / written).exists() or any(any(root.glob(f"**/{written}")) for root in roots)


def is_generated(page: Path) -> bool:
    """Written by one of our tools."""
    return "Written by `tools/" in page.read_text()


def prose(page: Path) -> list[str]:
    """Lines that are no table and in no block."""
    return [line for line in _FENCED.sub("", page.read_text()).splitlines() if not line.startswith("|")]


def ticked(page: Path) -> set[str]:
    """Words in backticks."""
    return {word for text in _TICKED.findall(_FENCED.sub("", page.read_text())) for word in text.split()}
