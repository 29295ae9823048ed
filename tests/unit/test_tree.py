"""The tree keeps its own rules: each module has its test and each test its module, files are small, nothing is skipped.

A module without a test file of its own stands in EXERCISED with the test that runs it and the reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = {"tandem": ROOT / "src" / "tandem", "tandem_cni": ROOT / "cni" / "src" / "tandem_cni"}
UNIT: Final = ROOT / "tests" / "unit"
LIMIT: Final = 500
NOTES: Final = sorted((ROOT / "docs" / "design").glob("*.md"))
SECTIONS: Final = ("Context", "Decision", "Rejected", "Consequences", "Review notes")
REASONS: Final = {
    "main": "the entry point of a process: it starts what other tests start",
    "wiring": "wiring alone: what it joins is tested apart, and that they fit is shown on the real system",
    "kernel": "its work is done by the kernel: a fake would prove nothing",
    "library": "a library does its work: that we use it rightly is shown by that library's own client",
    "constants": "constants alone: wrong ones break the tests of those who use them",
}
EXERCISED: Final[dict[str, tuple[str, str]]] = {
    "translate/gateway/edge.py": ("tests/unit/translate/gateway/test_init.py", "constants"),
    "state/ownership.py": ("tests/contract/test_link_driver.py", "constants"),
    "drivers/jwks/real.py": ("tests/contract/test_jwks.py", "kernel"),
    "drivers/spiffe/real.py": ("tests/contract/test_workload_api.py", "library"),
    "apiserver/streams/websocket.py": ("tests/contract/test_exec_websocket.py", "library"),
    "workloads/container.py": ("tests/netns/test_runtime.py", "kernel"),
    "workloads/dial.py": ("tests/contract/test_kubectl_exec.py", "kernel"),
    "workloads/kernel.py": ("tests/netns/test_runtime.py", "kernel"),
    "workloads/netns.py": ("tests/netns/test_runtime.py", "kernel"),
    "workloads/pod.py": ("tests/netns/test_runtime.py", "wiring"),
    "workloads/program.py": ("tests/contract/test_kubectl_exec.py", "kernel"),
    "workloads/rootfs.py": ("tests/netns/test_runtime.py", "kernel"),
    "workloads/sandbox.py": ("tests/netns/test_runtime.py", "kernel"),
    "workloads/sweep.py": ("tests/netns/test_runtime.py", "kernel"),
}
"""Module below src/tandem -> the test that exercises it, and a key of REASONS."""
OF_NO_MODULE: Final = frozenset({"test_tree.py", "test_reference.py"})
"""Unit tests of the tree itself, of tools, and (the folder docs) of the pages."""


def modules() -> dict[str, Path]:
    """`package/module.py` below src/tandem, and `tandem_cni/module.py`, for every module that defines something."""
    found = {}
    for package, root in PACKAGES.items():
        prefix = "" if package == "tandem" else f"{package}/"
        for path in sorted(root.rglob("*.py")):
            if path.name != "__init__.py" or defines(path):
                found[prefix + str(path.relative_to(root))] = path
    return found


def defines(path: Path) -> bool:
    body = ast.parse(path.read_text()).body
    return any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for n in body)


def mirror(module: str) -> str:
    """The test file of a module: `test_init.py` for a package, `test_main.py` for `__main__`."""
    folder, _, name = module.rpartition("/")
    stem = name.removesuffix(".py").strip("_")
    return f"{folder}/test_{stem}.py".lstrip("/")


def unit_tests() -> set[str]:
    found = {str(path.relative_to(UNIT)) for path in UNIT.rglob("test_*.py")}
    return {path for path in found if path not in OF_NO_MODULE and not path.startswith("docs/")}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in {".py", ".sh"} and p.is_file())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_has_its_test_or_a_reason() -> None:
    tests = unit_tests()
    missing = [m for m in modules() if mirror(m) not in tests and m not in EXERCISED]
    assert not missing, "write tests/unit/" + ", tests/unit/".join(mirror(m) for m in missing)


def test_every_unit_test_has_its_module() -> None:
    orphans = unit_tests() - {mirror(m) for m in modules()}
    assert not orphans, f"no module is tested by {sorted(orphans)}"


def test_every_exception_names_a_module_a_test_and_a_reason() -> None:
    known = modules()
    for module, (test, reason) in EXERCISED.items():
        assert module in known, f"{module} is gone: take it out of EXERCISED"
        assert (ROOT / test).is_file(), f"{test}, which is to exercise {module}, is gone"
        assert reason in REASONS


def test_no_exception_is_kept_once_a_module_has_its_own_test() -> None:
    tests = unit_tests()
    stale = [m for m in EXERCISED if mirror(m) in tests]
    assert not stale, f"take {stale} out of EXERCISED"


def test_no_file_is_longer_than_the_limit() -> None:
    long = {
        name(p): count
        for p in sources("src", "cni", "tests", "tools", "bench")
        if (count := len(p.read_text().splitlines())) > LIMIT
    }
    assert not long


def test_every_module_opens_with_a_docstring() -> None:
    bare = [name(p) for root in PACKAGES.values() for p in root.rglob("*.py") if not docstring(p)]
    assert not bare


def docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))


def test_every_driver_with_a_port_has_a_fake_that_a_contract_test_shares_with_it() -> None:
    contracts = [path.read_text() for path in (ROOT / "tests" / "contract").glob("*.py")]
    for port in sorted((PACKAGES["tandem"] / "drivers").glob("*/port.py")):
        driver = port.parent.name
        assert (port.parent / "fake.py").is_file(), f"drivers/{driver} has a port and no fake"
        assert any(f"tandem.drivers.{driver}.fake import" in text for text in contracts), f"no contract of {driver}"


def test_every_note_to_ourselves_names_an_issue() -> None:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X"))
    open_end = re.compile(rf"\b({words})\b(?!\(#\d+\))")
    found = [
        f"{name(path)}:{number}"
        for path in sources("src", "cni", "tests", "tools", "bench", "examples")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if open_end.search(line)
    ]
    assert not found


def test_no_test_can_be_skipped_or_expected_to_fail() -> None:
    ways = {"skip", "skipif", "xfail", "importorskip", "skipTest", "SkipTest"}
    found = [
        f"{name(path)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ways
    ]
    assert not found


@pytest.mark.parametrize("note", NOTES, ids=lambda path: path.stem)
def test_a_design_note_has_every_section(note: Path) -> None:
    text = note.read_text()
    assert re.match(rf"# {note.name[:4]}: \S.*\n\nStatus: ", text)
    places = [text.find(f"\n**{section}.**") for section in SECTIONS]
    assert -1 not in places, f"missing: {[s for s, p in zip(SECTIONS, places, strict=True) if p < 0]}"
    assert places == sorted(places)


def test_each_design_note_has_a_number_of_its_own() -> None:
    numbers = [note.name[:4] for note in NOTES]
    assert all(number.isdigit() for number in numbers)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "invariants").glob("*.md")), ids=lambda path: path.stem)
def test_an_invariant_says_what_holds_it_and_ends_in_review_notes(page: Path) -> None:
    text = page.read_text()
    promises, _, notes = text.partition("## Review notes")
    assert notes.strip()
    paragraphs = [p for p in promises.split("\n\n")[1:] if p.strip()]
    assert all(p.startswith("**") and "*Held by* `tests/" in p for p in paragraphs)


def test_every_change_fragment_is_one_sentence() -> None:
    kinds = {"new", "fixed", "changed", "removed", "security"}
    for path in sorted((ROOT / "changes.d").rglob("*")):
        if path.is_file():
            assert path.parent.name in kinds, name(path)
            assert re.fullmatch(r"\S[^\n]*\.\n", path.read_text()), name(path)
