"""What the pages for users show can be typed as it stands: commands, options, paths and links exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from tandem.apps.cli.main import COMMANDS, application
from unit.docs import pages

PAGES = pages.tasks()
WIDTH = 120
AT_REST = frozenset({"translate", "compile", "verify"})
"""Commands that need nothing to run."""


def name(page: Path) -> str:
    return str(page.relative_to(pages.ROOT))


def parse(arguments: list[str]) -> dict[str, Any]:
    """The parameters of one command line, as the real parser reads them."""
    command = arguments[0]
    assert command in COMMANDS, f"there is no command {command!r}"
    group: Any = typer.main.get_command(application(command))
    found: dict[str, Any] = group.commands[command].make_context(command, list(arguments[1:])).params
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_line_is_one_that_the_parser_takes(page: Path) -> None:
    for arguments in pages.tandem_commands(page):
        parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_page_shows_a_command(page: Path) -> None:
    assert pages.tandem_commands(page)


@pytest.mark.parametrize("page", sorted(pages.TASKS.glob("*.md")), ids=name)
def test_every_page_says_what_has_to_run_before_its_first_command(page: Path) -> None:
    """Somebody who comes to the page first starts something there, or is told where that is done."""
    first = next((words[0] for words in pages.tandem_commands(page) if words[0] not in AT_REST), "up")
    before = page.read_text().partition(f"$ tandem {first}")[0]
    assert first == "up" or "first-run.md" in before or "tandem up" in before


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_kubectl_is_told_of_the_api_first(page: Path) -> None:
    lines = [" ".join(words) for words in pages.commands(page)]
    used = next((i for i, line in enumerate(lines) if line.startswith("kubectl ") or " | kubectl " in line), None)
    assert used is None or "export KUBECONFIG=/run/tandem/kubeconfig" in lines[:used]


@pytest.mark.parametrize("page", pages.every_page(), ids=name)
def test_every_path_mentioned_exists(page: Path) -> None:
    missing = [path for path in sorted(pages.paths(page)) if not any(pages.ROOT.glob(path.rstrip("/")))]
    assert not missing, f"{name(page)} mentions {missing}"


@pytest.mark.parametrize("page", pages.every_page(), ids=name)
def test_every_module_mentioned_exists(page: Path) -> None:
    missing = [module for module in sorted(pages.modules(page)) if not pages.is_module(module)]
    assert not missing, f"{name(page)} mentions {missing}"


@pytest.mark.parametrize("page", [p for p in pages.every_page() if not pages.is_generated(p)], ids=name)
def test_lines_of_prose_are_as_short_as_those_of_code(page: Path) -> None:
    assert not [line for line in pages.prose(page) if len(line) > WIDTH]


@pytest.mark.parametrize("page", pages.every_page(), ids=name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    dead = [written for written, target in pages.links(page) if not target.exists()]
    assert not dead, f"{name(page)} links to {dead}"


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no command"):
        parse(["conjure"])


def test_an_option_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(Exception, match="--conjure"):
        parse(["status", "--conjure"])


def test_the_folder_of_tasks_is_not_empty() -> None:
    assert len(PAGES) > 1


def test_every_task_page_is_linked_from_the_readme() -> None:
    linked = {target for _, target in pages.links(pages.ROOT / "README.md")}
    assert set(pages.TASKS.glob("*.md")) <= linked


def test_every_object_of_the_story_is_used_on_some_page() -> None:
    used = {path for page in PAGES for path in pages.paths(page)}
    story = {f"examples/story/{p.name}" for p in (pages.ROOT / "examples" / "story").glob("*.yaml")}
    assert story <= used


def test_every_test_that_is_named_exists() -> None:
    defined = {
        line.split("(")[0].removeprefix("def ").removeprefix("async def ")
        for path in (pages.ROOT / "tests").rglob("test_*.py")
        for line in path.read_text().splitlines()
        if line.startswith(("def test_", "async def test_"))
    }
    named = {word for page in pages.every_page() for word in pages.ticked(page) if word.startswith("test_")}
    assert {word for word in named if not word.endswith(".py")} <= defined
