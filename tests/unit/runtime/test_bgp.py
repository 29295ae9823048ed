"""The loop between views and a BGP speaker, with a fake one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.drivers.bgp.fake import FakeBgp
from tandem.drivers.bgp.port import BgpError, Session
from tandem.ir.network import Bgp, BgpPeer, Network, Password
from tandem.ir.node import NodeView
from tandem.runtime import bgp
from tandem.runtime.bgp import BgpLoop
from tandem.state.bgp import BgpSpeaker
from unit.compile.fabric.fabricviews import node, view
from unit.runtime.looping import Looping

MESH = Network(bgp=Bgp(as_number=64512))
TWO, THREE = view(node(2), network=MESH), view(node(2), node(3), network=MESH)
NONE = view(node(2))
LOCKED = "192.0.2.254"


def locked(version: str) -> NodeView:
    """A router whose session must have a password."""
    password = Password(source="net/bgp", key="router", version=version)
    peer = BgpPeer(address=LOCKED, as_number=65000, password=password)
    return view(network=Network(bgp=Bgp(as_number=64512, node_mesh=False, peers=(peer,))))


class FakeServer:
    def __init__(self) -> None:
        self.started: Cell[int] = Cell(0)
        self.wanted: BgpSpeaker | None = None
        self.trouble = ""

    def want(self, speaker: BgpSpeaker | None) -> None:
        self.wanted = speaker


class Lab(Looping):
    def __init__(self, runner: asyncio.Runner) -> None:
        super().__init__(runner)
        self.server, self.driver, self.clock = FakeServer(), FakeBgp(), FixedClock()
        self.passwords: dict[str, Secret] | DriverError = {}
        self.asked = 0
        self.loop = BgpLoop(self.server, self.driver, self.ask, self.clock)

    async def ask(self) -> dict[str, Secret]:
        self.asked += 1
        if isinstance(self.passwords, DriverError):
            raise self.passwords
        return self.passwords

    def start(self) -> None:
        self.server.started.put(self.server.started.value + 1)

    def pass_time(self) -> None:
        self.clock.advance(bgp.PATIENCE)

    def tell(self, state: str, **parts: object) -> None:
        assert self.server.wanted is not None
        for peer in self.server.wanted.peers:
            self.driver.tell(Session(name=peer.name, state=state, **parts))  # type: ignore[arg-type]

    def spoken(self) -> bool:
        return self.driver.speaker is not None and self.driver.speaker == self.server.wanted

    def play(self, *steps: Callable[[], object]) -> None:
        self.run(self.loop.run, steps)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgp, "LOOK_SECONDS", 0.01)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        yield Lab(runner)


def test_a_speaker_that_started_is_told_and_told_again_when_its_view_changes(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lambda: lab.server.wanted is not None, lab.start, lab.spoken)
    assert lab.driver.configured == 1
    lab.play(lambda: lab.put(THREE), lambda: lab.spoken() and len(lab.loop.sessions()) == 2)
    assert lab.driver.configured == 2


def test_another_process_is_told_although_nothing_changed(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lab.start, lab.spoken, lab.start, lambda: lab.driver.configured == 2)


def test_without_bgp_there_is_no_speaker_and_nothing_to_show(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lab.start, lab.spoken, lambda: lab.put(NONE), lambda: lab.server.wanted is None)
    assert (lab.loop.sessions(), lab.loop.failed) == ([], {})


def test_sessions_are_shown_by_the_name_of_the_peer(lab: Lab) -> None:
    def shown() -> bool:
        lab.tell("Established", accepted=1, announced=2)
        return any(s["state"] == "Established" for s in lab.loop.sessions())

    lab.play(lambda: lab.put(TWO), lab.start, lab.spoken, shown)
    assert lab.loop.sessions() == [
        {
            "peer": "node node-2",
            "address": "192.0.2.2",
            "asNumber": 64512,
            "state": "Established",
            "accepted": 1,
            "refused": 0,
            "announced": 2,
            "error": "",
        }
    ]


def test_a_session_that_is_not_up_is_a_problem_after_a_while_and_no_more_once_it_is(lab: Lab) -> None:
    lab.play(
        lambda: lab.put(TWO),
        lab.start,
        lab.spoken,
        lambda: lab.tell("Active", error="Socket: Connection refused"),
        lambda: "refused" in str(lab.loop.sessions()),
    )
    assert lab.loop.failed == {}
    lab.play(lab.pass_time, lambda: bool(lab.loop.failed))
    assert list(lab.loop.failed.values()) == [
        "no BGP session with node node-2 (192.0.2.2): Active (Socket: Connection refused)"
    ]
    lab.play(lambda: lab.tell("Established"), lambda: not lab.loop.failed)


def test_a_port_that_is_taken_is_told_at_once_and_tried_again(lab: Lab) -> None:
    lab.play(
        lambda: lab.put(TWO),
        lab.start,
        lab.spoken,
        lambda: lab.tell("Down", error="Error: No listening socket"),
        lambda: bool(lab.loop.failed) and lab.driver.configured > 2,
    )
    assert list(lab.loop.failed.values()) == ["BGP cannot listen at 192.0.2.1 port 179: another process does"]


def test_a_speaker_that_does_not_start_is_a_problem(lab: Lab) -> None:
    lab.server.trouble = "the program bird is missing: apt-get install bird2"
    lab.play(lambda: lab.put(TWO), lambda: lab.server.wanted is not None)
    lab.play(lab.pass_time, lambda: bool(lab.loop.failed))
    assert list(lab.loop.failed.values()) == [f"the BGP speaker is not up: {lab.server.trouble}"]
    assert lab.loop.silent == tuple(lab.loop.failed.values())


def test_what_it_refuses_is_a_problem_after_a_while_and_tried_again(lab: Lab) -> None:
    def refuse() -> bool:
        lab.driver.fail_next(BgpError("configure: line 3: syntax error"))
        lab.pass_time()
        return "bgp" in lab.loop.failed

    lab.play(lambda: lab.put(TWO), lab.start, refuse)
    assert "syntax error" in lab.loop.failed["bgp"]
    lab.play(lab.spoken, lambda: "bgp" not in lab.loop.failed)


def test_a_session_with_a_password_begins_when_it_is_known(lab: Lab) -> None:
    lab.passwords = {LOCKED: Secret(b"geheim"), "192.0.2.7": Secret(b"not ours")}
    lab.play(lambda: lab.put(locked("1")), lab.start, lab.spoken, lambda: len(lab.loop.sessions()) == 1)
    assert lab.server.wanted is not None
    [peer] = lab.server.wanted.peers
    assert peer.password is not None
    assert peer.password.reveal() == b"geheim"
    assert lab.asked == 1
    assert "geheim" not in f"{lab.loop.sessions()} {lab.server.wanted}"


def test_another_version_of_the_secret_is_asked_for_again(lab: Lab) -> None:
    lab.passwords = {LOCKED: Secret(b"geheim")}
    lab.play(lambda: lab.put(locked("1")), lab.start, lab.spoken)
    lab.passwords = {LOCKED: Secret(b"other")}
    lab.play(lambda: lab.put(locked("2")), lambda: lab.asked == 2, lab.spoken)
    assert lab.server.wanted is not None
    assert [p.password.reveal() for p in lab.server.wanted.peers if p.password] == [b"other"]


def test_without_its_password_a_session_is_left_out_and_told(lab: Lab) -> None:
    lab.passwords = DriverError("control is away")
    lab.play(lambda: lab.put(locked("1")), lab.start, lab.spoken, lambda: bool(lab.loop.failed))
    assert lab.server.wanted is not None
    assert lab.server.wanted.peers == ()
    assert lab.loop.silent == ()
    assert next(iter(lab.loop.failed.values())).startswith(
        f"no BGP session with {LOCKED}: it must have the password 'router' of Secret net/bgp, which is not there"
    )
    lab.passwords = {LOCKED: Secret(b"geheim")}
    lab.play(lambda: len(lab.loop.sessions()) == 1, lambda: not lab.loop.failed)
