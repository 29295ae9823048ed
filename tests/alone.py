"""Functions in network and mount namespaces of their own, for tests that change the kernel and nothing outside."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
_ALONE: Final = ("unshare", "--net", "--mount", "--propagation", "private")
_PRELUDE: Final = """
import json, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
"""


def alone(function: Callable[..., Any], *arguments: str) -> Any:
    """What `function(*arguments)` returns there (JSON); its source must import all that it uses."""
    source = textwrap.dedent(inspect.getsource(function))
    call = f"print(json.dumps({function.__name__}(*sys.argv[1:])))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'cni' / 'src'}:{ROOT / 'tests'}"}
    done = subprocess.run(
        [*_ALONE, sys.executable, "-c", _PRELUDE + source + call, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
