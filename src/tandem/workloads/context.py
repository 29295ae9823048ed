"""What the pods of a node share: where it is, whom it asks, and how much may happen at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from tandem.base.clock import Clock
from tandem.base.paths import NodeDir
from tandem.ingest.kube import KubeClient
from tandem.ingest.recorder import Recorder
from tandem.model.images import Images
from tandem.workloads.attach import Live
from tandem.workloads.cni import Cni

RETRY: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between tries of the same thing; the last one holds for all later tries."""

_WRITES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node."""

    name: str
    addresses: tuple[str, ...]
    """One of each family of the cluster, by preference."""
    dns: tuple[str, ...]
    """The name servers of pods whose DNS policy is ClusterFirst."""
    directory: NodeDir
    client: KubeClient
    cni: Cni
    clock: Clock
    events: Recorder
    slots: asyncio.Semaphore
    """Sandboxes and processes that are being started."""
    images: Images = field(default_factory=Images)
    """What is here of the images that containers name."""
    writes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WRITES))
    """Reports on their way: each needs a connection, and a TLS handshake costs more than waiting for a turn."""
    live: dict[tuple[str, str], Live] = field(default_factory=dict)
    """Containers that run, by pod and name."""


def pause_after(failures: int) -> float:
    """How long to wait after so many failures before this one."""
    return RETRY[min(failures, len(RETRY) - 1)]
