"""`make test`: checks of the tree, then the whole suite. Says what is missing instead of skipping.

In: the checkout. Out: exit status 0 only if everything ran and passed; a skipped test is a failure. A few tests that
failed are run once more, alone: what passes then is named as a race (docs/design/0047-a-second-look.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
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
    tests = [sys.executable, "-m", "pytest", "-q", "--no-skips", "-o", f"cache_dir={cache}"]
    status = subprocess.run([*tests, *chosen], env=environment, check=False).returncode
    failed = cache / "v/cache/lastfailed"
    names = sorted(json.loads(failed.read_text())) if failed.exists() else []
    if status != 1 or not 0 < len(names) <= RACES:
        return status
    print(f"a second look at {len(names)} that failed", flush=True)
    again = subprocess.run([*tests, "--last-failed", *chosen], env=environment, check=False).returncode
    if again == 0:
        print(*(f"RACE: {name} failed, and passed alone: mend it" for name in names), sep="\n", flush=True)
    return again


if __name__ == "__main__":
    sys.exit(main())
