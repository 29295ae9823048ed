"""Programs and ports over WebSocket, by a client library: as kubectl from 1.31 does, and other languages."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from answering import answering
from apiserving import TOKEN
from onepod import OnePod, one_pod
from spdyclient import Client, data, frames
from tandem.base.netns import in_netns
from tandem.base.paths import RunDir

pytestmark = pytest.mark.root

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
SUCCESS = {"metadata": {}, "status": "Success"}


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnePod]:
    with one_pod(tmp_path_factory.mktemp("pod")) as made:
        yield made


def asked(pod: OnePod, query: str, *subprotocols: str, what: str = "exec", token: bytes = TOKEN.reveal()) -> Any:
    url, context, authorization = place(pod, what, token)
    return connect(
        f"{url}?{query}",
        ssl=context,
        additional_headers={"Authorization": authorization},
        subprotocols=subprotocols or None,
        open_timeout=30,
    )


def place(pod: OnePod, what: str, token: bytes = TOKEN.reveal()) -> tuple[str, ssl.SSLContext, str]:
    """The URL of a subresource, whom to trust there, and the credentials."""
    cluster = yaml.safe_load(pod.server.kubeconfig.read_text())["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    # The client writes and reads in two threads. With TLS 1.3 the server sends tickets after the handshake, and OpenSSL
    # must not read those while it writes.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    url = f"{cluster['server'].replace('https', 'wss')}/api/v1/namespaces/default/pods/web-0/{what}"
    return url, context, f"Bearer {token.decode()}"


def told(connection: ClientConnection) -> tuple[bytes, bytes, dict[str, Any]]:
    """Standard output, standard error and the status, to the end."""
    channels = {1: b"", 2: b"", 3: b""}
    for message in connection:
        assert isinstance(message, bytes)
        channels[message[0]] += message[1:]
    assert connection.close_code == 1000
    return channels[1], channels[2], json.loads(channels[3])


@pytest.mark.parametrize("version", [V4, V5])
def test_output_and_status(pod: OnePod, version: str) -> None:
    query = "container=app&command=sh&command=-c&command=echo+out;+echo+bad+>%262;+exit+3&stdout=1&stderr=1"
    with asked(pod, query, version) as connection:
        assert connection.subprotocol == version
        out, err, status = told(connection)
    assert (out, err, status["reason"]) == (b"out\n", b"bad\n", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_the_client_chooses_the_version(pod: OnePod) -> None:
    with asked(pod, "container=app&command=true&stdout=1", "v9.channel.k8s.io", V4, V5) as connection:
        assert connection.subprotocol == V4
        assert told(connection) == (b"", b"", SUCCESS)


def test_version_5_has_an_end_of_standard_input_and_messages_may_come_in_fragments(pod: OnePod) -> None:
    with asked(pod, "container=app&command=cat&stdin=1&stdout=1", V5) as connection:
        assert connection.recv() == b"\x01"
        connection.send(b"\x00one ")
        connection.send([b"\x00", b"two ", b"three"])
        connection.send(b"\x00" + b"x" * 3_000_000)
        connection.send(b"\xff\x00")
        assert told(connection) == (b"one two three" + b"x" * 3_000_000, b"", SUCCESS)


def test_version_4_feeds_a_program_that_knows_when_to_stop(pod: OnePod) -> None:
    with asked(pod, "container=app&command=head&command=-n1&stdin=true&stdout=true", V4) as connection:
        connection.send(b"\x00line\nmore\n")
        assert told(connection) == (b"line\n", b"", SUCCESS)


def test_a_terminal_has_one_output_and_a_size(pod: OnePod) -> None:
    script = "until+[+%22$(stty+size)%22+=+'24+80'+];+do+sleep+0.05;+done;+stty+size+>%262"
    query = f"container=app&command=sh&command=-c&command={script}&stdin=1&stdout=1&stderr=1&tty=1"
    with asked(pod, query, V5) as connection:
        connection.send(b'\x04{"Width":80,"Height":24}')
        assert told(connection) == (b"24 80\r\n", b"", SUCCESS)


@pytest.mark.parametrize(
    ("query", "subprotocols", "code", "why"),
    [
        ("container=app&command=true&stdout=1", ["v9.channel.k8s.io"], 403, "server accepts ['v5.channel.k8s.io',"),
        ("container=app&command=true&stdout=1", [], 403, "client supports []"),
        ("container=app&command=true", [V5], 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("container=no&command=true&stdout=1", [V5], 400, "container no is not valid for pod web-0"),
    ],
)
def test_a_refusal_is_a_status_before_the_upgrade(
    pod: OnePod, query: str, subprotocols: list[str], code: int, why: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        asked(pod, query, *subprotocols)
    assert refused.value.response.status_code == code
    status = json.loads(refused.value.response.body or b"")
    assert (status["kind"], status["code"]) == ("Status", code)
    assert why in status["message"]


@pytest.mark.parametrize("version", [V4, V5])
def test_who_attaches_is_shown_what_the_containers_own_process_writes(pod: OnePod, version: str) -> None:
    with answering(RunDir(pod.server.directory).node("node-1"), pod.uid):
        with asked(pod, "container=app&stdin=1&stdout=1&stderr=1", version, what="attach") as connection:
            assert connection.subprotocol == version
            assert connection.recv() == b"\x01"
            connection.send(b"\x00one\ntwo\n")
            shown = b""
            while b"got two, " not in shown:
                shown += bytes(connection.recv(timeout=20))[1:]
            assert shown == b"got one, got two, "
            if version == V5:
                connection.send(b"\xff\x00")
                assert connection.recv(timeout=20) == b"\x01end"
        with asked(pod, "container=app&stdin=1&stdout=1", version, what="attach") as late:
            out, _, status = told(late)
            assert (out, status["code"]) == (b"", 500)
            assert "error attaching to container: container app has no standard input any more" in status["message"]


def test_without_a_runtime_nobody_attaches(pod: OnePod) -> None:
    with asked(pod, "container=app&stdout=1", V5, what="attach") as connection:
        _, _, status = told(connection)
    assert "the node's runtime does not answer" in status["message"]


def test_without_the_token_nothing_runs(pod: OnePod) -> None:
    with pytest.raises(InvalidStatus) as refused:
        asked(pod, "container=app&command=true&stdout=1", V5, token=b"another")
    assert refused.value.response.status_code == 401


@pytest.fixture
def echo(pod: OnePod) -> Iterator[int]:
    """A port of the pod where what is said first comes back."""
    listening: socket.socket = in_netns(
        f"/proc/{pod.process.pid}/ns/net", lambda: socket.create_server(("::1", 0), family=socket.AF_INET6)
    )

    def serve() -> None:
        with contextlib.suppress(TimeoutError):
            connection, _ = listening.accept()
            with connection:
                connection.sendall(connection.recv(100))

    listening.settimeout(20)
    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    thread.join()
    listening.close()


def test_ports_have_two_channels_each(pod: OnePod, echo: int) -> None:
    with asked(pod, f"ports={echo},1", V4, what="portforward") as connection:
        first = [connection.recv() for _ in range(4)]
        numbers = [struct.pack("<H", port) for port in (echo, echo, 1, 1)]
        assert first == [bytes([channel]) + number for channel, number in enumerate(numbers)]
        connection.send(b"\x00hello")
        rest = sorted(connection)
    assert rest[0] == b"\x00hello"
    assert rest[1].startswith(b"\x03error forwarding port 1 to pod web-0")


def test_spdy_goes_through_a_tunnel(pod: OnePod, echo: int) -> None:
    client, got = Client(), b""
    pair = {"port": str(echo), "requestID": "0"}
    opened = client.opens(1, {"streamType": "error", **pair}) + client.opens(3, {"streamType": "data", **pair})
    url, context, authorization = place(pod, "portforward")
    target = parse_uri(url)
    # Its name has a slash, which the library does not let a client ask for: the request is made by hand.
    head = (
        f"GET {target.path} HTTP/1.1\r\nHost: {target.host}\r\nAuthorization: {authorization}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\nSec-WebSocket-Protocol: {TUNNEL}\r\n\r\n"
    )
    plain = socket.create_connection((target.host, target.port), timeout=30)
    with context.wrap_socket(plain, server_hostname=target.host) as connection:
        connection.sendall(head.encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Protocol: {TUNNEL}\r\n".encode() in answer
        protocol = ClientProtocol(target, state=State.OPEN)
        protocol.send_binary(opened[:20])
        protocol.send_binary(opened[20:] + data(3, b"hello"))
        connection.sendall(b"".join(protocol.data_to_send()))
        while sum(frame.ends for frame in frames(got)) < 2:
            protocol.receive_data(connection.recv(65536))
            got += b"".join(bytes(event.data) for event in protocol.events_received())
    assert b"".join(f.body for f in frames(got) if (f.kind, f.stream) == (0, 3)) == b"hello"
