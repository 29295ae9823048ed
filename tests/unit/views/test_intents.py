"""The grammar of the sentences, and what is said about those that are none."""

from __future__ import annotations

import pytest

from tandem.views.intents import Intent, IntentError, Item, Port, parse_intents


def read(sentence: str) -> Intent:
    [intent] = parse_intents(f"namespace: shop\nintents:\n- '{sentence}'\n", "i.yaml")
    return intent


def items(given: tuple[Item, ...]) -> list[tuple[str, str, str]]:
    return [(i.kind, i.namespace, i.name or ",".join("=".join(pair) for pair in i.labels)) for i in given]


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [
        ("may reach", True),
        ("can reach", True),
        ("must reach", True),
        ("reaches", True),
        ("reach", True),
        ("may not reach", False),
        ("must not reach", False),
        ("can not reach", False),
        ("cannot reach", False),
        ("MAY NOT reach", False),
    ],
)
def test_verbs(verb: str, *, allowed: bool) -> None:
    assert read(f"web {verb} db").allowed is allowed


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("web", [("name", "", "web")]),
        ("ops/web", [("name", "ops", "web")]),
        ("pod/web-0", [("pod", "", "web-0")]),
        ("ops/deploy/web", [("deploy", "ops", "web")]),
        ("service/web, svc/b and ns/ops", [("svc", "", "web"), ("svc", "", "b"), ("namespace", "", "ops")]),
        ("namespace ops", [("namespace", "", "ops")]),
        ("app=web", [("labels", "", "app=web")]),
        ("*/app=web,tier=a", [("labels", "*", "app=web,tier=a")]),
        ("pods app=web in ops", [("labels", "ops", "app=web")]),
        ("example.com/part-of=a", [("labels", "", "example.com/part-of=a")]),
        ("10.1.2.3/8", [("cidr", "", "10.0.0.0/8")]),
        ("2001:db8::/32 or 203.0.113.7", [("cidr", "", "2001:db8::/32"), ("cidr", "", "203.0.113.7/32")]),
        ("the internet", [("internet", "", "")]),
        ("internet", [("internet", "", "")]),
    ],
)
def test_names_labels_and_addresses_on_both_sides(words: str, found: list[tuple[str, str, str]]) -> None:
    assert items(read(f"{words} may reach x").source.items) == found
    assert items(read(f"x may reach {words}").destination.items) == found


def test_everybody_within_scopes() -> None:
    who = read("anyone in ops outside legacy except web, app=db may reach x").source
    assert (who.everybody, who.pods_only, who.inside, who.outside) == (True, False, ("ops",), ("legacy",))
    assert items(who.excepts) == [("name", "", "web"), ("labels", "", "app=db")]
    assert read("pods may reach x").source.pods_only
    assert read("x may reach everyone in ops:80").destination.inside == ("ops",)


def test_nobody_turns_the_sentence_round() -> None:
    assert not read("nobody outside shop reaches db").allowed
    assert not read("db may reach nobody").allowed
    assert read("only web may reach db").only


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        ("db:80", [("TCP", 80, 80, "")]),
        ("db:80,443/udp", [("TCP", 80, 80, ""), ("UDP", 443, 443, "")]),
        ("db on 80, 90-95/SCTP and http", [("TCP", 80, 80, ""), ("SCTP", 90, 95, ""), ("TCP", 0, 0, "http")]),
        ("db:53/any", [(p, 53, 53, "") for p in ("TCP", "UDP", "SCTP")]),
        ("db on UDP", [("UDP", 1, 65535, "")]),
        ("the internet:443", [("TCP", 443, 443, "")]),
        ("anyone in shop:dns/UDP", [("UDP", 0, 0, "dns")]),
        ("[2001:db8::1]:443", [("TCP", 443, 443, "")]),
        ("2001:db8::1", []),
    ],
)
def test_ports(words: str, ports: list[tuple[str, int, int, str]]) -> None:
    wanted = tuple(Port(protocol=p, first=first, last=last, name=name) for p, first, last, name in ports)
    assert read(f"web may reach {words}").ports == wanted


@pytest.mark.parametrize(
    ("sentence", "column", "message"),
    [
        ("web may rech db", 8, "may: here should be `may reach` or `may not reach`"),
        ("web", 7, "the end: here should be `may reach`"),
        ("may reach db", 4, "may: here should be a name"),
        ("web may reach", 17, "the end: here should be a name"),
        ("web may reach db twice", 21, "'twice': the sentence should end here"),
        ("web may reach db:0", 21, "0: ports are numbers from 1 to 65535"),
        ("web may reach db:9-8", 21, "9-8: ports are numbers"),
        ("web may reach db:80/ICMP", 21, "80/ICMP: the protocol is TCP, UDP, SCTP or any"),
        ("web may reach db:8080 on 80", 26, "the ports are given already"),
        ("web:80 may reach db", 4, "web:80: ports belong to those who are reached"),
        ("nobody may not reach db", 4, "it says no twice: write `may reach`"),
        ("nobody may reach nobody", 21, "it says no twice: write `anyone`"),
        ("web may reach only db", 18, "only: it stands before those who may reach"),
        ("Web may reach db", 4, "Web: write [NS/]NAME"),
        ("a/b/c may reach db", 4, "a/b/c: write [NS/]NAME"),
        ("a/ns/b may reach db", 4, "a/ns/b: write [NS/]NAME"),
        ("app=web,tier may reach db", 4, "app=web,tier: labels are written key=value"),
        ("anyone in _ may reach db", 14, "_: after in comes the name of a namespace"),
        ("anyone in 9! may reach db", 14, "9!: after in comes the name of a namespace"),
    ],
)
def test_a_mistake_is_told_with_line_and_column(sentence: str, column: int, message: str) -> None:
    with pytest.raises(IntentError) as raised:
        read(sentence)
    assert raised.value.errors[0].startswith(f"i.yaml:3:{column}: "), raised.value
    assert message in raised.value.errors[0]


def test_every_mistake_is_told_at_once_and_bare_text_has_its_column() -> None:
    with pytest.raises(IntentError) as raised:
        parse_intents("intents:\n  - may reach a\n  - b may reach c\n  - b may rech c\n", "i.yaml")
    assert [e.partition(": ")[0] for e in raised.value.errors] == ["i.yaml:2:5", "i.yaml:4:7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "i.yaml:1:1: write `intents:` and a list of sentences"),
        ("- a may reach b", "i.yaml:1:1: write `intents:`"),
        ("intents: []", "i.yaml:1:1: intents: there is no sentence"),
        ("intents: web may reach db", "i.yaml:1:10: intents: it is not of this form"),
        ("intents: [{a: b}]", "i.yaml:1:11: a sentence is text on one line"),
        ("intents:\n- |\n  web may reach db", "i.yaml:2:3: a sentence is text on one line"),
        ("namespace: [a]\nintents: [a may reach b]", "i.yaml:1:12: namespace: it is not of this form"),
        ("intent: [a may reach b]", "i.yaml:1:1: intent: known are namespace and intents"),
        ("intents: [a", "i.yaml:1:12: expected ',' or ']'"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(IntentError) as raised:
        parse_intents(text, "i.yaml")
    assert str(raised.value).startswith(message)


def test_without_a_namespace_it_is_default() -> None:
    assert parse_intents("intents: [a may reach b]", "i.yaml")[0].namespace == "default"
