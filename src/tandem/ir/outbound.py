"""What a pod of the mesh may reach through its proxy: which hosts it sees, and what becomes of all others."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin


class Visible(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hosts of a namespace (`*`: of any): all (`*`), those below a domain (`*.example.com`), or one.

    At a port, or (0) at all of them.
    """

    namespace: str
    host: str
    port: int = 0

    def covers(self, namespace: str, host: str, port: int) -> bool:
        """True for a port of such a host."""
        named = self.host in {"*", host} or (self.host.startswith("*.") and host.endswith(self.host[1:]))
        return self.namespace in {"*", namespace} and named and self.port in {0, port}


class Outbound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one pod. `origin`: what says so."""

    sees: tuple[Visible, ...] | None = None
    """None: everything that is exported to it."""
    registry_only: bool = False
    """Connections to what it does not see are refused."""
    origin: Origin | None = None

    def covers(self, namespace: str, host: str, port: int) -> bool:
        """Whether the pod sees a port of a host."""
        return self.sees is None or any(one.covers(namespace, host, port) for one in self.sees)


OPEN = Outbound()
