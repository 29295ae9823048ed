"""Runs every conformance case in worlds of their own and writes docs/reference/gateway-api.md; needs root.

`--check` runs nothing: it says whether the page is the one that a run writes in which every case passes, which is what
`tests/conformance` makes sure of.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pages import keep

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from conformance.case import Case, cases  # noqa: E402 - of the tests, which are no package
from conformance.runner import GROUPS, Runner  # noqa: E402
from e2e.lab import lab  # noqa: E402

TARGET: Final = ROOT / "docs" / "reference" / "gateway-api.md"
HEAD: Final = """\
# The Gateway API: what is tested

Written by `tools/make_gateway_api.py` from a run of every case; do not edit.

Each case has the name of the test of the Gateway API's conformance suite whose behaviour it shows, with objects and
requests of our own: `tandem up`, real pods, a real Envoy, conditions read from the API. `pytest tests/conformance` runs
them again. Features are named as the suite names them. What begins with `Own` is a behaviour of the API for which the
suite has no test.

The mesh publishes its features in the status of an XMesh object whose `controllerName` is `tandem.io/controller`.
"""


def page(results: dict[str, list[tuple[Case, str]]]) -> str:
    """The whole page; a result is empty, or says what did not hold."""
    return "\n".join([HEAD, *(part for group, found in results.items() for part in _section(group, found))])


def _section(group: str, found: list[tuple[Case, str]]) -> Iterator[str]:
    passed = sum(not wrong for _, wrong in found)
    yield f"## {group.capitalize()}: {passed} of {len(found)} passed\n"
    yield "| test | features | behaviour | result |\n|---|---|---|---|"
    for case, wrong in found:
        yield f"| {case.name} | {', '.join(case.features)} | {case.says} | {'failed' if wrong else 'passed'} |"
    yield ""


def _run(group: str) -> list[tuple[Case, str]]:
    found = []
    with lab() as made, Runner(made, group) as runner:
        for case in cases(group):
            wrong = ""
            try:
                runner.run(case)
            except AssertionError as err:
                wrong = str(err) or "failed"
            print(f"{case.name}: {wrong or 'passed'}", flush=True)
            found.append((case, wrong))
    return found


def main() -> int:
    """Run and write the page, or compare it."""
    if "--check" in sys.argv[1:]:
        return keep(TARGET, page({group: [(case, "") for case in cases(group)] for group in GROUPS}))
    results = {group: _run(group) for group in GROUPS}
    keep(TARGET, page(results))
    return int(any(wrong for found in results.values() for _, wrong in found))


if __name__ == "__main__":
    sys.exit(main())
