"""Tables and sentences in any width."""

from __future__ import annotations

from tandem.apps.cli.layout import sentence, table, visible

COLUMNS = ("NAME", "ADDRESS", "IDENTITY")
ROWS = [("shop/web-0", "10.244.0.2", "cluster.local/ns/shop/sa/web"), ("shop/db", "", "")]


def test_a_pipe_gets_one_line_a_row_however_long() -> None:
    lines = table(COLUMNS, [("n" * 90, "a", "b")], width=0)
    assert len(lines) == 2
    assert lines[1] == f"{'n' * 90}  a        b"


def test_columns_stand_below_their_names_and_lines_end_without_blanks() -> None:
    assert table(COLUMNS, ROWS, width=80) == [
        "NAME        ADDRESS     IDENTITY",
        "shop/web-0  10.244.0.2  cluster.local/ns/shop/sa/web",
        "shop/db",
    ]


def test_columns_that_do_not_fit_follow_by_name_and_no_word_is_broken() -> None:
    assert table(COLUMNS, ROWS, width=40) == [
        "NAME        ADDRESS",
        "shop/web-0  10.244.0.2",
        "    identity:",
        "        cluster.local/ns/shop/sa/web",
        "shop/db",
    ]


def test_the_first_column_is_always_there() -> None:
    assert table(COLUMNS, ROWS, width=3)[0] == "NAME"


def test_sentences_break_between_words_only() -> None:
    lines = sentence("refused by node-1: a-very-long-word-with-hyphens", width=20)
    assert lines == ["refused by node-1:", "    a-very-long-word-with-hyphens"]
    assert sentence("x " * 60, width=0, first="  ") == ["  " + "x " * 60]


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert visible("\x1b[2Jgone\r\u202ekcab\x9b") == "\\x1b[2Jgone\\r\\u202ekcab\\x9b"
    assert visible("straße — fine") == "straße — fine"
