"""Where a runtime's cache says that a container's namespace is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tandem.base.ids import ContainerId
from tandem.runtime.cni_cache import sandbox_of

KEY = (ContainerId("c1"), "eth0")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps({"result": {"interfaces": [{"name": "h"}, {"name": "eth0", "sandbox": "/ns/x"}]}}), "/ns/x"),
        (json.dumps({"result": {"interfaces": [{"name": "eth1", "sandbox": "/ns/x"}]}}), ""),
        (json.dumps({"result": {}}), ""),
        (json.dumps([1]), ""),
        ("no json", ""),
    ],
)
def test_the_sandbox_is_that_of_the_interface(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "net-c1-eth0").write_text(text)
    (tmp_path / "net-c2-eth0").write_text("other")
    assert sandbox_of(KEY, tmp_path) == found


def test_without_a_cache_or_an_interface_nothing_is_known(tmp_path: Path) -> None:
    assert sandbox_of(KEY, tmp_path / "nowhere") == ""
    assert sandbox_of((ContainerId("c1"), ""), tmp_path) == ""
