"""Key sets without secrets."""

from __future__ import annotations

import json

import pytest

from tandem.base.jwks import KeySetError, is_key_set, public_key_set

EC = {"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}


def test_the_private_half_is_left_out() -> None:
    found = json.loads(public_key_set(json.dumps({"keys": [{**EC, "d": "secret"}]}), symmetric=True))
    assert found == {"keys": [EC]}


def test_a_symmetric_key_that_everybody_can_read_is_none() -> None:
    both = json.dumps({"keys": [EC, {"kty": "oct", "k": "secret"}]})
    assert json.loads(public_key_set(both, symmetric=False)) == {"keys": [EC]}
    assert len(json.loads(public_key_set(both, symmetric=True))["keys"]) == 2


@pytest.mark.parametrize("text", ["", "no", "[]", '{"keys": {}}', '{"keys": [1]}', '{"keys": [{}]}'])
def test_what_is_no_key_set_is_refused_without_repeating_it(text: str) -> None:
    assert not is_key_set(text)
    with pytest.raises(KeySetError):
        public_key_set(text, symmetric=True)


def test_an_empty_set_has_no_key() -> None:
    assert is_key_set('{"keys": []}')
    with pytest.raises(KeySetError, match="no key"):
        public_key_set('{"keys": []}', symmetric=True)
