"""Certificates of gateways on their way to a node."""

from __future__ import annotations

from tandem.base.secret import Secret
from tandem.drivers.edge import certificate_secret, decode, encode


def test_pairs_come_as_they_were_sent() -> None:
    ((name, (chain, key)),) = decode(encode({"edge/cert/1": ("chain", Secret(b"key"))})).items()
    assert (name, chain, key.reveal()) == ("edge/cert/1", "chain", b"key")


def test_the_version_of_a_secret_tells_nothing_of_its_key() -> None:
    one, other = (certificate_secret("x", "chain", Secret(key)) for key in (b"a", b"b"))
    assert (one.name, one.version) == (other.name, other.version)
    assert one.value != other.value
