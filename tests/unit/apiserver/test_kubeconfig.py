"""The kubeconfig."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import yaml

from tandem.apiserver.kubeconfig import write_kubeconfig
from tandem.base.secret import Secret


def test_a_kubeconfig_names_server_token_and_authority(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "kubeconfig"
    write_kubeconfig(path, "https://127.0.0.1:6443", Secret(b"t0ken"), b"PEM")
    raw = yaml.safe_load(path.read_text())
    assert raw["current-context"] == "tandem"
    cluster = raw["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert raw["users"][0]["user"] == {"token": "t0ken"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
