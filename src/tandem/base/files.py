"""Files that are replaced whole: a reader, and the next start after a crash, finds the old content or the new."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o666
"""As the umask lets it be."""


def replace_file(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Write the file anew, by a draft beside it (`NAME.new`); raises OSError, and then the file is as it was."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    draft.replace(path)
