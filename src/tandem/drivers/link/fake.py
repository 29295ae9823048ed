"""The link driver on a dictionary: refuses what the kernel refuses, changes nothing when it fails, fails on demand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from tandem.base.addresses import EVERYTHING, host_prefix
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.drivers.link import kinds
from tandem.drivers.link.plan import Actual, End, differences, refuse_small
from tandem.drivers.link.port import LinkExistsError, NetnsError, Owned
from tandem.state.links import NodeNet, PodLink
from tandem.state.ownership import LOCAL_MARKS


@dataclass(slots=True)
class FakeNetns:
    """One namespace: interfaces by name, and whether local delivery was set up."""

    ends: dict[str, End] = field(default_factory=dict)
    marks: frozenset[tuple[int, int]] = frozenset()
    local_tables: frozenset[int] = frozenset()
    unmet: tuple[str, ...] = ()


class FakeLinks:
    """LinkDriver without a kernel. Tests make namespaces with `add_netns` and look at `hosts`, `pins` and `calls`."""

    def __init__(self, *, mtu: int = 1500) -> None:
        self.mtu = mtu
        self.networks: tuple[str, ...] = ("192.0.2.0/24", "2001:db8::/64")
        """What next hops may be on."""
        self.namespaces: dict[str, FakeNetns] = {}
        self.hosts: dict[str, tuple[PodLink, End]] = {}
        self.pins: dict[ContainerId, str] = {}
        self.net = NodeNet()
        self.outer: tuple[str, ...] = ()
        self.sysctls = {"net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0"}
        self.calls: list[str] = []
        self._failures: list[tuple[str, DriverError]] = []

    def add_netns(self, path: str) -> FakeNetns:
        """A namespace at a path."""
        self.namespaces[path] = FakeNetns()
        return self.namespaces[path]

    def remove_netns(self, path: str) -> None:
        """Take the path away; a pin keeps the namespace itself alive."""
        del self.namespaces[path]

    def fail_next(self, error: DriverError, method: str = "") -> None:
        """Let the next call (of `method`, or any) raise this and do nothing."""
        self._failures.append((method, error))

    async def underlay_mtu(self, address: str = "") -> int:
        """As given."""
        del address
        self._called("underlay_mtu")
        return self.mtu

    async def outward(self) -> tuple[str, ...]:
        """As given."""
        self._called("outward")
        return self.outer

    async def pin(self, container_id: ContainerId, netns: str) -> str:
        """Keep the namespace reachable at another path."""
        self._called("pin")
        path = f"/pins/{container_id}"
        if container_id not in self.pins:
            self.namespaces[path] = self._at(netns)
            self.pins[container_id] = path
        return path

    async def unpin(self, container_id: ContainerId) -> None:
        """Let go of the namespace."""
        self._called("unpin")
        if container_id in self.pins:
            del self.namespaces[self.pins.pop(container_id)]

    def _holder(self, link: PodLink, pod: FakeNetns) -> ContainerId | None:
        """Another container that has this namespace."""
        others = ((c, path) for c, path in self.pins.items() if c != link.container_id)
        return next((c for c, path in others if self.namespaces[path] is pod), None)

    async def create(self, link: PodLink, netns: str) -> None:
        """Make the pair and all inside the pod; the host end stays down."""
        self._called("create")
        refuse_small(link)
        pod = self._at(netns)
        if link.bridge and link.bridge not in {device.name for device in self.net.devices}:
            raise DriverError(f"the bridge {link.bridge} is missing")
        if link.ifname in pod.ends or link.host_ifname in self.hosts:
            raise LinkExistsError(f"{link.ifname} in {netns} or {link.host_ifname} on the node exists already")
        if any(end.routes for end in pod.ends.values()) and (holder := self._holder(link, pod)) is not None:
            raise LinkExistsError(f"the namespace at {netns} has an interface of container {holder} already")
        pod.ends[link.ifname] = _pod_end(link)
        if link.captured:
            _deliver(pod, link.versions)
        self.hosts[link.host_ifname] = (link, _host_end(link, up=False))

    async def open(self, link: PodLink, netns: str) -> None:
        """Bring the host end up."""
        self._called("open")
        self._at(netns)
        if link.host_ifname not in self.hosts:
            raise DriverError(f"host interface {link.host_ifname} is missing")
        end = replace(
            _host_end(link, up=True),
            neighbours=frozenset((a, link.mac) for a in link.addresses),
            routes=frozenset((host_prefix(a), "", link.hop_of(a).source) for a in link.addresses),
        )
        self.hosts[link.host_ifname] = (link, end)

    async def capture(self, netns: str, versions: tuple[int, ...]) -> None:
        """Deliver marked packets inside."""
        self._called("capture")
        _deliver(self._at(netns), versions)

    async def remove(self, link: PodLink, netns: str) -> None:
        """Undo `create` and `open`."""
        self._called("remove")
        self._drop(link.host_ifname)
        pod = self.namespaces.get(netns)
        if pod is not None and self._holder(link, pod) is None:
            pod.marks, pod.local_tables = frozenset(), frozenset()

    async def cut(self, link: PodLink, netns: str) -> None:
        """Close the link and free its name in the pod."""
        self._called("cut")
        if link.host_ifname in self.hosts:
            self.hosts[link.host_ifname] = (link, _host_end(link, up=False))
            for space in self.namespaces.values():
                end = space.ends.get(link.ifname)
                if end is not None and end.mac == link.mac:
                    space.ends[link.host_ifname] = replace(end, up=False, routes=frozenset())
                    del space.ends[link.ifname]
        pod = self.namespaces.get(netns)
        if pod is not None:
            pod.marks, pod.local_tables = frozenset(), frozenset()

    async def remove_all(self, host_ifnames: tuple[str, ...]) -> None:
        """Remove links."""
        self._called("remove_all")
        for name in host_ifnames:
            self._drop(name)

    async def check(self, link: PodLink, netns: str) -> tuple[str, ...]:
        """What differs."""
        self._called("check")
        pod = self._at(netns)
        host = self.hosts.get(link.host_ifname)
        actual = Actual(
            host=host[1] if host else None,
            pod=pod.ends.get(link.ifname),
            marks=pod.marks,
            local_tables=pod.local_tables,
            unmet=pod.unmet,
        )
        return differences(link, actual)

    async def hardware(self, link: PodLink, netns: str) -> tuple[str, int] | None:
        """Of the pod's end."""
        self._called("hardware")
        end = self._at(netns).ends.get(link.ifname)
        return None if end is None or link.host_ifname not in self.hosts else (end.mac, end.mtu)

    async def repair(self, link: PodLink, netns: str) -> bool:
        """Make it as `create` and `open` do."""
        self._called("repair")
        pod = self._at(netns)
        before = pod.ends.get(link.ifname) if link.host_ifname in self.hosts else None
        await self.remove(link, netns)
        pod.ends.pop(link.ifname, None)
        await self.create(link, netns)
        await self.open(link, netns)
        pod.unmet = ()
        if before is not None:
            end = pod.ends[link.ifname]
            pod.ends[link.ifname] = replace(
                end, prefixes=end.prefixes | before.prefixes, routes=end.routes | before.routes
            )
        return before is None

    async def apply_node(self, net: NodeNet) -> tuple[str, ...]:
        """Make it exactly this, but for routes whose next hop is on no network of the node."""
        self._called("apply_node")
        for device in net.devices:
            kinds.encode(device.kind, device.options)
        far = [r for r in net.routes if r.via and not r.onlink and not self._on_link(r.via)]
        self.net = replace(net, routes=tuple(r for r in net.routes if r not in far))
        return tuple(f"no route to {r.prefix}: its next hop {r.via} is on no network of this node" for r in far)

    def _on_link(self, address: str) -> bool:
        return any(ip_address(address) in ip_network(network) for network in self.networks)

    async def read_sysctls(self, names: Collection[str]) -> dict[str, str]:
        """The values."""
        self._called("read_sysctls")
        if unknown := sorted(set(names) - set(self.sysctls)):
            raise DriverError(f"no such kernel setting: {unknown[0]}")
        return {name: self.sysctls[name] for name in names}

    async def set_sysctls(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Set settings; returns the values as they were."""
        self._called("set_sysctls")
        before = await self.read_sysctls(wanted)
        self.sysctls.update(wanted)
        return before

    async def list_owned(self) -> Owned:
        """Everything there is."""
        self._called("list_owned")
        return Owned(
            links=tuple(sorted(self.hosts)),
            pins=tuple(sorted(self.pins)),
            addresses=tuple(sorted(self.net.addresses)),
            routes=tuple(route.prefix for route in sorted(self.net.routes)),
            devices=tuple(device.name for device in sorted(self.net.devices)),
        )

    async def alive(self) -> frozenset[ContainerId]:
        """Containers of which there is a link or a pin."""
        self._called("alive")
        return frozenset({link.container_id for link, _ in self.hosts.values()} | set(self.pins))

    async def sweep_pods(self, keep: frozenset[ContainerId]) -> Owned:
        """Remove links and pins of all containers but these."""
        self._called("sweep_pods")
        links = tuple(sorted(name for name, (link, _) in self.hosts.items() if link.container_id not in keep))
        pins = tuple(sorted(pin for pin in self.pins if pin not in keep))
        for name in links:
            self._drop(name)
        for pin in pins:
            del self.namespaces[self.pins.pop(pin)]
        return Owned(links=links, pins=pins)

    async def sweep(self) -> Owned:
        """Remove everything."""
        self._called("sweep")
        found = await self.list_owned()
        await self.sweep_pods(frozenset())
        self.net = NodeNet()
        return found

    def _called(self, method: str) -> None:
        self.calls.append(method)
        for at, (wanted, error) in enumerate(self._failures):
            if wanted in {"", method}:
                del self._failures[at]
                raise error

    def _at(self, netns: str) -> FakeNetns:
        if netns not in self.namespaces:
            raise NetnsError(f"network namespace {netns!r}: No such file or directory")
        return self.namespaces[netns]

    def _drop(self, host_ifname: str) -> None:
        if host_ifname in self.hosts:
            link, _ = self.hosts.pop(host_ifname)
            for pod in self.namespaces.values():
                end = pod.ends.get(link.ifname)
                if end is not None and end.mac == link.mac:
                    del pod.ends[link.ifname]
                pod.ends.pop(host_ifname, None)


def _deliver(pod: FakeNetns, versions: tuple[int, ...]) -> None:
    pod.marks |= {(version, mark) for version in versions for mark in LOCAL_MARKS}
    pod.local_tables |= set(versions)


def _pod_end(link: PodLink) -> End:
    return End(
        mac=link.mac,
        mtu=link.mtu,
        up=True,
        prefixes=frozenset(map(link.prefix_of, link.addresses)),
        neighbours=frozenset((hop.gateway, link.host_mac) for hop in link.hops),
        routes=frozenset(
            route
            for hop in link.hops
            for route in ((EVERYTHING[hop.version], hop.gateway, ""), (host_prefix(hop.gateway), "", ""))
        ),
        rate=link.shaping.egress_rate,
    )


def _host_end(link: PodLink, *, up: bool) -> End:
    return End(
        mac=link.host_mac,
        mtu=link.mtu,
        up=up,
        rate=link.shaping.ingress_rate,
        from_loopback=link.from_loopback,
        master=link.bridge,
    )
