"""Error texts of NACKs -> the names they refuse."""

from __future__ import annotations

from tandem.drivers.xds.errors import culprits, format_errors


def test_listener_errors_name_their_culprits() -> None:
    text = "Error adding/updating listener(s) in/1: first: with colon\nout/2: second\n"
    assert culprits(text, ("in/1", "out/2", "in/3")) == ({"in/1": "first: with colon", "out/2": "second"}, True)


def test_a_name_that_begins_another_is_not_confused_with_it() -> None:
    text = "Error adding/updating cluster(s) svc/a/b/80/v1: bad"
    assert culprits(text, ("svc/a/b/80", "svc/a/b/80/v1")) == ({"svc/a/b/80/v1": "bad"}, True)


def test_a_text_without_names_names_nobody() -> None:
    assert culprits("Proto constraint validation failed", ("a",)) == ({}, False)


def test_a_cut_text_is_incomplete() -> None:
    assert culprits("Error adding/updating cluster(s) a: bad...(truncated)", ("a", "b"))[1] is False


def test_json_errors_round_trip() -> None:
    assert culprits(format_errors({"a": "no", "foreign": "x"}), ("a", "b")) == ({"a": "no"}, True)


def test_broken_json_names_nobody() -> None:
    assert culprits("{nonsense", ("a",)) == ({}, False)
