"""gRPC on a unix socket: the stream of bundles, from its first message to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from tandem.base.problems import DriverError
from tandem.drivers.spiffe.port import Bundles, NotEntitledError
from tandem.drivers.spiffe.wire import FETCH_BUNDLES, METADATA, decode_bundles

LARGEST: Final = 16 << 20
"""Bytes of one message."""
_OPTIONS: Final = (("grpc.max_receive_message_length", LARGEST),)
# The stubs of grpc.aio lack what streams of bytes are.
aio: Final[Any] = grpc.aio


class GrpcWorkloadApi:
    """See `WorkloadApi`. One connection for each stream, which asks for nothing else."""

    async def bundles(self, socket: str) -> AsyncIterator[Bundles]:
        """See `WorkloadApi`."""
        async with aio.insecure_channel(f"unix:{socket}", options=_OPTIONS) as channel:
            try:
                async for message in channel.unary_stream(FETCH_BUNDLES)(b"", metadata=METADATA):
                    yield decode_bundles(message)
            except ValueError as err:
                raise DriverError(str(err)) from None
            except aio.AioRpcError as err:
                why = err.details() or err.code().name
                kind = NotEntitledError if err.code() is grpc.StatusCode.PERMISSION_DENIED else DriverError
                raise kind(f"{err.code().name}: {why}") from None
        raise DriverError("the stream has ended")
