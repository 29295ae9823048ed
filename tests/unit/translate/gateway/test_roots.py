"""Bundles of authorities: what of them is sent, and what is wrong with a reference."""

from __future__ import annotations

import pytest

from gatewayworlds import world
from issuing import authority
from tandem.model.meta import Object
from tandem.translate.gateway.roots import Bundle, Roots, read_roots
from tlsworlds import bundle

ONE, OTHER = authority().pem, authority("other").pem


def read(*objects: Object, refs: tuple[Bundle, ...]) -> Roots:
    return read_roots(world(*objects), refs, invalid="Invalid", unknown="Unknown")


def ref(name: str = "roots", *, group: str = "", kind: str = "ConfigMap", permitted: bool = True) -> Bundle:
    return Bundle(group=group, kind=kind, key=("default", name), permitted=permitted)


def test_certificates_of_all_bundles_are_joined_and_nothing_else_of_their_text_is() -> None:
    _, key = authority().issue("a.test")
    found = read(bundle("a", f"# ours\n{ONE}{key}"), bundle("b", OTHER + ONE), refs=(ref("a"), ref("b")))
    assert (found.pem, found.wrong) == (ONE + OTHER, {})


@pytest.mark.parametrize(
    ("one", "made", "code", "word"),
    [
        (ref("gone"), bundle(), "Invalid", "no ConfigMap default/gone"),
        (ref(), bundle(key="other.crt"), "Invalid", "has no ca.crt"),
        (ref(), bundle(text=""), "Invalid", "no certificate in PEM"),
        (ref(), bundle(text="Hello world"), "Invalid", "no certificate in PEM"),
        (ref(), bundle(text=f"{ONE}{ONE.replace('MII', 'MIJ')}"), "Invalid", "cannot be read"),
        (ref(kind="Secret"), bundle(), "Unknown", "only ConfigMap"),
        (ref(group="example.com"), bundle(), "Unknown", "example.com/ConfigMap"),
        (ref(permitted=False), bundle(), "RefNotPermitted", "ReferenceGrant"),
    ],
)
def test_a_reference_that_cannot_be_used_is_told_and_the_others_count(
    one: Bundle, made: Object, code: str, word: str
) -> None:
    found = read(made, bundle("good", OTHER), refs=(one, ref("good")))
    ((index, (found_code, text)),) = found.wrong.items()
    assert (index, found_code, found.pem) == (0, code, OTHER)
    assert word in text
