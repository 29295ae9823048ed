"""What `re2_fault` says of patterns is what Envoy says."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tandem.drivers.envoy.bootstrap import RUNTIME
from unit.base.test_re2 import REFUSED, TAKEN

_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = {"name": "r", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}


def takes(directory: Path, *patterns: str) -> bool:
    """Whether Envoy takes routes with all of these."""
    routes = [{"match": {"safe_regex": {"regex": p}}, "direct_response": {"status": 200}} for p in patterns]
    manager = {
        "@type": _HTTP,
        "stat_prefix": "x",
        "http_filters": [_ROUTER],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": "l", "address": {"pipe": {"path": str(directory / "l.sock")}}, "filter_chains": [chain]}
    config = directory / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [listener]}, "layered_runtime": RUNTIME}))
    command = [shutil.which("envoy") or "envoy", "--mode", "validate", "-c", str(config), "-l", "critical"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_envoy_takes_what_is_taken(tmp_path: Path) -> None:
    assert takes(tmp_path, *filter(None, TAKEN))


@pytest.mark.parametrize("pattern", REFUSED)
def test_envoy_refuses_what_is_refused(tmp_path: Path, pattern: str) -> None:
    assert not takes(tmp_path, pattern)
