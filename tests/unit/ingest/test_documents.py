"""YAML text -> documents with lines."""

from __future__ import annotations

import pytest

from tandem.ingest.documents import Fault, documents


def one(text: str) -> object:
    return next(iter(documents(text))).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", "yes"),
        ("a: on", "on"),
        ("a: 'true'", "true"),
        ("a: true", True),
        ("a: 12", 12),
        ("a: -3", -3),
        ("a: 0644", 0o644),
        ("a: 0o644", 0o644),
        ("a: 089", 89),
        ("a: 0x10", 16),
        ("a: 1.5e3", 1500.0),
        ("a: 1:30", "1:30"),
        ("a: 2001-01-01", "2001-01-01"),
        ("a: ~", None),
        ("a:", None),
        ("a: ''", ""),
        ("a: 10.0.0.1", "10.0.0.1"),
        ("a: |\n  x\n  y\n", "x\ny\n"),
    ],
)
def test_plain_words_resolve_as_kubernetes_users_expect(text: str, value: object) -> None:
    assert one(text) == {"a": value}


def test_empty_documents_are_left_out() -> None:
    assert [d.value for d in documents("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n")] == [{"a": 1}, {"b": 2}]


def test_a_document_knows_its_first_line_and_its_fields_lines() -> None:
    (doc,) = documents("# head\n---\nspec:\n  http:\n  - match: 1\n  - route: 2\n")
    assert doc.line == 3
    assert doc.line_of("spec.http[1]") == 6
    assert doc.line_of("spec.http[0].match") == 5
    assert doc.line_of("spec.http[1].absent.deeper[3]") == 6
    assert doc.line_of("other") == 3


def test_map_keys_are_found_in_brackets_as_well() -> None:
    (doc,) = documents("metadata:\n  labels:\n    a: b\n    example.com/x: 7\n")
    assert doc.line_of("metadata.labels[example.com/x]") == 4


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a'"),
        ("a:\n\tb: 1\n", 2, "a tab in the indentation"),
        ("a: [1, 2\nb: 3\n", 2, "flow sequence"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: !!binary aGk=\n", 1, "tag"),
        ("a: &x [1, *x]\n", 1, "contains itself"),
        ("? [1]\n: 2\n", 1, "key must be text"),
        ("a:\n  port: {{ .Values.port }}\n", 2, "belongs to a template"),
        ("a:\n  {{- if .Values.port }}\n  b: 1\n", 2, "belongs to a template"),
        ('a: "b\nc: d\n', 3, r"while scanning a quoted scalar \(begun in line 1\)"),
        ("a: " + "9" * 5000 + "\n", 1, "a number of 5000 digits"),
        ("a: " + "[" * 5000 + "]" * 5000 + "\n", 1, "nested too deeply"),
    ],
)
def test_a_fault_names_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(Fault, match=message.replace("[", r"\[")) as caught:
        list(documents(text))
    assert caught.value.line == line


def test_aliases_that_multiply_are_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(Fault, match="too many values"):
        list(documents("\n".join(rows)))


def test_merge_keys_fill_in_what_is_absent() -> None:
    (doc,) = documents("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n")
    assert doc.value["use"] == {"x": 1, "y": 3}
