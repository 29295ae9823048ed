"""Envoy's pooled connections to where policy no longer lets it go: closed, so that the next request meets the policy.

In: a pod's namespace and destinations. Out: closed sockets. A connection of the application itself is left alone: it
finds silence, as Kubernetes has it. Where the kernel cannot close sockets (CONFIG_INET_DIAG_DESTROY) nothing happens,
and Envoy gives up by itself after TCP_USER_TIMEOUT.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection

from tandem.base.problems import DriverError
from tandem.state.ownership import ENVOY_MARK

Peer = tuple[str, int]
"""Address and port."""


def abort_upstream(netns: str, peers: Collection[Peer]) -> None:
    """Close the sockets with Envoy's mark that are connected to `peers`; raises DriverError."""
    if not peers:
        return
    where = " or ".join(f"dst {address}:{port}" for address, port in sorted(peers))
    expression = f"fwmark = {ENVOY_MARK} and ( {where} )"
    argv = ["nsenter", f"--net={netns}", "ss", "--kill", "--tcp", "--no-header", *expression.split()]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DriverError(f"sockets of {netns}: {done.stderr.strip()}")
