"""Both fetchers are Fetchers."""

from __future__ import annotations

from tandem.drivers.jwks.fake import FakeFetcher
from tandem.drivers.jwks.port import Fetcher
from tandem.drivers.jwks.real import HttpFetcher


def test_the_fake_and_the_real_one_have_the_same_face() -> None:
    fetchers: list[Fetcher] = [FakeFetcher(), HttpFetcher()]
    assert all(callable(f.fetch) for f in fetchers)
