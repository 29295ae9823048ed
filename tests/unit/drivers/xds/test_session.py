"""Both ends of the protocol on a fake wire: whatever happens on the way, the client ends with what is wanted.

The conversations, step by step, are in tests/playbook/test_xds_session.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from tandem.drivers.xds.client_session import ClientSession, Update
from tandem.drivers.xds.messages import Action, Encoded, Request, Response
from tandem.drivers.xds.session import Session

URL = "t/pod"
NAMES = ("a", "b", "c")


class Wire:
    """A client and a server; messages wait until they are delivered, a reconnect loses them."""

    def __init__(self) -> None:
        self.client = ClientSession("n1", (URL,))
        self.wanted: dict[str, Encoded] = {}
        self.applied: dict[str, str] = {}
        self.unanswered: deque[Update] = deque()
        self.connect()

    def connect(self) -> None:
        self.server = Session((URL,))
        self.up: deque[Request] = deque(self.client.on_connect())
        self.down: deque[Response] = deque()
        self.keep(self.server.on_wanted({URL: self.wanted}))

    def keep(self, actions: Sequence[Action]) -> None:
        self.down.extend(a for a in actions if isinstance(a, Response))

    def publish(self, versions: dict[str, int]) -> None:
        self.wanted = {n: Encoded(n, str(v), b"") for n, v in versions.items()}
        self.keep(self.server.on_wanted({URL: self.wanted}))

    def deliver(self) -> None:
        if self.up:
            self.keep(self.server.on_request(self.up.popleft()))
        if self.down and (update := self.client.on_response(self.down.popleft())) is not None:
            self.applied.update({n: v for n, (v, _) in update.resources.items()})
            for name in update.removed:
                self.applied.pop(name, None)
            self.unanswered.append(update)

    def answer(self, *, refuse: bool = False) -> None:
        if self.unanswered:
            update = self.unanswered.popleft()
            errors = dict.fromkeys(sorted(update.resources)[:1], "no") if refuse else {}
            request = self.client.nack(update.nonce, errors)
            if request is not None:
                self.up.append(request)

    def settle(self) -> None:
        while self.up or self.down or self.unanswered:
            self.deliver()
            self.answer()


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3))),
    st.tuples(st.sampled_from(["deliver", "deliver", "answer", "refuse", "reconnect"]), st.none()),
)


# A removal that was delivered and not answered, and then the same version again on a new stream.
@example(
    [
        ("publish", {"a": 1}),
        ("deliver", None),
        ("publish", {}),
        ("deliver", None),
        ("answer", None),
        ("publish", {"a": 1}),
        ("reconnect", None),
    ]
)
@given(st.lists(STEPS, max_size=40))
def test_the_client_ends_with_what_is_wanted(steps: list[tuple[str, dict[str, int] | None]]) -> None:
    wire = Wire()
    for step, versions in steps:
        match step:
            case "publish":
                wire.publish(versions or {})
            case "deliver":
                wire.deliver()
            case "answer":
                wire.answer()
            case "refuse":
                wire.answer(refuse=True)
            case _:
                wire.connect()
    wire.settle()
    assert wire.applied == {n: e.version for n, e in wire.wanted.items()}
    wire.connect()
    wire.settle()
    assert wire.server.accepted(URL) == wire.applied


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3)))
def test_a_settled_client_is_sent_nothing_after_a_reconnect(versions: dict[str, int]) -> None:
    wire = Wire()
    wire.publish(versions)
    wire.settle()
    wire.connect()
    while wire.up:
        wire.keep(wire.server.on_request(wire.up.popleft()))
    assert [(r.resources, r.removed) for r in wire.down] == [((), ())]
