"""The signing call: the agent's end over its connection to control, and control's end over an authority."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from tandem.base.clock import Clock
from tandem.drivers.ca import wire
from tandem.drivers.ca.keys import Sign
from tandem.drivers.ca.port import Signer, SigningRefusedError
from tandem.drivers.xds.client import CallError, XdsClient


def sign_over(client: XdsClient) -> Sign:
    """For `SecretStore`: raises SigningRefusedError when control refuses, CallError when it does not answer."""

    async def sign(request: wire.SignRequest) -> wire.SignResponse:
        try:
            return wire.decode_response(await client.call(wire.SIGN, wire.encode(request)))
        except CallError as error:
            if error.refused:
                raise SigningRefusedError(str(error)) from error
            raise

    return sign


def serve(
    signer: Signer, allowed: Callable[[str], Collection[str]], clock: Clock
) -> Callable[[str, bytes], Awaitable[bytes]]:
    """Handler for `XdsServer.add_unary(wire.SIGN, …)`; `allowed(node)` are the identities that a node may have."""

    async def handle(node: str, data: bytes) -> bytes:
        request = wire.decode_request(data)
        chain = signer.sign(request.csr, allowed(node), clock.now())
        return wire.encode(wire.SignResponse(chain=chain, roots=signer.roots))

    return handle
