"""Which listener of a Gateway takes a connection or request, as the Gateway API's documents say.

In: the World, the Gateway, the port that is dialled, the name asked for in TLS and the host of the request. Out: a
frozen value with every step. Shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.gateways import Gateway, Listener, RouteNamespaces
from tandem.model.listenersets import ListenerSet
from tandem.model.selectors import matches
from tandem.model.world import World
from tandem.reference.request import Step

SECURE = ("HTTPS", "TLS")
REQUESTS = ("HTTP", "HTTPS")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A listener and whose it is: the Gateway's, or that of a ListenerSet which it takes."""

    holder: Gateway | ListenerSet
    listener: Listener
    index: int

    @property
    def host(self) -> str:
        """`*` for every host."""
        return self.listener.hostname or "*"

    @property
    def origin(self) -> Origin:
        """Where it is written."""
        return self.holder.origin(f"spec.listeners[{self.index}]")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """`listener`: who takes it; None: nobody, and `status` is what a request is answered with (0: the end)."""

    listener: Found | None = None
    status: int = 0
    steps: tuple[Step, ...] = ()


def take(world: World, gateway: Gateway, port: int, *, sni: str, host: str, protocol: str = "TCP") -> Taken:
    """By port, then by the name in TLS, then by the host; of several the most specific (Gateway API, Listener).

    `protocol`: of the transport. Datagrams are for a listener of UDP, else for those that take HTTP/3.
    """
    every = [found for found in listeners_of(world, gateway) if found.listener.port == port]
    datagrams = [found for found in every if found.listener.protocol == "UDP"]
    if datagrams and protocol == "UDP":
        return Taken(listener=datagrams[0], steps=(_takes(datagrams[0], "every datagram"),))
    here = [found for found in every if found not in datagrams and protocol in {"TCP", "UDP"}]
    if protocol == "UDP":
        here = [found for found in here if _by_datagrams(world, gateway, found)]
    if not here:
        what = {"TCP": "of connections ", "UDP": "of datagrams "}.get(protocol, f"of {protocol} ")
        text = f"no listener {what}has port {port}"
        return Taken(steps=(Step(text=text, origin=gateway.origin("spec.listeners")),))
    if here[0].listener.protocol == "TCP":
        return Taken(listener=here[0], steps=(_takes(here[0], "every connection"),))
    if here[0].listener.protocol in SECURE:
        return _secure(world, gateway, here, sni=sni, host=host)
    best = closest(here, host)
    if best is None:
        return Taken(status=404, steps=(_nobody(gateway, here, f"host {host!r}"),))
    return Taken(listener=best, steps=(_takes(best, f"host {host!r}"),))


def _secure(world: World, gateway: Gateway, here: list[Found], *, sni: str, host: str) -> Taken:
    """By the name in TLS; a request on the connection for a host of another listener is misdirected."""
    chosen = closest([one for one in here if _has_certificate(world, one)], sni)
    bare = closest(here, sni)
    if chosen is None and bare is not None:
        text = f"listener {bare.listener.name} has no certificate: no Secret that it names is there"
        return Taken(steps=(Step(text=text, origin=bare.holder.origin(f"spec.listeners[{bare.index}].tls")),))
    if chosen is None:
        return Taken(steps=(_nobody(gateway, here, f"the name {sni!r} in TLS"),))
    steps = [_takes(chosen, f"the name {sni!r} in TLS", datagrams=_by_datagrams(world, gateway, chosen))]
    meant = closest(here, host)
    if chosen.listener.protocol == "TLS" or meant == chosen:
        return Taken(listener=chosen, steps=tuple(steps))
    if meant is None:
        return Taken(status=404, steps=(*steps, _nobody(gateway, here, f"host {host!r}")))
    steps.append(Step(text=f"host {host!r} is another listener's: answered with 421", origin=meant.origin))
    return Taken(status=421, steps=tuple(steps))


