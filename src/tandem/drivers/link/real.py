"""The link driver on the kernel. One helper thread lives in the node's namespace and enters pods' for microseconds.

A netlink socket belongs to the namespace in which it was made, so a pod's namespace is entered only to make its socket
and to write its settings.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from tandem.base.addresses import IPV6
from tandem.base.ids import ContainerId
from tandem.base.netns import identity
from tandem.base.problems import DriverError
from tandem.drivers.link import netns, read, rtnl
from tandem.drivers.link.messages import host_messages, ingress_limit, local_delivery, pod_messages
from tandem.drivers.link.netlink import RefusedError, Rtnl
from tandem.drivers.link.node import GONE, apply_node, read_node
from tandem.drivers.link.plan import Actual, End, differences, refuse_small
from tandem.drivers.link.port import LinkExistsError, NetnsError, Owned
from tandem.drivers.link.settings import (
    LOOPBACK_SETTINGS,
    NO_PATH_CHECK,
    PLAIN_IPV6,
    host_settings,
    is_set,
    pod_settings,
    put_back,
    read_sysctls,
    set_sysctls,
    unmet,
    write_settings,
)
from tandem.state.links import NodeNet, PodLink
from tandem.state.ownership import LINK_GROUP

T = TypeVar("T")

RUNNING_TRIES: Final = 2000
RUNNING_PAUSE: Final = 0.0005

THERE: Final = frozenset({errno.EEXIST})
NOTHING: Final[frozenset[int]] = frozenset()
NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EOPNOTSUPP})
"""What a kernel without IPv6 answers."""


class KernelLinks:
    """LinkDriver on rtnetlink. `pins` is the directory of the pins; `node_netns` the node's namespace, if not ours."""

    def __init__(self, pins: Path, *, node_netns: str = "/proc/thread-self/ns/net") -> None:
        self._pins = pins
        self._node_netns = node_netns
        self._home = -1
        self._sock: Rtnl | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="links")

    async def close(self) -> None:
        """End the helper thread; the kernel keeps everything."""
        await self._run(self._close)
        self._thread.shutdown()

    async def underlay_mtu(self, address: str = "") -> int:
        """The MTU of the interface with this address, else of the default route's."""
        return await self._run(lambda: read.underlay_mtu(self._node(), address))

    async def outward(self) -> tuple[str, ...]:
        """The links of default routes of IPv4, and of our routes to other nodes' pods."""
        return await self._run(lambda: read.outward(self._node()))

    async def pin(self, container_id: ContainerId, netns: str) -> str:
        """Keep the namespace reachable at a path of ours, returned."""
        return await self._run(lambda: self._pin(container_id, netns))

    async def unpin(self, container_id: ContainerId) -> None:
        """Let go of the namespace."""
        await self._run(lambda: netns.unbind(self._pins / container_id))

    async def create(self, link: PodLink, netns: str) -> None:
        """Make the pair and all inside the pod; the host end stays down."""
        await self._run(lambda: self._create(link, netns))

    async def open(self, link: PodLink, netns: str) -> None:
        """Bring the host end up with its neighbour entries and host routes; returns when both ends can transmit."""
        await self._run(lambda: self._open(link, netns))

    async def capture(self, netns: str, versions: tuple[int, ...]) -> None:
        """Deliver marked packets inside."""
        await self._run(lambda: self._capture(netns, versions))

    async def remove(self, link: PodLink, netns: str) -> None:
        """Undo `create` and `open`."""
        await self._run(lambda: self._remove(link, netns))

    async def cut(self, link: PodLink, netns: str) -> None:
        """Close the link and free its name in the pod, without waiting for the kernel to end anything."""
        await self._run(lambda: self._cut(link, netns))

    async def remove_all(self, host_ifnames: tuple[str, ...]) -> None:
        """Remove links, all at once."""
        await self._run(lambda: self._delete_links(host_ifnames))

    async def check(self, link: PodLink, netns: str) -> tuple[str, ...]:
        """What differs between the link as it should be and as the kernel has it."""
        return await self._run(lambda: self._check(link, netns))

    async def hardware(self, link: PodLink, netns: str) -> tuple[str, int] | None:
        """MAC address and MTU of the end in the pod."""
        return await self._run(lambda: self._hardware(link, netns))

    async def repair(self, link: PodLink, netns: str) -> bool:
        """Put back what `check` misses."""
        return await self._run(lambda: self._repair(link, netns))

    async def apply_node(self, net: NodeNet) -> tuple[str, ...]:
        """Make addresses, devices and routes of the node exactly these; returns the routes that cannot be."""
        return await self._run(lambda: apply_node(self._node(), net))

    async def read_sysctls(self, names: Collection[str]) -> dict[str, str]:
        """Kernel settings of the node's namespace."""
        return await self._run(lambda: self._read_sysctls(names))

    async def set_sysctls(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Set kernel settings of the node's namespace; returns the values as they were."""
        return await self._run(lambda: self._set_sysctls(wanted))

    async def list_owned(self) -> Owned:
        """Everything of ours, from the kernel alone."""
        return await self._run(self._list_owned)

    async def alive(self) -> frozenset[ContainerId]:
        """Containers of which a link or a pinned namespace is in the kernel."""
        return await self._run(self._alive)

    async def sweep_pods(self, keep: frozenset[ContainerId]) -> Owned:
        """Remove links and pins of all containers but these."""
        return await self._run(lambda: self._sweep_pods(keep))

    async def sweep(self) -> Owned:
        """Remove everything of ours."""
        return await self._run(self._sweep)

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            try:
                return work()
            except OSError as error:
                raise DriverError(error.strerror or str(error)) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _node(self) -> Rtnl:
        """The node's socket; the first call moves the thread into the node's namespace."""
        if self._sock is None:
            home = netns.open_netns(self._node_netns)
            netns.enter(home, self._node_netns)
            self._home, self._sock = home, Rtnl()
        return self._sock

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            os.close(self._home)
            self._sock = None

    def _pin(self, container_id: ContainerId, path: str) -> str:
        target = self._pins / container_id
        if not netns.is_pinned(target):
            netns.bind(path, target)
        return str(target)

    def _holder(self, link: PodLink, path: str) -> ContainerId | None:
        """Another container that has this namespace: what is in there is its own."""
        wanted = identity(path)
        others = (pin for pin in self._pinned() if wanted and pin != link.container_id)
        return next((pin for pin in others if identity(f"{self._pins}/{pin}") == wanted), None)

    def _create(self, link: PodLink, path: str) -> None:
        node = self._node()
        refuse_small(link)
        bridge = _index_of(link.bridge)
        if link.bridge and not bridge:
            raise DriverError(f"the bridge {link.bridge} is missing")
        with netns.inside(path, home=self._home) as target:
            self._refuse_held(link, path)
            host = rtnl.End(name=link.host_ifname, mac=link.host_mac, mtu=link.mtu)
            peer = rtnl.End(name=link.ifname, mac=link.mac, mtu=link.mtu)
            try:
                node.batch([rtnl.new_veth(host, peer, netns=target)])
            except RefusedError as error:
                if error.errno == errno.EEXIST:
                    what = f"{link.ifname} in {path} or {link.host_ifname} on the node exists already"
                    raise LinkExistsError(what) from error
                raise
            try:
                self._fill(link)
            except OSError:
                self._delete_links([link.host_ifname])
                raise
        try:
            self._finish(link, node, bridge)
        except OSError:
            self._delete_links([link.host_ifname])
            raise

    def _refuse_held(self, link: PodLink, path: str) -> None:
        """A namespace has one link of ours; the calling thread is in it. Without a route of ours there is none."""
        sock = Rtnl()
        try:
            holder = self._holder(link, path) if read.has_routes_of_ours(sock) else None
        finally:
            sock.close()
        if holder is not None:
            raise LinkExistsError(f"the namespace at {path} has an interface of container {holder} already")

    def _fill(self, link: PodLink, *, there: End | None = None) -> None:
        """Everything inside the pod, in one batch; the calling thread is in the pod's namespace. `there`: as it is."""
        index = socket.if_nametoindex(link.ifname)
        if IPV6 in link.versions:
            write_settings(link.ifname, PLAIN_IPV6)
            write_settings("lo", PLAIN_IPV6[-1:])
        sock = Rtnl()
        try:
            if sock.path_check_of_all():  # a new namespace inherits it from the host
                write_settings("all", NO_PATH_CHECK)
            _without_ipv6(link, sock, index)
            if there is not None and (there.mac, there.mtu) != (link.mac, link.mtu):
                sock.batch([rtnl.set_hardware(index, link.mac, link.mtu)])  # takes neighbours
            sock.batch(pod_messages(link, index), ignore=THERE if there is not None else NOTHING)
        finally:
            sock.close()

    def _finish(self, link: PodLink, node: Rtnl, bridge: int) -> None:
        """What is said of the host end; `bridge`: the index of the one that it is a port of, or 0.

        Which source it may have, the sets `links4` and `links6` of the node's table say: the kernel's check of the
        reverse path, which a link inherits where the machine has it on, would look up a second route for each packet.
        """
        if IPV6 in link.versions:
            write_settings(link.host_ifname, PLAIN_IPV6)
        _without_ipv6(link, node, 0, link.host_ifname)
        node.batch([rtnl.forwarding_end(link.host_ifname), rtnl.set_alias(link.host_ifname, link.alias)])
        if bridge:
            node.batch([rtnl.set_master(link.host_ifname, bridge)])
        if link.from_loopback:
            write_settings(link.host_ifname, LOOPBACK_SETTINGS)
        if link.shaping.ingress_rate:
            node.batch([ingress_limit(link, socket.if_nametoindex(link.host_ifname))])

    def _open(self, link: PodLink, path: str) -> None:
        node = self._node()
        with netns.inside(path, home=self._home):
            pod = Rtnl()
        try:
            self._bring_up(link, node)
            _wait_until_running(pod, link.ifname)
        finally:
            pod.close()

    def _bring_up(self, link: PodLink, node: Rtnl) -> None:
        try:
            index = socket.if_nametoindex(link.host_ifname)
        except OSError as error:
            raise DriverError(f"host interface {link.host_ifname} is missing") from error
        node.batch(host_messages(link, index))

    def _capture(self, path: str, versions: tuple[int, ...]) -> None:
        self._node()
        with netns.inside(path, home=self._home):
            sock = Rtnl()
            try:
                sock.batch(local_delivery(versions, add=True), ignore=THERE)
            finally:
                sock.close()

    def _remove(self, link: PodLink, path: str) -> None:
        self._node()
        self._delete_links([link.host_ifname])
        if self._holder(link, path) is not None:
            return
        with suppress(NetnsError), netns.inside(path, home=self._home):
            sock = Rtnl()
            try:
                sock.batch(local_delivery(rtnl.versions(), add=False), ignore=GONE)
            finally:
                sock.close()

    def _cut(self, link: PodLink, path: str) -> None:
        node = self._node()
        host = _index_of(link.host_ifname)
        if host:
            node.batch([rtnl.set_down(host)])
        with suppress(NetnsError), netns.inside(path, home=self._home):
            sock = Rtnl()
            try:
                sock.batch(local_delivery(rtnl.versions(), add=False), ignore=GONE)
                if host and (index := _index_of(link.ifname)):
                    sock.batch([rtnl.set_down(index), rtnl.rename(index, link.host_ifname)])
            finally:
                sock.close()

    def _repair(self, link: PodLink, path: str) -> bool:
        node, actual = self._node(), self._actual(link, path)
        if actual.host is None or actual.pod is None:
            if actual.pod is not None and actual.pod.mac == link.mac:  # the host end has another name now
                self._delete_in(path, link.ifname)
            self._remove(link, path)
            self._create(link, path)
            self._open(link, path)
            return True
        with netns.inside(path, home=self._home):
            self._fill(link, there=actual.pod)
        if (actual.host.mac, actual.host.mtu) != (link.host_mac, link.mtu):
            node.batch([rtnl.set_hardware(socket.if_nametoindex(link.host_ifname), link.host_mac, link.mtu)])
        self._finish(link, node, _index_of(link.bridge))
        put_back(host_settings(link))
        self._open(link, path)
        return False

    def _delete_in(self, path: str, ifname: str) -> None:
        with netns.inside(path, home=self._home):
            pod = Rtnl()
        try:
            pod.batch([rtnl.del_link(ifname)], ignore=GONE)
        finally:
            pod.close()

    def _check(self, link: PodLink, path: str) -> tuple[str, ...]:
        return differences(link, self._actual(link, path))

    def _hardware(self, link: PodLink, path: str) -> tuple[str, int] | None:
        found = self._actual(link, path)
        return None if found.host is None or found.pod is None else (found.pod.mac, found.pod.mtu)

    def _actual(self, link: PodLink, path: str) -> Actual:
        host = read.end(self._node(), link.host_ifname)
        if host is not None and link.from_loopback:
            host = replace(host, from_loopback=is_set(link.host_ifname, LOOPBACK_SETTINGS[0]))
        of_node = tuple(f"of the node, {sentence}" for sentence in unmet(host_settings(link)))
        with netns.inside(path, home=self._home):
            sock, missed = Rtnl(), (*of_node, *unmet(pod_settings(link)))
        try:
            return Actual(
                host=host,
                pod=read.end(sock, link.ifname),
                marks=read.marks(sock) if link.captured else frozenset(),
                local_tables=read.local_defaults(sock) if link.captured else frozenset(),
                unmet=missed,
            )
        finally:
            sock.close()

    def _read_sysctls(self, names: Collection[str]) -> dict[str, str]:
        self._node()
        return read_sysctls(names)

    def _set_sysctls(self, wanted: Mapping[str, str]) -> dict[str, str]:
        self._node()
        return set_sysctls(wanted)

    def _pinned(self) -> list[ContainerId]:
        return sorted(ContainerId(p.name) for p in self._pins.iterdir()) if self._pins.is_dir() else []

    def _list_owned(self) -> Owned:
        net = read_node(self._node(), NodeNet())
        return Owned(
            links=tuple(link.name for link in read.owned_links(self._node())),
            pins=tuple(self._pinned()),
            addresses=net.addresses,
            routes=tuple(route.prefix for route in net.routes),
            devices=tuple(device.name for device in net.devices),
        )

    def _alive(self) -> frozenset[ContainerId]:
        pinned = {pin for pin in self._pinned() if netns.is_pinned(self._pins / pin)}
        return frozenset(pinned | {link.container_id for link in read.owned_links(self._node()) if link.container_id})

    def _sweep_pods(self, keep: frozenset[ContainerId]) -> Owned:
        links = [link.name for link in read.owned_links(self._node()) if link.container_id not in keep]
        pins = [pin for pin in self._pinned() if pin not in keep]
        self._delete_links(links)
        for pin in pins:
            netns.unbind(self._pins / pin)
        return Owned(links=tuple(links), pins=tuple(pins))

    def _sweep(self) -> Owned:
        found = self._list_owned()
        self._sweep_pods(frozenset())
        apply_node(self._node(), NodeNet())
        return found

    def _delete_links(self, names: Iterable[str]) -> None:
        found = list(names)
        if len(found) > 1:
            self._node().batch([rtnl.set_group(name, LINK_GROUP) for name in found], ignore=GONE)
            self._node().batch([rtnl.del_group(LINK_GROUP)], ignore=GONE)
        else:
            self._node().batch([rtnl.del_link(name) for name in found], ignore=GONE)


def _without_ipv6(link: PodLink, sock: Rtnl, index: int, name: str = "") -> None:
    """An end without an address of IPv6 has none at all, not even a link-local one."""
    if IPV6 not in link.versions:
        sock.batch([rtnl.no_ipv6_address(index, name)], ignore=NO_IPV6)


def _index_of(name: str) -> int:
    """0: the calling thread's namespace has no such link."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _wait_until_running(sock: Rtnl, ifname: str) -> None:
    """The pod's end was up before its peer: until the kernel has noticed the carrier, it drops what the pod sends.

    That is a matter of microseconds, but a lost first SYN costs its sender a second.
    """
    for _ in range(RUNNING_TRIES):
        if sock.is_running(ifname):
            return
        time.sleep(RUNNING_PAUSE)
    raise DriverError(f"{ifname} in the pod has no carrier though its host end is up")
