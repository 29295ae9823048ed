"""IR -> xDS: what a node's one Envoy should have, as JSON trees. `compile_envoy` is the whole of it."""

from __future__ import annotations

from tandem.compile.envoy.snapshot import compile_envoy

__all__ = ["compile_envoy"]
