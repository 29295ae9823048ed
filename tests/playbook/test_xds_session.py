"""Delta-xDS server session: each test is a conversation, step by step."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.drivers.xds.messages import Accepted, Action, Encoded, Refused, Request, Response
from tandem.drivers.xds.session import Session

CDS, EDS, LDS, RDS = "t/cluster", "t/endpoint", "t/listener", "t/route"
ORDER = (CDS, EDS, LDS, RDS)


def want(**versions: str) -> dict[str, Encoded]:
    return {n: Encoded(n, v, f"{n}={v}".encode()) for n, v in versions.items()}


def ask(url: str, *names: str, has: Mapping[str, str] | None = None) -> Request:
    return Request(type_url=url, subscribe=names, initial_versions=has or {})


def ack(url: str, nonce: str) -> Request:
    return Request(type_url=url, nonce=nonce)


def nack(url: str, nonce: str, error: str) -> Request:
    return Request(type_url=url, nonce=nonce, error=error)


def sent(actions: list[Action]) -> list[tuple[str, list[str], list[str]]]:
    """(type, names with versions, removed) of each response among the actions."""
    return [
        (a.type_url, [f"{r.name}@{r.version}" for r in a.resources], list(a.removed))
        for a in actions
        if isinstance(a, Response)
    ]


def subscribed(**versions: str) -> Session:
    """A session whose client has been sent these clusters in nonce 1."""
    session = Session(ORDER)
    session.on_wanted({CDS: want(**versions)})
    session.on_request(ask(CDS))
    return session


def test_nothing_is_answered_before_the_first_publication() -> None:
    session = Session(ORDER)
    assert session.on_request(ask(CDS)) == []
    assert sent(session.on_wanted({CDS: want(a="1")})) == [(CDS, ["a@1"], [])]


def test_each_type_is_held_until_it_is_known() -> None:
    session = Session(ORDER)
    session.on_wanted({CDS: want(a="1")})
    assert session.on_request(ask(LDS)) == []
    assert sent(session.on_wanted({LDS: want(l="1")})) == [(LDS, ["l@1"], [])]


def test_a_wildcard_subscription_is_answered_even_with_nothing() -> None:
    session = Session(ORDER)
    session.on_wanted({CDS: {}})
    assert sent(session.on_request(ask(CDS))) == [(CDS, [], [])]
    assert session.on_request(ack(CDS, "1")) == [Accepted(type_url=CDS, versions={})]
    assert session.on_wanted({CDS: {}}) == []


def test_a_type_outside_of_the_order_is_answered_as_empty_once_anything_was_published() -> None:
    session = Session(ORDER)
    session.on_wanted({CDS: {}})
    assert sent(session.on_request(ask("t/other", "x"))) == [("t/other", [], ["x"])]


def test_an_ack_says_which_versions_are_in_force() -> None:
    session = subscribed(a="1", b="7")
    assert session.accepted(CDS) == {}
    assert session.on_request(ack(CDS, "1")) == [Accepted(type_url=CDS, versions={"a": "1", "b": "7"})]
    assert session.accepted(CDS) == {"a": "1", "b": "7"}


def test_only_what_changed_is_sent() -> None:
    session = subscribed(a="1", b="1")
    assert sent(session.on_wanted({CDS: want(a="1", b="2", c="1")})) == [(CDS, ["b@2", "c@1"], [])]


def test_several_responses_may_be_outstanding_and_are_acknowledged_one_by_one() -> None:
    session = subscribed(a="1")
    session.on_wanted({CDS: want(a="2")})
    assert session.on_request(ack(CDS, "2")) == [Accepted(type_url=CDS, versions={"a": "2"})]
    session.on_wanted({CDS: want(a="2", b="1")})
    assert session.on_request(ack(CDS, "3")) == [Accepted(type_url=CDS, versions={"b": "1"})]


def test_new_resources_go_out_in_order_and_removals_in_reverse_after_them() -> None:
    session = Session(ORDER)
    session.on_wanted({url: want(old="1") for url in ORDER})
    for url in reversed(ORDER):
        session.on_request(ask(url))
    got = sent(session.on_wanted({url: want(new="1") for url in reversed(ORDER)}))
    assert got == [(url, ["new@1"], []) for url in ORDER] + [(url, [], ["old"]) for url in reversed(ORDER)]


def test_a_nack_of_one_resource_refuses_it_and_is_not_repeated_until_it_changes() -> None:
    session = subscribed(a="1")
    assert session.on_request(nack(CDS, "1", "bad cluster")) == [
        Refused(type_url=CDS, errors={"a": ("1", "bad cluster")})
    ]
    assert session.on_wanted({CDS: want(a="1")}) == []
    assert sent(session.on_wanted({CDS: want(a="2")})) == [(CDS, ["a@2"], [])]


def test_a_nack_that_names_its_culprits_accepts_the_rest() -> None:
    session = subscribed(a="1", b="1", c="1")
    text = "Error adding/updating listener(s) a: no such filter, really: none\nc: address in use\n"
    assert session.on_request(nack(CDS, "1", text)) == [
        Accepted(type_url=CDS, versions={"b": "1"}),
        Refused(type_url=CDS, errors={"a": ("1", "no such filter, really: none"), "c": ("1", "address in use")}),
    ]


def test_on_our_own_hop_errors_are_json() -> None:
    session = subscribed(a="1", b="1")
    assert session.on_request(nack(CDS, "1", '{"errors":{"b":"kernel said no"}}')) == [
        Accepted(type_url=CDS, versions={"a": "1"}),
        Refused(type_url=CDS, errors={"b": ("1", "kernel said no")}),
    ]


def test_a_nack_that_names_nobody_is_settled_by_sending_each_alone() -> None:
    session = subscribed(a="1", b="1")
    assert sent(session.on_request(nack(CDS, "1", "something is wrong"))) == [
        (CDS, ["a@1"], []),
        (CDS, ["b@1"], []),
    ]
    assert session.on_request(ack(CDS, "2")) == [Accepted(type_url=CDS, versions={"a": "1"})]
    assert session.on_request(nack(CDS, "3", "something is wrong")) == [
        Refused(type_url=CDS, errors={"b": ("1", "something is wrong")})
    ]


def test_names_beyond_a_cut_error_text_are_sent_again_alone() -> None:
    session = subscribed(a="1", b="1")
    actions = session.on_request(nack(CDS, "1", "Error adding/updating cluster(s) a: bad...(truncated)"))
    assert sent(actions) == [(CDS, ["b@1"], [])]
    assert isinstance(actions[-1], Refused)


def test_a_refused_new_version_leaves_the_old_one_in_force() -> None:
    session = subscribed(a="1")
    session.on_request(ack(CDS, "1"))
    session.on_wanted({CDS: want(a="2")})
    session.on_request(nack(CDS, "2", "no"))
    assert session.accepted(CDS) == {"a": "1"}
    assert sent(session.on_wanted({CDS: {}})) == [(CDS, [], ["a"])]


def test_a_stale_nonce_changes_nothing() -> None:
    session = subscribed(a="1")
    session.on_request(ack(CDS, "1"))
    assert session.on_request(ack(CDS, "1")) == []
    assert session.on_request(nack(CDS, "99", "who?")) == []
    assert session.accepted(CDS) == {"a": "1"}


def test_after_a_reconnect_only_differences_are_sent() -> None:
    session = Session(ORDER)
    session.on_wanted({CDS: want(same="1", changed="2", new="1")})
    actions = session.on_request(ask(CDS, has={"same": "1", "changed": "1", "gone": "1"}))
    assert sent(actions) == [(CDS, ["changed@2", "new@1"], ["gone"])]
    assert actions[0] == Accepted(type_url=CDS, versions={"same": "1", "changed": "1", "gone": "1"})


def test_after_a_reconnect_nothing_is_removed_before_the_first_publication() -> None:
    session = Session(ORDER)
    assert sent(session.on_request(ask(CDS, has={"a": "1"}))) == []
    assert sent(session.on_wanted({CDS: {}})) == [(CDS, [], ["a"])]


def test_a_reconnect_by_name_with_the_same_versions_is_not_answered() -> None:
    session = Session(ORDER)
    session.on_wanted({EDS: want(a="1", b="1")})
    assert sent(session.on_request(ask(EDS, "a", has={"a": "1"}))) == []


def test_only_subscribed_names_are_sent() -> None:
    session = Session(ORDER)
    session.on_wanted({EDS: want(a="1", b="1")})
    assert sent(session.on_request(ask(EDS, "a"))) == [(EDS, ["a@1"], [])]
    assert sent(session.on_wanted({EDS: want(a="1", b="2")})) == []


def test_an_unknown_name_is_answered_as_removed_and_sent_when_it_appears() -> None:
    session = Session(ORDER)
    session.on_wanted({EDS: {}})
    assert sent(session.on_request(ask(EDS, "late"))) == [(EDS, [], ["late"])]
    assert session.on_wanted({EDS: {}}) == []
    assert sent(session.on_wanted({EDS: want(late="1")})) == [(EDS, ["late@1"], [])]


def test_a_name_that_vanishes_is_removed_and_may_come_back() -> None:
    session = Session(ORDER)
    session.on_wanted({EDS: want(a="1")})
    session.on_request(ask(EDS, "a"))
    assert sent(session.on_wanted({EDS: {}})) == [(EDS, [], ["a"])]
    assert sent(session.on_wanted({EDS: want(a="1")})) == [(EDS, ["a@1"], [])]


def test_asking_again_for_a_name_is_answered_again() -> None:
    session = Session(ORDER)
    session.on_wanted({EDS: want(a="1")})
    session.on_request(ask(EDS, "a"))
    assert sent(session.on_request(ask(EDS, "a"))) == [(EDS, ["a@1"], [])]


def test_an_unsubscribed_name_is_neither_sent_nor_removed() -> None:
    session = Session(ORDER)
    session.on_wanted({EDS: want(a="1")})
    session.on_request(ask(EDS, "a"))
    session.on_request(ack(EDS, "1"))
    assert session.on_request(Request(type_url=EDS, unsubscribe=("a",))) == []
    assert session.on_wanted({EDS: want(a="2")}) == []
    assert session.on_wanted({EDS: {}}) == []
    assert session.accepted(EDS) == {}


def test_a_name_beside_the_wildcard_is_answered_too() -> None:
    session = subscribed(a="1")
    assert sent(session.on_request(ask(CDS, "on-demand"))) == [(CDS, [], ["on-demand"])]
    assert sent(session.on_wanted({CDS: want(a="1", **{"on-demand": "1"})})) == [(CDS, ["on-demand@1"], [])]


def test_endpoints_are_sent_again_after_their_changed_cluster() -> None:
    session = Session(ORDER, {CDS: EDS})
    session.on_wanted({CDS: want(a="1", b="1"), EDS: want(a="7", b="7")})
    session.on_request(ask(CDS))
    session.on_request(ask(EDS, "a", "b"))
    got = sent(session.on_wanted({CDS: want(a="2", b="1", new="1"), EDS: want(a="7", b="7")}))
    assert got == [(CDS, ["a@2", "new@1"], []), (EDS, ["a@7"], [])]
    assert sent(session.on_wanted({EDS: want(a="7", b="7")})) == []


def test_endpoints_are_sent_again_when_a_cluster_changed_while_away() -> None:
    session = Session(ORDER, {CDS: EDS})
    session.on_wanted({CDS: want(a="2", b="1"), EDS: want(a="7", b="7")})
    assert sent(session.on_request(ask(CDS, has={"a": "1", "b": "1"}))) == [(CDS, ["a@2"], [])]
    got = sent(session.on_request(ask(EDS, "a", "b", has={"a": "7", "b": "7"})))
    assert got == [(EDS, ["a@7"], [])]


def test_a_resource_is_held_until_its_removal_is_acknowledged() -> None:
    session = subscribed(a="1")
    assert session.holds(CDS, "a")
    session.on_request(ack(CDS, "1"))
    session.on_wanted({CDS: {}})
    assert session.holds(CDS, "a")
    assert session.on_request(ack(CDS, "2")) == [Accepted(type_url=CDS, versions={}, removed=("a",))]
    assert not session.holds(CDS, "a")
