"""What ends established connections says what the compiled rules say, for any World and any packet."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings

from nfttrace import Packet, trace
from nodeviews import ifname_of, routes, view_of
from property.test_policy import packets
from property.worlds import worlds
from tandem.compile.nft.node import compile_nft
from tandem.ir.domains import asked_for
from tandem.ir.node import NodeView
from tandem.model import core
from tandem.model.world import World
from tandem.observe.conntrack import Connection
from tandem.runtime.established import denied_by


def without_keeping(view: NodeView) -> NodeView:
    """Annotations that keep connections say nothing of first packets."""

    def bare(rules: tuple[msgspec.Struct, ...]) -> tuple[msgspec.Struct, ...]:
        return tuple(msgspec.structs.replace(rule, keeps=False) for rule in rules)

    sets = {
        name: msgspec.structs.replace(
            found, keeps=False, rules=bare(found.rules), admin=bare(found.admin), baseline=bare(found.baseline)
        )
        for name, found in view.sets.items()
    }
    learned = dict.fromkeys((p for found in sets.values() for p in asked_for(found)), ())
    return msgspec.structs.replace(view, sets=sets, learned={**learned, **view.learned})


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_a_connection_ends_if_and_only_if_its_first_packet_would_be_denied_now(world: World) -> None:
    view = without_keeping(view_of(world))
    # Every address of a node's prefix without a pod is of one that is gone: not the question here.
    node = msgspec.structs.replace(view.node, pod_cidrs=("10.244.200.0/24",))
    denied = denied_by(msgspec.structs.replace(view, node=node))
    ruleset, route = compile_nft(view), routes(world)
    where = {a: p for p in world.sorted(core.Pod) if not p.finished for a in p.addresses}
    for source, destination, protocol, port in packets(world):
        here = [where[a].spec.node_name == "node-1" for a in (source, destination) if a in where]
        if not any(here):
            continue
        sender = where.get(source)
        link = ifname_of(sender) if sender is not None and sender.spec.node_name == "node-1" else "eth0"
        packet = Packet(saddr=source, daddr=destination, protocol=protocol, dport=port, iifname=link)
        found = trace(ruleset, packet, route=route)
        connection = Connection(
            source=source,
            destination=destination,
            protocol=protocol.upper(),
            port=port,
            dialled=destination,
            original=b"",
            family=2,
        )
        said = denied(connection)
        assert (said is not None) == (found.verdict != "accept"), (packet, found, said)
