"""Runs the courier as a runtime does: built as one file, executed with environment and standard input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = {"cniVersion": "1.1.0", "name": "tandem", "type": "tandem-cni"}
ENV = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/x", "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin"}


@dataclass(frozen=True, slots=True)
class Done:
    """Exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)

    @property
    def code(self) -> int:
        return int(self.answer["code"])


def run(binary: Path, env: Mapping[str, str], config: Any) -> Done:
    """One execution; `config` is written as JSON unless it is a str."""
    data = config if isinstance(config, str) else json.dumps(config)
    done = subprocess.run([binary], env=dict(env), input=data, capture_output=True, text=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)
