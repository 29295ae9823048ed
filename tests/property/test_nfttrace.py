"""The tracer on small rulesets."""

from __future__ import annotations

from nfttrace import Packet, trace
from tandem.state import nft
from tandem.state.nft import Field

PACKET = Packet(saddr="10.0.0.1", daddr="10.0.0.2", dport=80, iifname="tda")


def _route(_: str) -> str:
    return "tdb"


def _base(name: str, *rules: nft.Rule, hook: str = "forward", kind: str = "filter", priority: int = 0) -> nft.Chain:
    return nft.Chain(name=name, rules=rules, base=nft.Hook(type=kind, hook=hook, priority=priority))


def test_an_accept_ends_one_base_chain_and_not_the_next() -> None:
    ruleset = nft.ruleset(
        chains=(
            _base("first", nft.Rule(then=(nft.Accept(),)), nft.Rule(then=(nft.Drop(),)), priority=-10),
            _base("second", nft.Rule(then=(nft.Log("here"), nft.Drop()))),
        )
    )
    found = trace(ruleset, PACKET, route=_route)
    assert (found.verdict, found.log) == ("drop", "here")


def test_a_dispatch_without_an_entry_goes_on() -> None:
    pods = nft.Map(name="m", type=("ipv4_addr",), elements=frozenset({(("10.0.0.9",), nft.Drop())}))
    chain = _base("c", nft.Rule(then=(nft.Dispatch((Field.DADDR4,), "m"),)), nft.Rule(then=(nft.Reject(),)))
    assert trace(nft.ruleset(chains=(chain,), maps=(pods,)), PACKET, route=_route).verdict == "reject"


def test_goto_does_not_come_back_and_jump_does() -> None:
    empty = nft.Chain(name="empty")
    for verdict, wanted in ((nft.Goto("empty"), "accept"), (nft.Jump("empty"), "drop")):
        chain = _base("c", nft.Rule(then=(verdict,)), nft.Rule(then=(nft.Drop(),)))
        assert trace(nft.ruleset(chains=(chain, empty)), PACKET, route=_route).verdict == wanted


def test_a_service_is_translated_before_the_route_is_chosen() -> None:
    key = ("10.0.0.2", "tcp", 80, 1)
    backends = nft.Map(
        name="b",
        type=("ipv4_addr", "inet_proto", "inet_service", "mark"),
        data=("ipv4_addr", "inet_service"),
        elements=frozenset({(key, ("10.0.0.3", 8080))}),
    )
    fields = (Field.DADDR4, Field.L4PROTO, Field.DPORT, Field.CT_MARK)
    chain = _base(
        "nat",
        nft.Rule(then=(nft.RandomMark(Field.CT_MARK, 2),)),
        nft.Rule(then=(nft.DnatMap("ip", fields, "b"),)),
        hook="prerouting",
        kind="nat",
    )
    asked: list[str] = []

    def route(address: str) -> str:
        asked.append(address)
        return "tdb"

    found = trace(nft.ruleset(chains=(chain,), maps=(backends,)), PACKET, route=route, choose=lambda _: 1)
    assert (found.packet.daddr, found.packet.dport, found.packet.dnat) == ("10.0.0.3", 8080, True)
    assert asked == ["10.0.0.3"]


def test_matches_on_another_family_or_protocol_do_not_hold() -> None:
    rules = (
        nft.Rule(match=(nft.Is(Field.DADDR6, "::1", negate=True),), then=(nft.Drop(),)),
        nft.Rule(match=(nft.Is(Field.UDP_DPORT, 80),), then=(nft.Drop(),)),
        nft.Rule(match=(nft.NoSyn(),), then=(nft.Drop(),)),
    )
    assert trace(nft.ruleset(chains=(_base("c", *rules),)), PACKET, route=_route).verdict == "accept"


def test_counters_count_what_meets_them_and_a_map_without_an_entry_goes_on() -> None:
    fields = (Field.SADDR4, Field.L4PROTO, Field.DPORT)
    elements = frozenset({((nft.Prefix("10.0.0.0", 8), nft.Range(0, 255), nft.Range(80, 90)), ("web",))})
    by = nft.Map(name="by", type=("ipv4_addr",) * 3, data=("counter",), interval=True, elements=elements)
    chain = _base(
        "c",
        nft.Rule(then=(nft.Counter(), nft.Counter("all"), nft.Log("seen"))),
        nft.Rule(then=(nft.CountBy(fields, "by"), nft.Accept())),
        nft.Rule(then=(nft.Log("gone"), nft.Drop())),
    )
    ruleset = nft.ruleset(chains=(chain,), maps=(by,), counters=frozenset({"all", "web"}))
    found = trace(ruleset, PACKET, route=_route)
    assert (found.verdict, found.counted, found.logged, found.log) == ("accept", ("all", "web"), ("seen",), "")
    found = trace(ruleset, Packet(saddr="10.0.0.1", daddr="10.0.0.2", dport=91, iifname="tda"), route=_route)
    assert (found.verdict, found.counted, found.log) == ("drop", ("all",), "gone")
