"""Header blocks: what one end compresses the other reads, within bounds."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.apiserver.streams.spdy.headers import DICTIONARY, LARGEST, BlockError, Compressor, Decompressor

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1)


def packed(raw: bytes) -> bytes:
    compressor = zlib.compressobj(zdict=DICTIONARY)
    return compressor.compress(raw) + compressor.flush(zlib.Z_SYNC_FLUSH)


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert (len(DICTIONARY), hex(zlib.adler32(DICTIONARY))) == (1423, "0xe3c6a7c2")


@given(st.lists(st.dictionaries(NAMES, st.text(st.characters(codec="ascii"), max_size=50), max_size=5), max_size=4))
def test_blocks_of_one_connection_come_back(blocks: list[dict[str, str]]) -> None:
    here, there = Compressor(), Decompressor()
    assert [there.headers(here.block(block)) for block in blocks] == blocks


def test_names_are_lower_case() -> None:
    assert Decompressor().headers(Compressor().block({"streamType": "Error"})) == {"streamtype": "Error"}


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"nothing of the kind", "header"),
        (packed(b""), "header block"),
        (packed(struct.pack(">II", 1, 99) + b"short"), "behind"),
        (packed(struct.pack(">I", 1 << 31)), "header block"),
        (packed(bytes(LARGEST + 1)), "more than"),
    ],
)
def test_what_is_no_block_is_refused(block: bytes, why: str) -> None:
    with pytest.raises(BlockError, match=why):
        Decompressor().headers(block)
