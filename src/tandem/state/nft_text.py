"""Ruleset values -> nft text: whole tables for people and golden files, fragments for the driver's commands.

The only place that knows nft's grammar. Names and atoms come from our compilers; comments, which carry what users
wrote, are cleaned here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from tandem.state import nft

COMMENT_BYTES = 120
"""The kernel keeps 127 bytes of a rule's comment."""
_STRING_FIELDS = frozenset({nft.Field.IIFNAME, nft.Field.OIFNAME})


def table(ruleset: nft.Ruleset) -> str:
    """The table as `nft list` would show it, elements and parts sorted: equal rulesets are equal text."""
    lines = [f"table {ruleset.family} {ruleset.table} {{"]
    lines += [f"  counter {name} {{ }}" for name in sorted(ruleset.counters)]
    for keys in ruleset.sets:
        lines += _container(keys)
    for pairs in ruleset.maps:
        lines += _container(pairs)
    for chain in ruleset.chains:
        lines.append(f"  chain {chain.name} {{")
        if chain.base:
            lines.append(f"    {hook(chain.base)}")
        lines += [f"    {rule(r)}" for r in chain.rules]
        lines.append("  }")
    return "\n".join((*lines, "}")) + "\n"


def _container(part: nft.Set | nft.Map) -> list[str]:
    word = "map" if isinstance(part, nft.Map) else "set"
    lines = [f"  {word} {part.name} {{", *(f"    {line}" for line in declaration(part))]
    texts = elements(part)
    if texts:
        lines += ["    elements = {", *(f"      {text}," for text in texts), "    }"]
    return [*lines, "  }"]


def declaration(part: nft.Set | nft.Map) -> tuple[str, ...]:
    """`type …` and `flags …` of a set or map."""
    kind = " . ".join(part.type)
    if isinstance(part, nft.Map):
        kind += " : " + " . ".join(part.data)
    if isinstance(part, nft.Map) and part.dynamic:
        return (f"type {kind}", "flags dynamic,timeout", f"size {part.dynamic}")
    return (f"type {kind}", "flags interval") if part.interval else (f"type {kind}",)


def elements(part: nft.Set | nft.Map) -> list[str]:
    """Every element of a set or map as text, sorted."""
    if isinstance(part, nft.Map):
        element = counter_element if part.data == ("counter",) else map_element
        return sorted(element(part.type, item) for item in part.elements)
    return sorted(key(part.type, k) for k in part.elements)


def map_element(types: tuple[str, ...], item: tuple[nft.Key, nft.Verdict | nft.Key]) -> str:
    """`key : verdict` or `key : data`."""
    left, right = item
    data = " . ".join(atom(a) for a in right) if isinstance(right, tuple) else statement(right)
    return f"{key(types, left)} : {data}"


def counter_element(types: tuple[str, ...], item: tuple[nft.Key, nft.Verdict | nft.Key]) -> str:
    """`key : "name of a counter"`."""
    left, right = item
    return f'{key(types, left)} : "{right[0]}"' if isinstance(right, tuple) else map_element(types, item)


def key(types: tuple[str, ...], parts: nft.Key) -> str:
    """A key; interface names are quoted."""
    return " . ".join(f'"{p}"' if t == "ifname" else atom(p) for t, p in zip(types, parts, strict=True))


def atom(value: nft.Atom) -> str:
    """One value."""
    match value:
        case nft.Prefix(address, length):
            return f"{address}/{length}"
        case nft.Range(first, last):
            return f"{first}-{last}"
        case _:
            return str(value)


def hook(base: nft.Hook) -> str:
    """Where a base chain is attached."""
    return f"type {base.type} hook {base.hook} priority {base.priority}; policy {base.policy};"


def rule(value: nft.Rule) -> str:
    """One rule on one line."""
    words = [*(condition(m) for m in value.match), *(statement(s) for s in value.then)]
    if value.comment:
        words.append(f'comment "{comment(value.comment)}"')
    return " ".join(words)


def comment(text: str) -> str:
    """Text fit for a quoted nft comment: printable, no quotes, short enough."""
    clean = "".join("'" if c in '"\\' else c for c in text if c.isprintable())
    return clean.encode()[:COMMENT_BYTES].decode(errors="ignore")


