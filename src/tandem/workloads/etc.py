"""The files of /etc that are a pod's own: hosts, hostname, resolv.conf. Pure, but for the host's resolv.conf."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tandem.model import core

DNS: Final = "10.96.0.10"
DOMAIN: Final = "cluster.local"
_LOCAL: Final = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def pod_hostname(pod: core.Pod, node_name: str) -> str:
    """spec.hostname, else the pod's name; a host-network pod has its node's."""
    return node_name if pod.spec.host_network else pod.spec.hostname or pod.metadata.name


def pod_files(pod: core.Pod, addresses: Sequence[str], *, node_name: str) -> dict[str, bytes]:
    """Path -> content."""
    hostname = pod_hostname(pod, node_name)
    names = hostname
    if pod.spec.subdomain:
        names = f"{hostname}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{DOMAIN}\t{hostname}"
    hosts = _LOCAL + "".join(f"{address}\t{names}\n" for address in addresses)
    return {
        "/etc/hosts": hosts.encode(),
        "/etc/hostname": f"{hostname}\n".encode(),
        "/etc/resolv.conf": _resolv_conf(pod),
    }


def _resolv_conf(pod: core.Pod) -> bytes:
    policy = pod.spec.dns_policy
    if policy == "None":
        return b""
    # Kubernetes: ClusterFirst means Default for host-network pods, unless it is ClusterFirstWithHostNet.
    if policy == "Default" or (pod.spec.host_network and policy == "ClusterFirst"):
        try:
            return Path("/etc/resolv.conf").read_bytes()
        except OSError:
            return b""
    search = f"{pod.metadata.namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}"
    return f"search {search}\nnameserver {DNS}\noptions ndots:5\n".encode()
