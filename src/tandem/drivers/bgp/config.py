"""BgpSpeaker -> BIRD's configuration file (version 2.0). Pure.

Routes of the underlay never meet those of pods: they are in tables of their own, which serve only to find next hops.
The kernel gets what was learnt and believed; the node's own prefixes are in BIRD to be told to others, nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from tandem.base.addresses import FAMILIES, family
from tandem.state.bgp import BgpPeer, BgpSpeaker
from tandem.state.ownership import BGP_METRIC

GRACE_SECONDS: Final = 30
"""How long peers keep the routes of a speaker that fell silent, so that one that is started again disturbs nobody."""
RECOVERY_SECONDS: Final = 5
"""How long a speaker that is started again waits for its peers before routes go that nobody tells any more."""
HOLD_SECONDS: Final = 30
SESSION: Final = "peer_"
"""Before the name of a peer, which else might be a word of BIRD's language."""
MOST_ROUTES: Final = 20_000
"""From one peer, believed or not: what comes after them is dropped."""


def config_text(speaker: BgpSpeaker) -> str:
    """The whole file."""
    blocks = [
        "log stderr { info, remote, warning, error, auth, fatal, bug };",
        f"router id {speaker.router_id};",
        f"graceful restart wait {RECOVERY_SECONDS};",
        "protocol device { scan time 10; }",
        *(block for version in FAMILIES for block in _family(speaker, version)),
        'filter own { if proto = "own_4" || proto = "own_6" then accept; reject; }',
        *(block for peer in sorted(speaker.peers) for block in _peer(speaker, peer)),
    ]
    return "\n".join(blocks) + "\n"


def _family(speaker: BgpSpeaker, version: int) -> Iterator[str]:
    """Tables, kernel, underlay and own prefixes of one family."""
    own = " ".join(f"route {prefix} blackhole;" for prefix in sorted(speaker.announces) if family(prefix) == version)
    yield f"ipv{version} table underlay{version};"
    yield (
        f"protocol direct underlay_{version} {{ ipv{version} {{ table underlay{version}; }};"
        f' interface "-lo", "-td*", "-wgtd*", "*"; }}'
    )
    yield (
        f"protocol kernel kernel_{version} {{ metric {BGP_METRIC}; merge paths on; graceful restart on; scan time 10;"
        f" ipv{version} {{ import none; export {'where source = RTS_BGP' if speaker.installs else 'none'}; }}; }}"
    )
    yield f"protocol static own_{version} {{ ipv{version}; {own} }}".replace("  ", " ")


def _peer(speaker: BgpSpeaker, peer: BgpPeer) -> Iterator[str]:
    version = family(peer.address)
    internal = peer.as_number == speaker.as_number
    # A router hands back what another node of our own AS told it. We pass nothing on, so that no loop can come of it.
    foreign = "" if internal else "allow local as 1; "
    secret = f'password "{peer.password.reveal().decode("ascii")}"; ' if peer.password is not None else ""
    reach = "direct;" if peer.near else "multihop;"
    lookup = "" if peer.near else f"gateway recursive; igp table underlay{version}; "
    yield f"filter from_{peer.name} {{ {' '.join(_believed(speaker, peer, version))} reject; }}"
    yield (
        f"protocol bgp {SESSION}{peer.name} {{\n"
        f"  local {peer.local} port {speaker.port} as {speaker.as_number}; strict bind on;\n"
        f"  neighbor {peer.address} port {peer.port} as {peer.as_number}; {reach} {foreign}{secret}\n"
        f"  hold time {HOLD_SECONDS}; connect delay time 1; connect retry time 3; error wait time 1, 10;\n"
        f"  graceful restart on; graceful restart time {GRACE_SECONDS};\n"
        f"  ipv{version} {{ {lookup}import keep filtered on; receive limit {MOST_ROUTES} action block;\n"
        f"    import filter from_{peer.name}; export filter own; }};\n"
        "}"
    ).replace(" \n", "\n")


def _believed(speaker: BgpSpeaker, peer: BgpPeer, version: int) -> Iterator[str]:
    """What the peer has of ours, then what is refused although it lies within `accepts`, then `accepts`."""
    if lent := _lent(speaker, peer, version):
        yield f"if net ~ [ {', '.join(lent)} ] then accept;"
    if own := _set(speaker.announces, version):
        yield f"if net ~ {own} then reject;"
    if within := _set(peer.accepts, version):
        yield f"if net ~ {within} then accept;"


def _lent(speaker: BgpSpeaker, peer: BgpPeer, version: int) -> list[str]:
    """Parts of our own prefixes that are the peer's, exactly: addresses that it has borrowed."""
    own = [ip_network(prefix) for prefix in speaker.announces]
    theirs = [ip_network(prefix) for prefix in sorted(peer.accepts) if family(prefix) == version]
    return [str(part) for part in theirs if any(_within(part, whole) for whole in own)]


def _within(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    return part.version == whole.version and part.prefixlen > whole.prefixlen and part.overlaps(whole)


def _set(prefixes: Iterable[str], version: int) -> str:
    """Each prefix with all that lies within it; empty if there is none of this family."""
    found = [f"{prefix}+" for prefix in sorted(set(prefixes)) if family(prefix) == version]
    return f"[ {', '.join(found)} ]" if found else ""
