"""Forms that fields of several kinds of Istio's share: hosts, gateways, headers, exports. Pure.

Each takes a value and says what is wrong with it, None if nothing; letters of either case are taken in names, as
istiod's admission takes them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tandem.base.addresses import is_address

_LONGEST: Final = 255
_PART: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_FIRST: Final = re.compile(rf"\*|(\*-?)?{_PART.pattern}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CLAIM: Final = re.compile(r"@request\.auth\.claims(\..+|(\[[^\[\]]+\])+)", re.IGNORECASE)
_COMMANDS: Final = re.compile(r"([^%]|%%|%[A-Za-z0-9_]+(\([^)]*\))?(:[0-9]+)?%)*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OF_SUBSET: Final = re.compile(r"outbound_\.[0-9]+_\.[^_]*_\.[A-Za-z0-9].*")
_PSEUDO: Final = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
SOCKET: Final = "unix://"
PROTOCOLS: Final = (
    "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY", "HTTPS", "TLS", "TCP", "UDP", "MONGO", "MYSQL", "REDIS",
)  # fmt: skip
"""Of ports, in whatever case."""


def name_fault(text: str) -> str | None:
    """Of a domain name without wildcards; a dot may end it."""
    parts = text.removesuffix(".").split(".")
    if not 0 < len(text) <= _LONGEST or not all(map(_PART.fullmatch, parts)):
        return f"{text!r} is not a domain name"
    return f"{text!r} is not a domain name: its last part is a number" if parts[-1].isdigit() else None


def host_fault(text: str) -> str | None:
    """Of a host, whose first part may be, or begin with, a `*`."""
    first, _, rest = text.partition(".")
    if not 0 < len(text) <= _LONGEST or _FIRST.fullmatch(first) is None or (rest and name_fault(rest)):
        return f"{text!r} is not a host name"
    return None


def sni_fault(text: str) -> str | None:
    """Of a host at a gateway that tells sessions apart: names that proxies make of subsets are taken, too."""
    return None if _OF_SUBSET.fullmatch(text) else host_fault(text)


def scoped_host_fault(text: str, *, addresses: bool = False, but: bool = False) -> str | None:
    """Of `NAMESPACE/HOST`, where a host is a `*` or has a dot; `addresses`: or is one. `but`: `~NAMESPACE` is taken."""
    namespace, slash, host = text.partition("/")
    if not slash:
        return f"{text!r} is not NAMESPACE/HOST"
    if but:
        namespace = namespace.removeprefix("~") or ("*" if namespace else "")
    if namespace not in {"*", "."} and not is_label(namespace):
        return f"{text!r} is not NAMESPACE/HOST: {namespace!r} is no namespace"
    return full_host_fault(host, addresses=addresses)


def full_host_fault(host: str, *, addresses: bool = False) -> str | None:
    """Of a host that is a `*` or has a dot; no other `*` than that of `*.` is taken. `addresses`: or is one."""
    if host == "*" or (addresses and is_address(host)):
        return None
    if "." not in host:
        return f"{host!r} is not a host name with a dot in it"
    return f"{host!r} is not a host name" if "*" in host.removeprefix("*.") else host_fault(host)


def is_label(text: str) -> bool:
    """Whether it is a DNS label."""
    return _PART.fullmatch(text) is not None


def gateway_fault(text: str) -> str | None:
    """Of a Gateway's name: `NAME`, `NAMESPACE/NAME`, or `mesh`."""
    namespace, slash, name = text.partition("/")
    if not slash:
        return f"{text!r} is no name of a Gateway" if name_fault(text) else None
    return None if is_label(namespace) and is_label(name) else f"{text!r} is not NAMESPACE/NAME of a Gateway"


def header_fault(name: str) -> str | None:
    """Of the name of a header."""
    return None if _TOKEN.fullmatch(name) else f"{name!r} is not a header name"


def matched_header_fault(name: str) -> str | None:
    """Of what a match looks at: a header, a part of the request (`:method`), or a claim of its token."""
    if name in _PSEUDO or _CLAIM.fullmatch(name):
        return None
    if name.startswith("@"):
        return f"{name!r} names no claim: @request.auth.claims.NAME or @request.auth.claims[NAME]"
    return header_fault(name)


def header_value_fault(value: str) -> str | None:
    """Of a value that is set: `%` begins a command (`%PROTOCOL%`, `%REQ(x-a)%`), `%%` is the sign itself."""
    if _CONTROL.search(value):
        return f"{value!r} has control characters in it"
    if _COMMANDS.fullmatch(value) is None:
        return f"{value!r}: a % begins a command such as %PROTOCOL%; write %% for the sign itself"
    return None


def socket_fault(text: str) -> str | None:
    """Of the address of a socket of the file system (`unix:///path` or `unix://@name`); None for any other address."""
    if not text.startswith(SOCKET):
        return None
    path = text.removeprefix(SOCKET)
    return None if path[:1] in {"/", "@"} and not path.endswith("/") else f"{text!r}: the path must be absolute"


def block_fault(text: str) -> str | None:
    """Of an address or a prefix, in which bits of hosts may be set."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is neither an address nor a prefix"
    return None


def protocol_fault(text: str) -> str | None:
    """Of a port's protocol, which may be empty."""
    return None if not text or text.upper() in PROTOCOLS else f"{text!r} is none of {', '.join(PROTOCOLS)}"


def each(values: Iterable[str] | None, at: str, fault: Any) -> Iterator[str]:
    """A line for each value of a list with a fault. What is none is a field that nobody knows, and told as that."""
    for i, value in enumerate(values if isinstance(values, list | tuple) else ()):
        if wrong := fault(value):
            yield f"{at}[{i}]: {wrong}"


def exports(raw: dict[str, Any], *, nobody: bool = False) -> Iterator[str]:
    """What is wrong with `spec.exportTo` of a whole object; `nobody`: a lone `~` is taken."""
    listed = (raw.get("spec") or {}).get("exportTo") or []
    home = (raw.get("metadata") or {}).get("namespace") or "default"
    seen: set[str] = set()
    for i, text in enumerate(listed):
        at = f"spec.exportTo[{i}]"
        if text not in {".", "*"} and not is_label(text) and not (nobody and text == "~"):
            yield f"{at}: {text!r} is neither . nor * nor a namespace"
        elif text in {"*", "~"} and len(listed) > 1:
            yield f"{at}: {text!r} may not be given together with others"
        elif (home if text == "." else text) in seen:
            yield f"{at}: {text!r} occurs twice"
        seen.add(home if text == "." else text)
