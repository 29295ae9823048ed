"""Both implementations satisfy the protocol as mypy sees it."""

from __future__ import annotations

from pathlib import Path

from tandem.base.paths import NodeDir
from tandem.drivers.envoy.fake import FakeProxy
from tandem.drivers.envoy.port import Proxy
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings


def test_real_and_fake_are_proxies(tmp_path: Path) -> None:
    proxies: list[Proxy] = [FakeProxy(), EnvoyProcess(EnvoySettings(node_id="n1", paths=NodeDir(tmp_path)))]
    assert len(proxies) == 2
