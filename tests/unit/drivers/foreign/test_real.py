"""The node's own namespace is no pod's. All else is in tests/contract/test_foreign_driver.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.foreign.real import KernelForeign
from tandem.drivers.link.port import NetnsError


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/nowhere"])
def test_the_nodes_own_namespace_and_no_namespace_are_refused(path: str) -> None:
    with pytest.raises(NetnsError, match=path):
        asyncio.run(KernelForeign().look(path, "lo"))
