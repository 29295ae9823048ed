"""Complaints in the API server's types of error."""

from __future__ import annotations

import pytest

from tandem.model.schemas import complaint


@pytest.mark.parametrize(
    ("line", "text", "reason"),
    [
        (complaint.required("a.b"), "a.b: Required value", "FieldValueRequired"),
        (complaint.required("a", "one of x"), "a: Required value: one of x", "FieldValueRequired"),
        (complaint.invalid("a", "x", "no"), 'a: Invalid value: "x": no', "FieldValueInvalid"),
        (complaint.invalid("a", 7, "no"), "a: Invalid value: 7: no", "FieldValueInvalid"),
        (
            complaint.unsupported("a", "x", ("p", "q")),
            'a: Unsupported value: "x": supported values: "p", "q"',
            "FieldValueNotSupported",
        ),
        (complaint.duplicate("a", "x"), 'a: Duplicate value: "x"', "FieldValueDuplicate"),
        (complaint.forbidden("a", "with b"), "a: Forbidden: with b", "FieldValueForbidden"),
        (complaint.too_many("a", 3, 1), "a: Too many: 3: must have at most 1 item", "FieldValueTooMany"),
        (complaint.too_many("a", 3, 2), "a: Too many: 3: must have at most 2 items", "FieldValueTooMany"),
        (complaint.too_long("a", 9), "a: Too long: may not be more than 9 characters", "FieldValueTooLong"),
        ("a: needs one", "a: needs one", "FieldValueInvalid"),
        ("a: is required", "a: is required", "FieldValueRequired"),
    ],
)
def test_words_and_reasons(line: str, text: str, reason: str) -> None:
    assert line == text
    assert complaint.reason_of(line.partition(": ")[2]) == reason
