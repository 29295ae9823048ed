"""Keys: the pair of RFC 7748, and the file that keeps the private one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.secret import Secret
from tandem.drivers.wireguard.keys import load_or_make, public_of, to_raw, to_text

ALICE = Secret(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
ALICE_PUBLIC = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")


def test_the_public_key_is_that_of_the_rfc() -> None:
    """RFC 7748, section 6.1."""
    assert to_raw(public_of(ALICE)) == ALICE_PUBLIC


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "wireguard.key"
    made = load_or_make(path)
    assert load_or_make(path).reveal() == made.reveal()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert load_or_make(tmp_path / "other.key").reveal() != made.reveal()
    assert {p.name for p in tmp_path.iterdir()} == {"wireguard.key", "other.key"}


@pytest.mark.parametrize("damage", [b"", b"short", bytes(33)])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "wireguard.key"
    path.write_bytes(damage)
    path.chmod(0o644)
    assert load_or_make(path).reveal() == path.read_bytes() != damage
    assert path.stat().st_mode & 0o777 == 0o600


def test_text_and_bytes_are_the_same_key() -> None:
    assert to_raw(to_text(bytes(range(32)))) == bytes(range(32))


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", to_text(bytes(33))])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)bytes|base64|padding"):
        to_raw(text)


def test_a_private_key_shows_nothing_of_itself(tmp_path: Path) -> None:
    key = load_or_make(tmp_path / "k")
    assert to_text(key.reveal()) not in f"{key} {key!r}"
    assert repr(key.reveal()) not in f"{key} {key!r}"
