"""The book of publications: when is an object in force?"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gatewaybuild import gateway, hosts, listener, port, route
from tandem.base.table import Table
from tandem.ir import wire
from tandem.runtime.ledger import REMEMBERED, Ledger, Programmed, Resources, Sent, keys_of

OBJECT = ("VirtualService", "shop", "my-service")
KEY = ("t.RouteTable", "shop/my-service")


def only(version: str) -> Resources:
    return {KEY[0]: Table({KEY[1]: Sent(KEY[1], version, b"", frozenset({OBJECT}))})}


def ledger() -> Ledger:
    book = Ledger()
    book.connection("n1", up=True)
    book.sent("n1", only("1"))
    return book


def test_an_object_waits_until_its_node_has_acknowledged() -> None:
    book = ledger()
    assert book.programmed()[OBJECT].message == "waiting for node n1"
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.programmed()[OBJECT].ok


def test_an_acknowledgement_of_an_older_version_does_not_count() -> None:
    book = ledger()
    book.sent("n1", only("2"))
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert not book.programmed()[OBJECT].ok
    assert not book.settled("n1")


def test_a_node_has_all_of_a_type_when_it_has_accepted_each_as_it_was_sent() -> None:
    book = ledger()
    assert not book.has_all("n1", KEY[0])
    assert book.has_all("n1", "t.Gateway")
    assert book.has_all("n2", KEY[0])
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.has_all("n1", KEY[0])
    book.sent("n1", only("2"))
    assert not book.has_all("n1", KEY[0])
    book.sent("n1", {KEY[0]: Table()})
    assert book.has_all("n1", KEY[0])


def test_a_refusal_is_told_in_the_nodes_own_words_and_outranks_a_wait() -> None:
    book = ledger()
    book.sent("n2", only("1"))
    book.refuse("n1", KEY[0], {KEY[1]: ("1", "bad regex")})
    assert book.programmed()[OBJECT].message == "refused by node n1: bad regex"


def test_every_concerned_node_must_acknowledge() -> None:
    book = ledger()
    book.sent("n2", only("1"))
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.programmed()[OBJECT].message == "node n2 is not connected"
    book.forget(["n2"])
    assert book.programmed()[OBJECT].ok


def test_a_refusal_of_a_superseded_version_is_forgotten() -> None:
    book = ledger()
    book.refuse("n1", KEY[0], {KEY[1]: ("1", "bad regex")})
    book.sent("n1", only("2"))
    assert book.programmed()[OBJECT].message == "waiting for node n1"


def test_counts_for_status_tell_sent_accepted_and_refused() -> None:
    book = ledger()
    book.refuse("n1", KEY[0], {KEY[1]: ("1", "bad regex")})
    assert book.versions("n1") == (1, 0, ("RouteTable shop/my-service: bad regex",))


def test_an_agent_that_connects_before_its_node_is_registered_stays_connected() -> None:
    book = Ledger()
    book.connection("n1", up=True)
    book.forget(["n1"])
    assert book.connected("n1")


def test_what_concerns_no_node_any_more_is_not_judged() -> None:
    book = ledger()
    book.sent("n1", {KEY[0]: Table()})
    assert book.programmed() == {}
    assert book.verdict(OBJECT) is None


def test_objects_are_taken_once_when_their_verdict_changes() -> None:
    book = ledger()
    assert book.taken() == {OBJECT}
    assert book.taken() == set()
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.taken() == {OBJECT}
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.taken() == set()


EDGE = ("Gateway", "edge", "edge")


def edged(version: str, *more: str, certificates: tuple[str, ...] = ()) -> Resources:
    """A gateway with route `a` and these, as it is sent in a version."""
    made = gateway(
        port(listener("l", "*", hosts("*", *(route(r, f"/{r}") for r in ("a", *more))), certificates=certificates))
    )
    return {KEY[0]: Table({KEY[1]: Sent(KEY[1], version, b"", keys_of(wire.origins(made)), made)})}


def serving() -> Ledger:
    book = Ledger()
    book.connection("n1", up=True)
    book.sent("n1", edged("1"))
    assert not book.programmed()[EDGE].ok
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    return book


def not_in_force(book: Ledger) -> set[str]:
    return {obj[2] for obj, verdict in book.programmed().items() if not verdict.ok}


def test_a_route_on_its_way_is_waited_for_by_itself_alone() -> None:
    book = serving()
    book.taken()
    book.sent("n1", edged("2", "b"))
    assert not_in_force(book) == {"b"}
    assert book.taken() == {("HTTPRoute", "shop", "b")}
    assert not book.settled("n1")
    book.accept("n1", KEY[0], {KEY[1]: "2"})
    assert not_in_force(book) == set()


def test_a_listener_that_is_another_one_is_waited_for() -> None:
    book = serving()
    book.sent("n1", edged("2", certificates=("c",)))
    assert not_in_force(book) == {"edge"}


def test_many_versions_on_their_way_are_compared_with_what_is_in_force() -> None:
    book = serving()
    book.sent("n1", edged("2", "b"))
    book.sent("n1", edged("3", "b", "c"))
    assert not_in_force(book) == {"b", "c"}
    book.accept("n1", KEY[0], {KEY[1]: "2"})
    assert not_in_force(book) == {"c"}
    book.sent("n1", edged("4", "c"))
    assert not_in_force(book) == {"c"}


def test_a_version_that_is_not_remembered_is_waited_for_by_all() -> None:
    book = serving()
    for i in range(2, 4 + REMEMBERED):
        book.sent("n1", edged(str(i), f"r{i}"))
    book.accept("n1", KEY[0], {KEY[1]: "2"})
    assert EDGE[2] in not_in_force(book)


def test_a_refused_route_is_no_fault_of_the_others() -> None:
    book = serving()
    book.sent("n1", edged("2", "b"))
    book.refuse("n1", KEY[0], {KEY[1]: ("2", "bad regex")})
    assert not_in_force(book) == {"b"}
    book.sent("n1", edged("3", "b", certificates=("c",)))
    book.refuse("n1", KEY[0], {KEY[1]: ("3", "bad regex")})
    assert not_in_force(book) == {"b", "edge"}


def test_what_a_node_has_that_went_while_something_was_on_its_way_is_not_known() -> None:
    book = serving()
    book.sent("n1", edged("2", "b"))
    book.connection("n1", up=False)
    assert not_in_force(book) == {"a", "b", "edge"}
    book.connection("n1", up=True)
    book.accept("n1", KEY[0], {KEY[1]: "2"})
    book.sent("n1", edged("3"))
    assert not_in_force(book) == set()


NAMES, NODES, OBJECTS = st.sampled_from("ab"), st.sampled_from(("n1", "n2")), st.frozensets(st.sampled_from("xyz"))
ENTRIES = st.one_of(
    st.tuples(st.just("sent"), NODES, st.dictionaries(NAMES, st.tuples(st.sampled_from("12"), OBJECTS))),
    st.tuples(st.just("accept"), NODES, st.dictionaries(NAMES, st.sampled_from("12"))),
    st.tuples(st.just("refuse"), NODES, st.dictionaries(NAMES, st.sampled_from("12").map(lambda v: (v, "no")))),
    st.tuples(st.just("up"), NODES, st.booleans()),
    st.tuples(st.just("forget"), NODES, st.none()),
)


class Plain:
    """The same book, looked through whole for every question."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
        self.accepted: dict[tuple[str, str], str] = {}
        self.refused: dict[tuple[str, str], str] = {}
        self.up: set[str] = set()

    def enter(self, what: str, node: str, said: Any) -> None:
        entries = {(node, name): value for name, value in said.items()} if isinstance(said, dict) else {}
        if what == "up":
            (self.up.add if said else self.up.discard)(node)
        elif what == "accept":
            self.accepted |= entries
            self.refused = {key: version for key, version in self.refused.items() if key not in entries}
        elif what == "refuse":
            self.refused |= {key: version for key, (version, _) in entries.items()}
        else:
            gone = {key for key in self.sent if key[0] == node} - entries.keys()
            if what == "forget":
                gone = {key for held in (self.sent, self.accepted, self.refused) for key in held if key[0] == node}
            self.sent = {key: value for key, value in self.sent.items() if key[0] != node} | entries
            self.accepted = {key: version for key, version in self.accepted.items() if key not in gone}
            self.refused = {key: version for key, version in self.refused.items() if key not in gone}

    def verdict(self, key: tuple[str, str]) -> str:
        version, node = self.sent[key][0], key[0]
        if self.refused.get(key) == version:
            return f"refused by node {node}: no"
        if self.accepted.get(key) == version:
            return ""
        return f"waiting for node {node}" if node in self.up else f"node {node} is not connected"

    def verdicts(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for key, (_, of) in self.sent.items():
            for obj in of:
                found.setdefault(obj, set()).add(self.verdict(key))
        return found


@given(st.lists(ENTRIES, max_size=12))
def test_the_book_says_what_a_look_at_every_entry_says(story: list[tuple[str, str, Any]]) -> None:
    book, plain = Ledger(), Plain()
    told: dict[str, Programmed] = {}
    for what, node, said in story:
        plain.enter(what, node, said)
        enter(book, what, node, said)
        wanted = plain.verdicts()
        found = {name: verdict for (_, _, name), verdict in book.programmed().items()}
        assert found.keys() == wanted.keys()
        for obj, verdicts in wanted.items():
            refusals = {text for text in verdicts if text.startswith("refused")}
            assert found[obj].ok == (verdicts == {""})
            assert found[obj].message in (refusals or verdicts)
        changed = {name for _, _, name in book.taken()}
        assert {o for o in told.keys() | found.keys() if told.get(o) != found.get(o)} <= changed
        told = found


def enter(book: Ledger, what: str, node: str, said: Any) -> None:
    match what:
        case "sent":
            book.sent(node, {"t": Table((n, Sent(n, v, b"", objects(o))) for n, (v, o) in said.items())})
        case "accept":
            book.accept(node, "t", said)
        case "refuse":
            book.refuse(node, "t", said)
        case "up":
            book.connection(node, up=said)
        case _:
            book.forget([node])


def objects(names: frozenset[str]) -> frozenset[tuple[str, str, str]]:
    return frozenset(("VirtualService", "shop", name) for name in names)
