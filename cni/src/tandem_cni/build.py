"""Writes the courier as one executable file: `build(target, python)`, or `python -m tandem_cni.build TARGET [PYTHON]`.

The shebang starts Python isolated and without site packages (`-IS`), which halves its start-up time. The file is a
plain script, since an archive takes 6 ms to begin: first quick.py, then the other modules as texts that are compiled
only when needed. It is replaced by a rename: a runtime that is executing the old one is not disturbed.
Where the machine has Perl, the same script comes after quick.pl, which executes Python only when that is needed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

COURIER = {"tandem_cni": "__init__.py", "tandem_cni.wire": "wire.py", "tandem_cni.checks": "checks.py"}
COURIER["tandem_cni.spool"] = "spool.py"
COURIER["tandem_cni.__main__"] = "__main__.py"
"""Modules in the order of their imports."""
FUTURE = "from __future__ import annotations\n"
"""Of no effect in quick.py but for a file to be found and read in each execution."""
PERL = "/usr/bin/perl"
END = "\n__END__\n"
"""Where Perl stops reading."""
BOOT = f"import sys;exec(compile(open(sys.argv[1],'rb').read().partition({END.encode()!r})[2],sys.argv[1],'exec'))"


def build(target: Path, python: str, perl: str = PERL) -> None:
    """Write the courier for the interpreter `python` to `target`, mode 0755; `perl` need not be there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).parent
    quick = (here / "quick.py").read_text(encoding="utf-8").replace(FUTURE, "")
    sources = {name: (here / file).read_text(encoding="utf-8") for name, file in COURIER.items()}
    text = f"#!{python} -IS\n{quick}\n\nrun({sources!r})\n"
    if os.access(perl, os.X_OK):
        head = f"#!{perl}\nour ($PYTHON, $BOOT) = ({_quoted(python)}, {_quoted(BOOT)});\n"
        head += (here / "quick.pl").read_text(encoding="utf-8")
        text = f"{head}{END}{quick}\n\nimport sys\n\nrun({sources!r}, sys.argv[2])\n"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tandem-cni-") as scratch:
        made = Path(scratch, "tandem-cni")
        made.write_text(text, encoding="utf-8")
        made.chmod(0o755)
        made.replace(target)


def _quoted(text: str) -> str:
    """As Perl reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/usr/bin/python3")
