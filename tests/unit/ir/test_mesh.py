"""The vocabulary of routing."""

from __future__ import annotations

import msgspec
import pytest

from tandem.ir.mesh import DEFAULT_RETRY, Exact, PathPrefix, Prefix, Present, Regex, RouteMatch, StringMatch


@pytest.mark.parametrize("match", [Exact("a"), Prefix("a"), PathPrefix("a"), Regex("a"), Present()])
def test_matches_are_told_apart_by_their_tag(match: StringMatch) -> None:
    assert msgspec.json.decode(msgspec.json.encode(match), type=StringMatch) == match


def test_the_default_retry_is_istios() -> None:
    assert DEFAULT_RETRY.attempts == 2
    assert "connect-failure" in DEFAULT_RETRY.retry_on
    assert not DEFAULT_RETRY.retriable_codes


def test_a_match_without_parts_is_every_request() -> None:
    assert RouteMatch() == RouteMatch(path=None, method=None, headers=(), query=(), ports=(), source_labels=())
