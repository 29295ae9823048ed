"""docs/reference/gateway-api.md lists every conformance case, all of them passed."""

from __future__ import annotations

import os
import subprocess
import sys

from unit.docs import pages


def test_the_page_is_that_of_a_run_in_which_every_case_passes() -> None:
    tool = pages.ROOT / "tools" / "make_gateway_api.py"
    path = f"{pages.ROOT / 'src'}:{pages.ROOT / 'cni' / 'src'}:{tool.parent}"
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, str(tool), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
