"""What every client of a Workload API does: the fake, and the real one with a server that is written from the standard.

The server itself is asked by a client that is none of ours first (the package `spiffe`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import spiffe

from issuing import authority
from tandem.base.problems import DriverError
from tandem.drivers.spiffe.fake import FakeWorkloadApi
from tandem.drivers.spiffe.port import Bundles, NotEntitledError, WorkloadApi
from tandem.drivers.spiffe.real import GrpcWorkloadApi
from workloadapi import WorkloadApiServer, der, workload_api

ONE, TWO = authority("one").pem, authority("two").pem


class Side:
    """A client, the socket that it is given, and how its server is made to say something; None: it grants nothing."""

    def __init__(self, api: WorkloadApi, socket: str, tell: Callable[[dict[str, str] | None], None]) -> None:
        self.api, self.socket, self.tell = api, socket, tell

    def read(self) -> aclosing[Any]:
        return aclosing(cast("Any", self.api.bundles(self.socket)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WorkloadApiServer]:
    with workload_api(tmp_path / "api.sock") as made:
        yield made


@pytest.fixture(params=["fake", "real"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    if request.param == "fake":
        fake = FakeWorkloadApi()
        yield Side(fake, "/api", lambda news: fake.tell(NotEntitledError("no") if news is None else news))
        return
    with workload_api(tmp_path / "api.sock") as made:
        yield Side(
            GrpcWorkloadApi(),
            str(tmp_path / "api.sock"),
            lambda news: made.tell(None if news is None else {name: der(pem) for name, pem in news.items()}),
        )


async def following(stream: AsyncIterator[Bundles]) -> Bundles:
    async with asyncio.timeout(20):
        return await anext(stream)


def test_each_message_is_the_whole(side: Side) -> None:
    async def main() -> None:
        side.tell({"a.example": ONE, "b.example": TWO})
        async with side.read() as stream:
            assert await following(stream) == {"a.example": ONE, "b.example": TWO}
            side.tell({"b.example": ONE + TWO})
            assert await following(stream) == {"b.example": ONE + TWO}
            side.tell({"b.example": ""})
            assert await following(stream) == {"b.example": ""}

    asyncio.run(main())


def test_who_is_granted_nothing_any_more_is_told_so(side: Side) -> None:
    async def main() -> None:
        side.tell({"a.example": ONE})
        async with side.read() as stream:
            assert await following(stream) == {"a.example": ONE}
            side.tell(None)
            with pytest.raises(NotEntitledError):
                await following(stream)

    asyncio.run(main())


def broken(socket: Path) -> str:
    """How a stream ends that never said anything."""

    async def main() -> str:
        async with aclosing(cast("Any", GrpcWorkloadApi().bundles(str(socket)))) as stream:
            with pytest.raises(DriverError) as caught:
                await following(stream)
            assert not isinstance(caught.value, NotEntitledError)
            return str(caught.value)

    return asyncio.run(main())


def test_nobody_there_is_an_error_with_the_socket(tmp_path: Path) -> None:
    assert str(tmp_path / "none.sock") in broken(tmp_path / "none.sock")


def test_a_server_that_ends_the_stream_is_an_error(server: WorkloadApiServer, tmp_path: Path) -> None:
    async def main() -> None:
        server.tell({"a.example": der(ONE)})
        async with aclosing(cast("Any", GrpcWorkloadApi().bundles(str(tmp_path / "api.sock")))) as stream:
            await following(stream)
            server.hang_up()
            with pytest.raises(DriverError):
                await following(stream)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("bundles", "crl", "words"),
    [
        ({}, (), "no bundles"),
        ({"a.example": b"\x30\x03abc"}, (), "spiffe://a.example has something that is no certificate"),
        ({"a.example/web": der(ONE)}, (), "no trust domain"),
        ({"a.example": der(ONE)}, (b"list",), "revocation"),
    ],
)
def test_a_message_that_cannot_be_gone_by_is_an_error(
    server: WorkloadApiServer, tmp_path: Path, bundles: dict[str, bytes], crl: tuple[bytes, ...], words: str
) -> None:
    server.tell(bundles, crl=crl)
    assert words in broken(tmp_path / "api.sock")


def test_the_server_speaks_as_the_standard_says(server: WorkloadApiServer, tmp_path: Path) -> None:
    path = f"unix:{tmp_path / 'api.sock'}"
    channel: Any
    with grpc.insecure_channel(path) as channel:
        bare = channel.unary_stream("/SpiffeWorkloadAPI/FetchX509Bundles")(b"")
        with pytest.raises(grpc.RpcError) as caught:
            next(bare)
        assert cast("Any", caught.value).code() is grpc.StatusCode.INVALID_ARGUMENT
    server.tell({"a.example": der(ONE, TWO), "b.example": der(ONE)})
    with spiffe.WorkloadApiClient(path) as client:
        found = client.fetch_x509_bundles(timeout=20)
        bundle = found.get_bundle_for_trust_domain(spiffe.TrustDomain("a.example"))
        assert bundle is not None
        assert len(bundle.x509_authorities) == 2
