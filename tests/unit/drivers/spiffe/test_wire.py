"""Messages of the Workload API, as another implementation writes them; over a socket: tests/contract."""

from __future__ import annotations

import pytest
from spiffe._proto import workload_pb2

from issuing import authority
from tandem.drivers.spiffe.wire import decode_bundles
from workloadapi import der

ONE, TWO = authority("one").pem, authority("two").pem


def message(bundles: dict[str, bytes], crl: tuple[bytes, ...] = ()) -> bytes:
    return bytes(workload_pb2.X509BundlesResponse(bundles=bundles, crl=crl).SerializeToString())


def test_bundles_are_of_trust_domains_and_in_pem() -> None:
    found = decode_bundles(message({"spiffe://b.example": der(TWO), "spiffe://a.example": der(ONE, TWO)}))
    assert found == {"a.example": ONE + TWO, "b.example": TWO}


def test_a_bundle_may_be_empty_and_then_nobody_is_to_be_trusted() -> None:
    assert decode_bundles(message({"spiffe://a.example": b""})) == {"a.example": ""}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xff", "no X509BundlesResponse"),
        (message({}), "no bundles"),
        (message({"a.example": der(ONE)}), "'a.example' is no trust domain"),
        (message({"spiffe://": der(ONE)}), "is no trust domain"),
        (message({"spiffe://a.example/web": der(ONE)}), "is no trust domain"),
        (message({"spiffe://a.example": b"\x30"}), "no certificate"),
        (message({"spiffe://a.example": b"\x30\x80\x00\x00"}), "no certificate"),
        (message({"spiffe://a.example": b"\x30\x82\xff\xffabc"}), "no certificate"),
        (message({"spiffe://a.example": der(ONE)[:-1]}), "no certificate"),
        (message({"spiffe://a.example": der(ONE) + b"abc"}), "no certificate"),
        (message({"spiffe://a.example": der(ONE), "spiffe://b.example": b"abc"}), "spiffe://b.example"),
        (message({"spiffe://a.example": der(ONE)}, crl=(b"",)), "revocation lists"),
    ],
)
def test_of_a_message_with_a_mistake_nothing_counts(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_bundles(data)
