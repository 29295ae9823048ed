"""The fake's own handles; its promises are in tests/contract/test_ca.py."""

from __future__ import annotations

import pytest

from tandem.drivers.ca.fake import FakeAuthority
from tandem.drivers.ca.keys import new_request


def test_it_fails_when_told_to_and_remembers_whom_it_signed() -> None:
    authority = FakeAuthority(1_800_000_000.0)
    authority.fail_next(RuntimeError("disk full"))
    _, request = new_request("spiffe://x/ns/a/sa/b")
    with pytest.raises(RuntimeError, match="disk full"):
        authority.sign(request.csr, {"spiffe://x/ns/a/sa/b"}, 1_800_000_000.0)
    assert authority.signed == []
    authority.sign(request.csr, {"spiffe://x/ns/a/sa/b"}, 1_800_000_000.0)
    assert authority.signed == ["spiffe://x/ns/a/sa/b"]