def fields(values: Iterable[nft.Field]) -> str:
    """A concatenation of fields."""
    return " . ".join(f.value for f in values)


def condition(match: nft.Match) -> str:
    """One match."""
    match match:
        case nft.Is(field, value, negate):
            text = f'"{value}"' if field in _STRING_FIELDS else atom(value)
            return f"{field.value} {'!= ' if negate else ''}{text}"
        case nft.OneOf(nft.Field.CT_STATE, values, False):
            # A mask, a tenth of a microsecond quicker for each packet than the look-up that braces stand for.
            return f"ct state {','.join(map(str, values))}"
        case nft.OneOf(field, values, negate):
            quoted = (f'"{v}"' if field in _STRING_FIELDS else atom(v) for v in values)
            return f"{field.value} {'!= ' if negate else ''}{{ {', '.join(quoted)} }}"
        case nft.InSet(names, name, negate):
            return f"{fields(names)} {'!= ' if negate else ''}@{name}"
        case nft.NoSyn():
            return "tcp flags & (fin|syn|rst|ack) != syn"
        case nft.Syn():
            return "tcp flags & (syn|rst) == syn"
        case _:
            assert_never(match)


def statement(value: nft.Statement) -> str:  # noqa: C901, PLR0911, PLR0912 one branch per statement of the union
    """One statement or verdict."""
    match value:
        case nft.Accept() | nft.Drop() | nft.Return() | nft.Masquerade():
            return type(value).__name__.lower()
        case nft.Counter(name):
            return f'counter name "{name}"' if name else "counter"
        case nft.Jump(chain):
            return f"jump {chain}"
        case nft.Goto(chain):
            return f"goto {chain}"
        case nft.Reject(tcp_reset, prohibited):
            reason = "admin-prohibited" if prohibited else "port-unreachable"
            return "reject with tcp reset" if tcp_reset else f"reject with icmpx type {reason}"
        case nft.Log(prefix, group, snaplen):
            return f'log prefix "{prefix}" group {group} snaplen {snaplen}'
        case nft.Limit(per_second, burst):
            return f"limit rate {per_second}/second burst {burst} packets"
        case nft.Redirect(port):
            return f"redirect to :{port}"
        case nft.TProxy(family, port, address):
            host = f"[{address}]" if ":" in address else address
            return f"tproxy {family} to {host}:{port}"
        case nft.Snat(family, address):
            return f"snat {family} to {address}"
        case nft.ClampMss():
            return "tcp option maxseg size set rt mtu"
        case nft.ToHost(mac):
            return f"ether daddr set {mac} meta pkttype set host"
        case _:
            return _lookup_or_mark(value)


def _lookup_or_mark(  # noqa: PLR0911 likewise
    value: nft.KeepSource
    | nft.Dispatch
    | nft.CountBy
    | nft.DnatMap
    | nft.SetMark
    | nft.RandomMark
    | nft.LookupMark
    | nft.Remember
    | nft.Forget,
) -> str:
    match value:
        case nft.KeepSource(family):
            return f"snat {family} to {family} saddr"
        case nft.Dispatch(names, name):
            return f"{fields(names)} vmap @{name}"
        case nft.CountBy(names, name):
            return f"counter name {fields(names)} map @{name}"
        case nft.DnatMap(family, names, name):
            return f"dnat {family} addr . port to {fields(names)} map @{name}"
        case nft.SetMark(target, number):
            return f"{target.value} set {number:#x}"
        case nft.RandomMark(target, modulus, offset):
            return f"{target.value} set numgen random mod {modulus}" + (f" offset {offset}" if offset else "")
        case nft.LookupMark(target, names, name):
            return f"{target.value} set {fields(names)} map @{name}"
        case nft.Remember(names, source, name, seconds):
            return f"update @{name} {{ {fields(names)} timeout {seconds}s : {source.value} }}"
        case nft.Forget(names, source, name):
            return f"delete @{name} {{ {fields(names)} : {source.value} }}"
        case _:
            assert_never(value)
