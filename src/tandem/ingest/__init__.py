"""Where state enters: the API server's watch, or a directory of files."""

import sys

# httpx's command line and what it draws with are more than half of what importing httpx costs. httpx does without them,
# as it does where they are not installed; nothing of ours calls them.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
