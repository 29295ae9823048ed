"""What a host of a ServiceEntry is beyond a Service: how it is told from others, and who sees it."""

from __future__ import annotations

import msgspec


class External(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A host that is no Service of the cluster. Its `Service` is named after it (`ir/fabric.py`)."""

    host: str
    """In lower case; `*.` at the beginning stands for one or more labels."""
    prefixes: tuple[str, ...] = ()
    """Addresses and prefixes that are dialled for it; sorted. Empty: it is known by its name alone."""
    passes: bool = False
    """Connections keep the address that was dialled (resolution NONE)."""
    dynamic: bool = False
    """It is a pattern, of which each name is resolved by whoever is asked for it (DYNAMIC_DNS)."""
    one_address: bool = False
    """Of a name's addresses one is used at a time (DNS_ROUND_ROBIN)."""
    answered: bool = False
    """The cluster's DNS answers for it, with its addresses if it has some; a pattern: for names below."""
    exported: tuple[str, ...] = ("*",)
    """Namespaces whose pods see it."""

    def seen_from(self, namespace: str) -> bool:
        """True if pods of the namespace see it."""
        return "*" in self.exported or namespace in self.exported

    def covers(self, name: str) -> bool:
        """True if it is the host meant by a name in lower case."""
        return name.endswith(self.host[1:]) if self.host.startswith("*") else name == self.host
