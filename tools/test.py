"""`make test`: checks of the tree, then the whole suite. Says what is missing instead of skipping.

In: the checkout. Out: exit status 0 only if everything ran and passed; a skipped test is a failure. The suite runs in
two lanes side by side. A few tests that failed are run once more, alone: what passes then is named as a race
(docs/design/0047-a-second-look.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LINT = (
    ("format", ["ruff", "format", "--check", "."]),
    ("rules", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    ("import contracts", ["lint-imports"]),
)
RACES: Final = 3  # more failures than this are no races
LANES: Final = {
    "worlds": ["tests/e2e", "tests/conformance"],
    "others": ["tests", "--ignore=tests/e2e", "--ignore=tests/conformance"],
}
"""Name -> what is in it; both take about half of the time."""


def main() -> int:
    """Run the checks and the tests; returns the exit status."""
    os.chdir(ROOT)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ.get('PATH', '')}", "PYTHONPATH": "src:cni/src"}
    for title, argv in LINT:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        print(f"{title}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode != 0:
            print(done.stdout, done.stderr, sep="\n", flush=True)
            return 1
    if sys.argv[1:] == ["lint"]:
        return 0
    from tandem.runtime.preflight import missing

    if lines := missing((4, 6)):
        print(*(f"error: {line}" for line in lines), sep="\n", file=sys.stderr)
        return 1
    with TemporaryDirectory() as cache:
        return tested(environment, Path(cache), sys.argv[1:])


def tested(environment: dict[str, str], cache: Path, chosen: list[str]) -> int:
    """The exit status of the suite, and of a second look at what failed, where that is little."""
    parts = {"chosen": chosen} if chosen else LANES
    lanes = [Lane(name, cache / name, words, environment) for name, words in parts.items()]
    statuses = [lane.ended() for lane in lanes]
    failed = sorted(name for lane in lanes for name in lane.failed())
    if not set(statuses) <= {0, 1} or not 0 < len(failed) <= RACES:
        return max(statuses, key=abs)
    print(f"a second look at {len(failed)} that failed", flush=True)
    again = Lane("second look", cache / "again", failed, environment).ended()
    if again == 0:
        print(*(f"RACE: {name} failed, and passed alone: mend it" for name in failed), sep="\n", flush=True)
    return again


class Lane:
    """A part of the suite that runs beside others; its lines begin with its name."""

    def __init__(self, name: str, cache: Path, words: list[str], environment: dict[str, str]) -> None:
        self._cache = cache
        self._run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "--no-skips", "-o", f"cache_dir={cache}", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._told = Thread(target=self._tell, args=(name,))
        self._told.start()

    def ended(self) -> int:
        """Wait for the end; the exit status. An interrupted run still takes its worlds down."""
        try:
            self._told.join()
        finally:
            status = self._run.wait()
        return status

    def failed(self) -> list[str]:
        """The names of what failed."""
        found = self._cache / "v/cache/lastfailed"
        return list(json.loads(found.read_text())) if found.exists() else []

    def _tell(self, name: str) -> None:
        for line in self._run.stdout or ():
            print(f"{name}: {line}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
