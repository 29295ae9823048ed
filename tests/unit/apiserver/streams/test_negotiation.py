"""What a connection goes on with; tests/contract/test_exec_websocket.py has the requests for a WebSocket."""

from __future__ import annotations

import pytest

from tandem.apiserver.errors import Refusal
from tandem.apiserver.streams.negotiation import Upgrade, upgrade
from upgrades import SPDY, asking

KNOWN = ("v5", "v4")


VERSION = "x-stream-protocol-version"


def chosen(headers: dict[str, str]) -> Upgrade:
    return upgrade(asking({**SPDY, **headers}), sockets=(), spdy=KNOWN)


def test_the_client_chooses_among_what_is_known() -> None:
    assert chosen({VERSION: "v9, v4,v5"}).subprotocol == "v4"


def test_spdy_is_answered_with_the_protocol_of_its_streams() -> None:
    assert chosen({VERSION: "v5"}).head == (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        b"X-Stream-Protocol-Version: v5\r\n\r\n"
    )


@pytest.mark.parametrize("headers", [{}, {VERSION: "v3"}])
def test_without_a_common_protocol_the_refusal_names_ours(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal, match=r"server accepts \['v5', 'v4'\]") as refused:
        chosen(headers)
    assert refused.value.code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"connection": "keep-alive", "upgrade": "SPDY/3.1"}, {"connection": "upgrade", "upgrade": "h2c"}],
)
def test_a_request_for_no_upgrade_that_is_known_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="Upgrade request required") as refused:
        upgrade(asking(headers), sockets=KNOWN, spdy=KNOWN)
    assert refused.value.code == 400


def test_a_server_that_cannot_hand_over_says_so() -> None:
    with pytest.raises(Refusal, match="Upgrade request required"):
        upgrade(asking({**SPDY, VERSION: "v4"}, server=False), sockets=KNOWN, spdy=KNOWN)
