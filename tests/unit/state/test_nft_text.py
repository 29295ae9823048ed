"""Values as nft text."""

from __future__ import annotations

import pytest

from tandem.state import nft, nft_text
from tandem.state.nft import Field

STATEMENTS: dict[str, nft.Statement] = {
    "accept": nft.Accept(),
    "return": nft.Return(),
    "jump a": nft.Jump("a"),
    "goto a": nft.Goto("a"),
    "reject with tcp reset": nft.Reject(tcp_reset=True),
    "reject with icmpx type port-unreachable": nft.Reject(),
    "reject with icmpx type admin-prohibited": nft.Reject(prohibited=True),
    "counter": nft.Counter(),
    'counter name "ok-a"': nft.Counter("ok-a"),
    "counter name ip saddr . meta l4proto map @m": nft.CountBy((Field.SADDR4, Field.L4PROTO), "m"),
    "redirect to :15001": nft.Redirect(15001),
    "tproxy ip to :15006": nft.TProxy("ip", 15006),
    "tproxy ip6 to [::1]:15006": nft.TProxy("ip6", 15006, "::1"),
    "tproxy ip to 127.0.0.1:15006": nft.TProxy("ip", 15006, "127.0.0.1"),
    "meta mark set 0x53b": nft.SetMark(Field.MARK, 0x53B),
    "ct mark set 0x53053a": nft.SetMark(Field.CT_MARK, 0x53053A),
    "ct mark set numgen random mod 3": nft.RandomMark(Field.CT_MARK, 3),
    "ct mark set numgen random mod 3 offset 9": nft.RandomMark(Field.CT_MARK, 3, 9),
    "ct mark set ip saddr . ct mark map @m": nft.LookupMark(Field.CT_MARK, (Field.SADDR4, Field.CT_MARK), "m"),
    "update @m { ip saddr timeout 60s : ct mark }": nft.Remember((Field.SADDR4,), Field.CT_MARK, "m", 60),
    "delete @m { ip saddr : ct mark }": nft.Forget((Field.SADDR4,), Field.CT_MARK, "m"),
    "limit rate 5/second burst 9 packets": nft.Limit(5, 9),
    'log prefix "ps-a/ingress" group 116 snaplen 128': nft.Log("ps-a/ingress"),
    "snat ip to 10.0.0.1": nft.Snat("ip", "10.0.0.1"),
    "masquerade": nft.Masquerade(),
    "tcp option maxseg size set rt mtu": nft.ClampMss(),
    "ether daddr set 02:00:00:00:00:01 meta pkttype set host": nft.ToHost("02:00:00:00:00:01"),
    "ip saddr . ip daddr vmap @m": nft.Dispatch((Field.SADDR4, Field.DADDR4), "m"),
    "dnat ip addr . port to ip daddr map @m": nft.DnatMap("ip", (Field.DADDR4,), "m"),
}
MATCHES: dict[str, nft.Match] = {
    'meta iifname "td*"': nft.Is(Field.IIFNAME, "td*"),
    "socket transparent 1": nft.Is(Field.SOCKET_TRANSPARENT, 1),
    "ip daddr != 10.0.0.0/8": nft.Is(Field.DADDR4, nft.Prefix("10.0.0.0", 8), negate=True),
    "th dport { 80, 90-95 }": nft.OneOf(Field.DPORT, (80, nft.Range(90, 95))),
    "ip saddr != @peers": nft.InSet((Field.SADDR4,), "peers", negate=True),
    "tcp flags & (fin|syn|rst|ack) != syn": nft.NoSyn(),
    "tcp flags & (syn|rst) == syn": nft.Syn(),
}


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text: str) -> None:
    assert nft_text.statement(STATEMENTS[text]) == text


@pytest.mark.parametrize("text", MATCHES)
def test_matches(text: str) -> None:
    assert nft_text.condition(MATCHES[text]) == text


def test_a_comment_cannot_break_out_of_its_quotes() -> None:
    assert nft_text.comment('a "b" \\ \n c') == "a 'b' '  c"
    assert len(nft_text.comment("ü" * 200).encode()) <= nft_text.COMMENT_BYTES


def test_elements_are_sorted_and_interface_names_quoted() -> None:
    links = nft.Set(
        name="links", type=("ifname", "ipv4_addr"), elements=frozenset({("tdb", "10.0.0.2"), ("tda", "10.0.0.1")})
    )
    assert nft_text.elements(links) == ['"tda" . 10.0.0.1', '"tdb" . 10.0.0.2']


def test_a_table_is_one_block() -> None:
    ruleset = nft.ruleset(
        chains=(nft.Chain(name="c", base=nft.Hook(type="filter", hook="input", priority=-10)),),
        maps=(nft.Map(name="m", type=("ipv4_addr",), elements=frozenset({(("10.0.0.1",), nft.Drop())})),),
    )
    assert nft_text.table(ruleset) == (
        "table inet tandem {\n"
        "  map m {\n    type ipv4_addr : verdict\n    elements = {\n      10.0.0.1 : drop,\n    }\n  }\n"
        "  chain c {\n    type filter hook input priority -10; policy accept;\n  }\n"
        "}\n"
    )


def test_a_map_that_rules_fill_says_so() -> None:
    made = nft.Map(name="m", type=("ipv4_addr",), data=("mark",), dynamic=9)
    assert nft_text.declaration(made) == ("type ipv4_addr : mark", "flags dynamic,timeout", "size 9")


def test_a_map_to_counters_and_the_counters_are_shown() -> None:
    element = (("10.0.0.1", "tcp", nft.Range(1, 9)), ("ok-a",))
    made = nft.Map(
        name="m",
        type=("ipv4_addr", "inet_proto", "inet_service"),
        data=("counter",),
        interval=True,
        elements=frozenset({element}),
    )
    assert nft_text.declaration(made)[0] == "type ipv4_addr . inet_proto . inet_service : counter"
    assert nft_text.elements(made) == ['10.0.0.1 . tcp . 1-9 : "ok-a"']
    assert "  counter ok-a { }\n" in nft_text.table(nft.ruleset(maps=(made,), counters=frozenset({"ok-a"})))