def listeners_of(world: World, gateway: Gateway) -> list[Found]:
    """Those that are in no conflict: the Gateway's first, then those of the sets that it takes, the oldest first."""
    taken: list[Found] = []
    holders: tuple[Gateway | ListenerSet, ...] = (gateway, *_sets(world, gateway))
    for holder in holders:
        own = [
            Found(holder=holder, listener=one, index=i)
            for i, one in enumerate(holder.spec.listeners)
            if one.protocol in {"HTTP", "HTTPS", "TCP", "TLS", "UDP"}
        ]
        free = [one for one in own if not any(_clash(one, other) for other in taken)]
        # Of those of one object that cannot be told apart none is served.
        taken += [one for one in free if not any(_clash(one, other) for other in free if other is not one)]
    return taken


def means(allowed: RouteNamespaces, namespace: str, home: str, world: World) -> bool:
    """Whether `from: Same`, `All` or `Selector` means the namespace."""
    if allowed.from_ == "All":
        return True
    if allowed.from_ == "Selector" and allowed.selector is not None:
        return matches(allowed.selector, world.namespace_labels.get(namespace) or {})
    return allowed.from_ == "Same" and namespace == home


def closest(listeners: list[Found], host: str) -> Found | None:
    """The most specific one that is for the host."""
    fitting = [one for one in listeners if is_for(one.host, host)]
    return max(fitting, key=lambda one: precision(one.host), default=None)


def is_for(pattern: str, host: str) -> bool:
    """A name, `*.` and what is below, or every host."""
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def precision(pattern: str) -> tuple[int, int]:
    """A name is more than any wildcard, and a longer one more than a shorter one."""
    return (0 if pattern.startswith("*") else 1), len(pattern)


def _sets(world: World, gateway: Gateway) -> Iterator[ListenerSet]:
    def age(one: ListenerSet) -> tuple[str, str]:
        return one.metadata.creation_timestamp or "", "/".join(one.key)

    for one in sorted(world.sorted(ListenerSet), key=age):
        parent, home = one.spec.parent_ref, one.metadata.namespace
        named = parent.kind == "Gateway" and (parent.namespace or home, parent.name) == gateway.key
        if named and means(gateway.spec.allowed_listeners.namespaces, home, gateway.metadata.namespace, world):
            yield one


def _clash(one: Found, other: Found) -> bool:
    mine, theirs = one.listener, other.listener
    if mine.port != theirs.port or (mine.protocol == "UDP") != (theirs.protocol == "UDP"):
        return False
    if {mine.protocol, theirs.protocol} - set(SECURE) and mine.protocol != theirs.protocol:
        return True
    return mine.protocol in {"TCP", "UDP"} or mine.hostname == theirs.hostname


def _has_certificate(world: World, found: Found) -> bool:
    """Of a listener that ends TLS: one of its Secrets is there."""
    tls, home = found.listener.tls, found.holder.metadata.namespace
    if tls is not None and tls.mode == "Passthrough":
        return True
    refs = tls.certificate_refs if tls is not None else ()
    return any(world.get(core.Secret, ref.namespace or home, ref.name) is not None for ref in refs)


def _by_datagrams(world: World, gateway: Gateway, found: Found) -> bool:
    """Whether it takes HTTP/3: the Gateway asks for that, and no listener of UDP has the datagrams of the port."""
    asked = gateway.metadata.annotations.get("tandem.io/http3") == "true" and found.listener.protocol == "HTTPS"
    of_udp = (one.listener.port for one in listeners_of(world, gateway) if one.listener.protocol == "UDP")
    return asked and found.listener.port not in of_udp


def _takes(found: Found, what: str, *, datagrams: bool = False) -> Step:
    own = found.listener
    spoken = f"{own.protocol} and HTTP/3" if datagrams else own.protocol
    return Step(text=f"listener {own.name} ({spoken}, {found.host}) takes {what}", origin=found.origin)


def _nobody(gateway: Gateway, here: list[Found], what: str) -> Step:
    hosts = ", ".join(dict.fromkeys(found.host for found in here))
    return Step(text=f"no listener of the port takes {what}: they are for {hosts}", origin=gateway.origin())
