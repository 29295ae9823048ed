"""Writes the courier as one executable file: `build(target, python)`, or `python -m tandem_cni.build TARGET [PYTHON]`.

The shebang starts Python isolated and without site packages (`-IS`), which halves its start-up time. The file is
replaced by a rename: a runtime that is executing the old one is not disturbed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipapp
from pathlib import Path

COURIER = ("__init__.py", "__main__.py", "wire.py")
MAIN = "import sys\nfrom tandem_cni.__main__ import main\nsys.exit(main())\n"


def build(target: Path, python: str) -> None:
    """Write the courier for the interpreter `python` to `target`, mode 0755."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tandem-cni-") as scratch:
        tree, made = Path(scratch, "tree"), Path(scratch, "tandem-cni")
        package = tree / "tandem_cni"
        package.mkdir(parents=True)
        for name in COURIER:
            shutil.copy(Path(__file__).with_name(name), package / name)
        (tree / "__main__.py").write_text(MAIN)
        zipapp.create_archive(tree, made, interpreter=f"{python} -IS")
        made.chmod(0o755)
        made.replace(target)


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/usr/bin/python3")
