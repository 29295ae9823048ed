"""Where a chain of iptables drops what it does not know, and our rules at that place: over texts that it printed."""

from __future__ import annotations

import pytest

from tandem.drivers.firewall.chains import Filter, changes, closes, lines, opened, parse, place, remedy
from tandem.drivers.firewall.fake import FakeFirewall
from tandem.state.firewall import Accept

PODS = ("10.244.0.0/24", "fd00::/64")
WANTED = (Accept(matches=("-i", "td+"), why="from pods"), Accept(matches=("-o", "td+"), why="to pods"))
OURS = tuple(
    f'-A FORWARD {way} td+ -m comment --comment "tandem: {what} pods" -j ACCEPT'
    for way, what in (("-i", "from"), ("-o", "to"))
)
DOCKER = (
    "-P INPUT ACCEPT",
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    "-N DOCKER-ISOLATION",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -j DOCKER-ISOLATION",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A DOCKER-USER -j RETURN",
    "-A DOCKER-ISOLATION -i docker0 ! -o docker0 -j DROP",
)
UFW = (
    "-P FORWARD DROP",
    "-N ufw-before-forward",
    "-N ufw-reject-forward",
    "-A FORWARD -j ufw-before-forward",
    "-A FORWARD -j ufw-reject-forward",
    "-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
)
OPEN = "-P FORWARD ACCEPT"


def table(*text: str, version: int = 4, kind: str = "nft") -> Filter:
    return parse("\n".join(text), kind=kind, version=version)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ((OPEN,), None),
        (DOCKER, 3),
        (UFW, 2),
        ((*UFW, "-A ufw-reject-forward -j REJECT --reject-with icmp-port-unreachable"), 1),
        # As images of a cloud have it: open by policy, closed by a last rule.
        ((OPEN, "-A FORWARD -i eth1 -j ACCEPT", "-A FORWARD -j REJECT --reject-with icmp-host-prohibited"), 1),
        ((OPEN, '-A FORWARD -m comment --comment "the rest" -j DROP'), 0),
        ((OPEN, "-A FORWARD -p tcp -j DROP"), None),
        (("-P FORWARD DROP", "-A FORWARD -j ACCEPT"), None),
        (("-P FORWARD DROP", "-N mine", "-A FORWARD -j mine", "-A mine -j ACCEPT"), None),
        (("-P FORWARD DROP", "-N mine", "-A FORWARD -i eth0 -j mine", "-A mine -j ACCEPT"), 1),
        (("-P FORWARD DROP", "-A FORWARD -j RETURN", "-A FORWARD -j DROP"), 0),
        (("-P FORWARD ACCEPT", "-N mine", "-A FORWARD -g mine", "-A FORWARD -j DROP"), None),
        (("-P FORWARD DROP", "-N mine", "-A FORWARD -g mine", "-A mine -j LOG"), 0),
        (
            (
                "-P FORWARD ACCEPT",
                "-N mine",
                "-A FORWARD -j LOG",
                "-A FORWARD -j mine",
                "-A mine -j RETURN",
                "-A mine -j DROP",
            ),
            None,
        ),
    ],
)
def test_where_a_chain_drops_what_it_does_not_know(text: tuple[str, ...], expected: int | None) -> None:
    assert place(table(*text)) == expected
    assert place(table(*text, *OURS)) == expected, "our own rules are not asked"


@pytest.mark.parametrize("text", [DOCKER, UFW, (OPEN, "-A FORWARD -i eth1 -j ACCEPT", "-A FORWARD -j REJECT")])
def test_rules_go_where_it_drops_once_and_come_out_without_a_trace(text: tuple[str, ...]) -> None:
    fake = FakeFirewall()
    before = fake.lines["nft", 4] = list(text)

    def settle(*wanted: Accept) -> Filter:
        (now,) = fake.read().tables
        if said := changes(now, wanted):
            fake.change(now, said)
        (now,) = fake.read().tables
        assert changes(now, wanted) == "", "once is enough"
        return now

    now = settle(*WANTED)
    assert opened(now)
    at = place(now)
    assert at is not None
    assert [rule.line for rule in now.chains["FORWARD"][at : at + 2]] == [*OURS]
    assert [rule.line for rule in now.chains["FORWARD"] if not rule.ours] == [
        x for x in before if x.startswith("-A FORWARD")
    ]
    fake.lines["nft", 4].append("-A FORWARD -i br-1 -j ACCEPT")  # where Docker does not know of ours
    assert settle(*WANTED).chains["FORWARD"][place(now) or 0].line in {OURS[0], "-A FORWARD -j REJECT"} or at
    fake.lines["nft", 4].remove("-A FORWARD -i br-1 -j ACCEPT")
    assert not opened(settle())
    assert sorted(fake.lines["nft", 4]) == sorted(before)


def test_rules_of_another_place_or_text_are_made_anew_and_go_with_what_they_were_for() -> None:
    told = changes(table(*DOCKER, OURS[1]), WANTED)
    assert told.splitlines() == [
        "*filter",
        f"-D{OURS[1].removeprefix('-A')}",
        f"-I FORWARD 4 {OURS[0].removeprefix('-A FORWARD ')}",
        f"-I FORWARD 5 {OURS[1].removeprefix('-A FORWARD ')}",
        "COMMIT",
    ]
    assert [line[:2] for line in changes(table(OPEN, *OURS), WANTED).splitlines()[1:-1]] == ["-D", "-D"]
    older = '-A FORWARD -i td+ -m comment --comment "tandem: as an older release said" -j ACCEPT'
    assert f"-D{older.removeprefix('-A')}" in changes(table(*DOCKER, older), WANTED)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), True),
        (("-A INPUT -i td+ -j ACCEPT",), False),
        (("-A INPUT -i td+ -p tcp -j ACCEPT",), True),
        (("-A INPUT -i eth0 -j ACCEPT",), True),
        (("-A INPUT -s 10.244.0.0/16 -j ACCEPT",), False),
        (("-A INPUT -s 10.9.0.0/16 -j ACCEPT",), True),
        (("-A INPUT -j REJECT", "-A INPUT -i td+ -j ACCEPT"), True),
    ],
)
def test_what_a_chain_does_with_all_that_pods_send(rules: tuple[str, ...], *, expected: bool) -> None:
    assert closes(table("-P INPUT DROP", *rules), "INPUT", PODS[:1]) is expected
    assert not closes(table("-P INPUT ACCEPT"), "INPUT", PODS)


def test_a_remedy_is_what_a_person_types() -> None:
    assert remedy(table(OPEN, kind="legacy", version=6), "FORWARD") == (
        "ip6tables-legacy -I FORWARD -i td+ -j ACCEPT; ip6tables-legacy -I FORWARD -o td+ -j ACCEPT"
    )
    assert remedy(table(OPEN), "INPUT") == "iptables-nft -I INPUT -i td+ -j ACCEPT"


def test_a_comparison_sees_the_order_of_rules() -> None:
    one, two = (tuple(lines([table(OPEN, *rules)])) for rules in (OURS, OURS[::-1]))
    assert one != two
