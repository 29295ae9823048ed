"""Status objects -> errors."""

from __future__ import annotations

import pytest

from tandem.ingest.errors import AlreadyExists, ApiError, Conflict, Gone, NotFound, from_status


@pytest.mark.parametrize(
    ("code", "reason", "cls"),
    [
        (404, "NotFound", NotFound),
        (404, "", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (422, "Invalid", ApiError),
        (500, "", ApiError),
    ],
)
def test_the_class_follows_code_and_reason(code: int, reason: str, cls: type[ApiError]) -> None:
    err = from_status(code, {"reason": reason, "message": "words"})
    assert type(err) is cls
    assert (err.status, str(err)) == (code, "words")


def test_an_answer_without_a_message_still_says_something() -> None:
    assert str(from_status(502, {})) == "HTTP status 502"
