"""The files of /etc that are a pod's own: hosts, hostname, resolv.conf. Pure, but for the host's resolv.conf."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tandem.model import core

DOMAIN: Final = "cluster.local"
_HOST: Final = Path("/etc/resolv.conf")
_LOCAL: Final = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def pod_hostname(pod: core.Pod, node_name: str) -> str:
    """spec.hostname, else the pod's name; a host-network pod has its node's."""
    return node_name if pod.spec.host_network else pod.spec.hostname or pod.metadata.name


def pod_files(pod: core.Pod, addresses: Sequence[str], *, node_name: str, dns: Sequence[str]) -> dict[str, bytes]:
    """Path -> content; `dns` are the name servers of the cluster."""
    hostname = pod_hostname(pod, node_name)
    names = hostname
    if pod.spec.subdomain:
        names = f"{hostname}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{DOMAIN}\t{hostname}"
    hosts = _LOCAL + "".join(f"{address}\t{names}\n" for address in addresses)
    hosts += "".join(f"{a.ip}\t{' '.join(a.hostnames)}\n" for a in pod.spec.host_aliases)
    return {
        "/etc/hosts": hosts.encode(),
        "/etc/hostname": f"{hostname}\n".encode(),
        "/etc/resolv.conf": _resolv_conf(pod, dns),
    }


def _resolv_conf(pod: core.Pod, dns: Sequence[str]) -> bytes:
    """What the DNS policy gives, and dnsConfig after it (an option of the same name: instead of it)."""
    servers, searches, options = _base(pod, dns)
    given = pod.spec.dns_config
    servers = list(dict.fromkeys([*servers, *given.nameservers]))
    searches = list(dict.fromkeys([*searches, *given.searches]))
    options |= {o.name: o.value or "" for o in given.options}
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {s}" for s in servers]
    if options:
        lines.append("options " + " ".join(f"{name}:{value}" if value else name for name, value in options.items()))
    return "".join(f"{line}\n" for line in lines).encode()


def _base(pod: core.Pod, dns: Sequence[str]) -> tuple[list[str], list[str], dict[str, str]]:
    policy = pod.spec.dns_policy
    if policy == "None":
        return [], [], {}
    # Kubernetes: ClusterFirst means Default for host-network pods, unless it is ClusterFirstWithHostNet.
    if policy == "Default" or (pod.spec.host_network and policy == "ClusterFirst"):
        return _read(_HOST)
    own = [f"{pod.metadata.namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
    # As the kubelet does: short names of the machine's own network are found too, after those of the cluster.
    return list(dns), [*own, *_read(_HOST)[1]], {"ndots": "5"}


def _read(path: Path) -> tuple[list[str], list[str], dict[str, str]]:
    """A resolv.conf as servers, search list and options (resolv.conf(5): the last search line counts)."""
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return servers, searches, options
    for key, *values in (line.split() for line in text.splitlines() if line.split()):
        if key == "nameserver":
            servers += values[:1]
        elif key in {"search", "domain"}:
            searches = values
        elif key == "options":
            options |= {name: value for name, _, value in (v.partition(":") for v in values)}
    return servers, searches, options
