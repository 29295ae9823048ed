"""The signing call."""

from __future__ import annotations

import pytest

from tandem.drivers.ca.wire import SignRequest, SignResponse, decode_request, decode_response, encode


def test_messages_survive_the_wire() -> None:
    request, response = SignRequest(csr="c"), SignResponse(chain="x", signer="s")
    assert decode_request(encode(request)) == request
    assert decode_response(encode(response)) == response


def test_other_bytes_are_an_error_of_value() -> None:
    with pytest.raises(ValueError, match="csr"):
        decode_request(b"{}")
