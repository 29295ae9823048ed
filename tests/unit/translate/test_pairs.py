"""Pairs of certificate and key in Secrets."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import secret
from pems import pem
from tandem.model.world import World
from tandem.translate.pairs import GENERIC, TLS, named_pair, pairs_for

KEY = "istio-system", "cert"
CHAIN, PRIVATE = pem()


def test_both_forms_have_the_same_name_for_the_same_content() -> None:
    first = World.of([secret(tls_crt=CHAIN, tls_key=PRIVATE)])
    other = World.of([secret(cert=CHAIN, key=PRIVATE)])
    name, wrong = named_pair(first, KEY)
    assert (named_pair(other, KEY, (TLS, GENERIC)), wrong) == ((name, ""), "")
    for world in (first, other):
        (pair,) = pairs_for(world, [name]).values()
        assert (pair.chain.encode(), pair.key.reveal()) == (CHAIN, PRIVATE)
        assert PRIVATE.decode() not in repr(pair)


def test_what_is_not_there_or_another_one_by_now_has_no_pair() -> None:
    name, _ = named_pair(World.of([secret()]), KEY)
    renewed = World.of([secret(tls_crt=pem("b.test")[0], tls_key=pem("b.test")[1])])
    assert pairs_for(renewed, [name]) == pairs_for(World(), [name]) == {}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"tls_crt": CHAIN}, "has no tls.key"),
        ({"tls_crt": b"x", "tls_key": PRIVATE}, "is no certificate in PEM"),
        ({"tls_crt": CHAIN, "tls_key": b"x"}, "is no private key in PEM"),
        ({"tls_crt": CHAIN, "tls_key": pem("b.test")[1]}, "is not that of the certificate"),
    ],
)
def test_what_is_wrong_is_said_without_a_word_of_the_key(data: dict[str, Any], word: str) -> None:
    name, wrong = named_pair(World.of([secret(**data)]), KEY)
    assert not name
    assert word in wrong
    assert PRIVATE.decode().splitlines()[1] not in wrong


def test_a_key_is_read_once_for_each_content(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.of([secret(tls_crt=CHAIN, tls_key=PRIVATE)])
    found = named_pair(world, KEY)
    monkeypatch.setattr("tandem.translate.pairs.load_pem_private_key", None)
    assert named_pair(World.of([secret(tls_crt=CHAIN, tls_key=PRIVATE)]), KEY) == found
