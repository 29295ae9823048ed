"""The book of publications: when is an object in force?"""

from __future__ import annotations

from tandem.runtime.ledger import Ledger, Sent

OBJECT = ("VirtualService", "shop", "my-service")
KEY = ("t.RouteTable", "shop/my-service")


def ledger() -> Ledger:
    book = Ledger()
    book.connection("n1", up=True)
    book.sent("n1", {KEY: Sent(version="1", objects=frozenset({OBJECT}))})
    return book


def test_an_object_waits_until_its_node_has_acknowledged() -> None:
    book = ledger()
    assert book.programmed()[OBJECT].message == "waiting for node n1"
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.programmed()[OBJECT].ok


def test_an_acknowledgement_of_an_older_version_does_not_count() -> None:
    book = ledger()
    book.sent("n1", {KEY: Sent(version="2", objects=frozenset({OBJECT}))})
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert not book.programmed()[OBJECT].ok
    assert not book.settled("n1")


def test_a_refusal_is_told_in_the_nodes_own_words_and_outranks_a_wait() -> None:
    book = ledger()
    book.sent("n2", {KEY: Sent(version="1", objects=frozenset({OBJECT}))})
    book.refuse("n1", KEY[0], {KEY[1]: ("1", "bad regex")})
    assert book.programmed()[OBJECT].message == "refused by node n1: bad regex"


def test_every_concerned_node_must_acknowledge() -> None:
    book = ledger()
    book.sent("n2", {KEY: Sent(version="1", objects=frozenset({OBJECT}))})
    book.accept("n1", KEY[0], {KEY[1]: "1"})
    assert book.programmed()[OBJECT].message == "node n2 is not connected"
    book.forget(["n2"])
    assert book.programmed()[OBJECT].ok


def test_a_refusal_of_a_superseded_version_is_forgotten() -> None:
    book = ledger()
    book.refuse("n1", KEY[0], {KEY[1]: ("1", "bad regex")})
    book.sent("n1", {KEY: Sent(version="2", objects=frozenset({OBJECT}))})
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
