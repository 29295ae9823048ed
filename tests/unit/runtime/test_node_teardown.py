"""One node out of the kernel; what could not be removed is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.runtime import node_teardown


class Stuck:
    """A driver that removes nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def remove(self) -> None:
        raise DriverError("nft: no permission")

    async def sweep(self) -> None:
        raise DriverError("netlink: no permission")


def test_one_part_that_cannot_be_removed_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_teardown, "Libnftables", Stuck)
    monkeypatch.setattr(node_teardown, "KernelLinks", Stuck)
    assert list(node_teardown.remove_from_kernel(NodeDir(tmp_path))) == [
        "left: nftables table: nft: no permission",
        "left: links: netlink: no permission",
    ]


def test_a_node_without_a_directory_has_no_pods_to_end(tmp_path: Path) -> None:
    assert not [line for line in node_teardown.end_pods(NodeDir(tmp_path / "none")) if "left: " in line]
