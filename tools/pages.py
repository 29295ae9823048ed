"""Pages that tools write from the code: written, or (with --check) compared with what the code says now."""

from __future__ import annotations

import sys
from pathlib import Path


def keep(target: Path, produced: str) -> int:
    """The exit status: 1 where `target` was to be compared and is not `produced`."""
    if "--check" in sys.argv[1:]:
        current = target.exists() and target.read_text(encoding="utf-8") == produced
        if not current:
            print(f"{target} is not current: run tools/{Path(sys.argv[0]).name}")
        return int(not current)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(produced, encoding="utf-8")
    return 0
