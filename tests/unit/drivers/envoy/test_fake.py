"""The fake's own handles; its promises are in tests/contract/test_proxy.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.envoy.fake import FakeProxy
from tandem.drivers.envoy.port import ProxyError


def test_a_start_can_be_made_to_fail_once() -> None:
    async def scene() -> None:
        proxy = FakeProxy()
        proxy.fail_next(ProxyError("no binary"))
        with pytest.raises(ProxyError, match="no binary"):
            await proxy.start()
        await proxy.start()
        assert (await proxy.status()).ready

    asyncio.run(scene())
