"""Where things lie on disk: everything is below one run directory, so that removing it leaves no trace."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEM_ROOTS: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's, of authorities that the public believes."""


@dataclass(frozen=True, slots=True)
class NodeDir:
    """Files of one node's agent and runtime."""

    root: Path

    @property
    def cni_socket(self) -> Path:
        """The agent's socket for `tandem-cni`."""
        return self.root / "cni.sock"

    @property
    def cni_spool(self) -> Path:
        """DELs that `tandem-cni` queued while the agent was away; beside the socket, which is all that it knows."""
        return self.root / "dels"

    @property
    def xds_socket(self) -> Path:
        """The agent's socket for its Envoy: delta ADS and access logs."""
        return self.root / "xds.sock"

    @property
    def admin_socket(self) -> Path:
        """Envoy's admin interface."""
        return self.root / "envoy-admin.sock"

    @property
    def envoy_bootstrap(self) -> Path:
        """Envoy's bootstrap file."""
        return self.root / "envoy.json"

    @property
    def envoy_pid(self) -> Path:
        """Pid and start time of the running Envoy, so that a restarted agent adopts it."""
        return self.root / "envoy.pid"

    @property
    def envoy_log(self) -> Path:
        """Envoy's own log."""
        return self.root / "envoy.log"

    @property
    def dns_config(self) -> Path:
        """The DNS server's configuration file."""
        return self.root / "dns.conf"

    @property
    def dns_socket(self) -> Path:
        """The DNS server's control socket."""
        return self.root / "dns.sock"

    @property
    def dns_pid(self) -> Path:
        """Pid and start time of the running DNS server, so that a restarted agent adopts it."""
        return self.root / "dns.pid"

    @property
    def dns_log(self) -> Path:
        """The DNS server's own log."""
        return self.root / "dns.log"

    @property
    def names(self) -> Path:
        """What the agent knows of the names that policies are about, mode 0600: a new agent goes on with it."""
        return self.root / "names.json"

    @property
    def keys(self) -> Path:
        """Key sets for tokens that the agent fetched, mode 0600: a new agent goes on with them."""
        return self.root / "keys.json"

    @property
    def bundles(self) -> Path:
        """Roots of trust domains as sources of trust told them, mode 0600: a new agent goes on with them."""
        return self.root / "bundles.json"

    @property
    def attach_socket(self) -> Path:
        """The process runtime's, for clients at containers' own processes."""
        return self.root / "attach.sock"

    @property
    def metrics_socket(self) -> Path:
        """The agent's figures in Prometheus' text format, mode 0600."""
        return self.root / "metrics.sock"

    @property
    def bgp_config(self) -> Path:
        """The BGP speaker's configuration file."""
        return self.root / "bgp.conf"

    @property
    def bgp_socket(self) -> Path:
        """The BGP speaker's control socket."""
        return self.root / "bgp.sock"

    @property
    def bgp_pid(self) -> Path:
        """Pid and start time of the running BGP speaker, so that a restarted agent adopts it."""
        return self.root / "bgp.pid"

    @property
    def bgp_log(self) -> Path:
        """The BGP speaker's own log."""
        return self.root / "bgp.log"

    @property
    def wireguard_key(self) -> Path:
        """The node's private key of WireGuard, mode 0600."""
        return self.root / "wireguard.key"

    @property
    def wireguard_program(self) -> Path:
        """A link to wireguard-go, by which its process is known as this node's."""
        return self.root / "wireguard-go"

    @property
    def wireguard_pid(self) -> Path:
        """Pid and start time of the running wireguard-go, so that a restarted agent adopts it."""
        return self.root / "wireguard.pid"

    @property
    def wireguard_log(self) -> Path:
        """wireguard-go's own log."""
        return self.root / "wireguard.log"

    @property
    def journal(self) -> Path:
        """SQLite: addresses and attachments, the only thing that DEL needs; copies of records lie in `ipam.copies`."""
        return self.root / "ipam.db"

    @property
    def host_local(self) -> Path:
        """Which directories of `host-local` the node shares."""
        return self.root / "host-local.json"

    @property
    def netns(self) -> Path:
        """Directory of the agent's pins of pod network namespaces."""
        return self.root / "netns"

    @property
    def cni_bin(self) -> Path:
        """Directory of the CNI executable."""
        return self.root / "cni" / "bin"

    @property
    def cni_conf(self) -> Path:
        """Directory of the network configuration list."""
        return self.root / "cni" / "net.d"

    @property
    def pods(self) -> Path:
        """The process runtime's directory: one folder per pod uid."""
        return self.root / "pods"


@dataclass(frozen=True, slots=True)
class RunDir:
    """The run directory: `/run/tandem`, or $TANDEM_RUN_DIR, or what the command line says."""

    root: Path

    @classmethod
    def default(cls) -> RunDir:
        """From the environment, else `/run/tandem`."""
        return cls(Path(os.environ.get("TANDEM_RUN_DIR", "/run/tandem")))

    @property
    def kubeconfig(self) -> Path:
        """Credentials of the embedded API server, mode 0600."""
        return self.root / "kubeconfig"

    @property
    def node_kubeconfig(self) -> Path:
        """The same for nodes in network namespaces of their own, mode 0600."""
        return self.root / "kubeconfig-nodes"

    @property
    def images(self) -> Path:
        """What `tandem up --images` said, mode 0600: environments may hold secrets."""
        return self.root / "images.json"

    @property
    def database(self) -> Path:
        """The embedded API server's SQLite file, mode 0600."""
        return self.root / "api.db"

    @property
    def control_socket(self) -> Path:
        """Control's gRPC socket for the agents: delta ADS, certificate signing, reports."""
        return self.root / "control.sock"

    @property
    def state(self) -> Path:
        """What `tandem down` needs to know: pids with start times, and the kernel settings as they were before."""
        return self.root / "up.json"

    @property
    def control_log(self) -> Path:
        """The log of API server and control."""
        return self.root / "control.log"

    def nodes(self) -> list[NodeDir]:
        """The directories of all nodes of this machine, by name."""
        folder = self.root / "nodes"
        return [NodeDir(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []

    def node(self, name: str) -> NodeDir:
        """The directory of one node."""
        return NodeDir(self.root / "nodes" / name)
