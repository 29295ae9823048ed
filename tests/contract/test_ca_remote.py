"""Signing over real gRPC: the agent's keys, control's authority, and who may have what."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tandem.base.clock import SystemClock
from tandem.base.problems import DriverError
from tandem.drivers.ca.authority import Authority
from tandem.drivers.ca.keys import Rotation, SecretStore
from tandem.drivers.ca.wire import SIGN, SignRequest, SignResponse, decode_request, decode_response, encode
from tandem.drivers.xds.client import XdsClient
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.server import XdsServer
from tandem.identity.rotation import renew_at

WEB, DB = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/db"


def test_a_node_obtains_its_own_identities_and_no_others(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = SystemClock()
        authority = Authority.create("cluster.local", clock.now())
        server = XdsServer(tmp_path / "control.sock", ())

        async def answer(node: str, data: bytes) -> bytes:
            chain = authority.sign(decode_request(data).csr, {WEB} if node == "n1" else (), clock.now())
            return encode(SignResponse(chain=chain, signer=authority.signer))

        async def sign(request: SignRequest) -> SignResponse:
            return decode_response(await client.call(SIGN, encode(request)))

        server.add_unary(SIGN, answer)
        await server.start()
        client = XdsClient(f"unix:{tmp_path / 'control.sock'}", "n1", (), lambda _: None)
        published: list[dict[str, Encoded]] = []
        store = SecretStore(sign, lambda secrets: published.append(dict(secrets)), clock, Rotation(renew_at=renew_at))
        try:
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                task = group.create_task(client.run())
                await asyncio.sleep(0)
                await store.ensure(frozenset({WEB}))
                with pytest.raises(DriverError, match="sa/db may not be issued to this node"):
                    await store.ensure(frozenset({DB}))
                task.cancel()
        finally:
            await server.stop()
        assert WEB in published[-1]

    asyncio.run(scene())
