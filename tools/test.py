"""`make test`: checks of the tree, then the whole suite. Says what is missing instead of skipping.

In: the checkout. Out: exit status 0 only if everything ran and passed; a skipped test is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LINT = (
    ("format", ["ruff", "format", "--check", "."]),
    ("rules", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    ("import contracts", ["lint-imports"]),
)


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
    tests = [sys.executable, "-m", "pytest", "-q", "--no-skips", *sys.argv[1:]]
    return subprocess.run(tests, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
