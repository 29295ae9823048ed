"""A regular expression for all words but some."""

from __future__ import annotations

import re

import hypothesis.strategies as st
from hypothesis import given

from tandem.compile.envoy.complement import all_but

texts = st.text("ab-.", max_size=4)


@given(st.lists(texts, max_size=5), st.lists(texts, max_size=3), st.lists(texts, min_size=1, max_size=9))
def test_it_matches_what_is_no_such_word_and_begins_like_none(
    words: list[str], prefixes: list[str], asked: list[str]
) -> None:
    regex = re.compile(all_but(tuple(words), tuple(prefixes)))
    for word in [*asked, *words, *prefixes]:
        wanted = word not in words and not word.startswith(tuple(prefixes))
        assert (regex.fullmatch(word) is not None) is wanted, word
