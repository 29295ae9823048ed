"""Key sets over HTTP and HTTPS from inside a pod's namespace: the pod's policies, routes and identity count for it.

Certificates are verified with the roots of the system. What is answered is bounded in time and size.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
from functools import partial
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.jwks.port import Answer, Place, Resolve

LARGEST: Final = 1 << 20
REDIRECTS: Final = 3
CONFIGURATION: Final = "/.well-known/openid-configuration"
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=(\d+)")


class HttpFetcher:
    """Keeps nothing open."""

    def __init__(self, cafile: str | None = None) -> None:
        self._cafile = cafile

    def fetch(self, place: Place, netns: str, resolve: Resolve) -> Answer:
        """One key set; of an issuer by way of its configuration."""
        resolve = partial(_addresses, resolve=resolve, outward=place.outward)
        ask = partial(self._get, netns=netns, resolve=resolve, timeout=place.timeout)
        if not place.discover:
            return ask(place.url)
        found = _configured(ask(place.url.rstrip("/") + CONFIGURATION).text)
        if urlsplit(place.url).scheme == "https" and urlsplit(found).scheme != "https":
            raise DriverError("the issuer's configuration names a jwks_uri without TLS")
        return ask(found)

    def _get(self, url: str, *, netns: str, resolve: Resolve, timeout: float) -> Answer:
        for _ in range(REDIRECTS + 1):
            parts = urlsplit(url)
            try:
                status, answer, location = self._once(parts, netns, resolve, timeout)
            except (OSError, http.client.HTTPException, UnicodeDecodeError, ValueError) as err:
                raise DriverError(f"{url}: {_words(err)}") from err
            if status not in {301, 302, 303, 307, 308}:
                if status != 200:
                    raise DriverError(f"{url}: answered with status {status}")
                return answer
            further = urljoin(url, location)
            if parts.scheme == "https" and urlsplit(further).scheme != "https":
                raise DriverError(f"{url}: redirects to a place without TLS")
            url = further
        raise DriverError(f"{url}: redirects too often")

    def _once(self, parts: SplitResult, netns: str, resolve: Resolve, timeout: float) -> tuple[int, Answer, str]:
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("is not a URL of http or https")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        sock = _connect(netns, resolve(parts.hostname), port, timeout)
        limit = threading.Timer(timeout, partial(_shut, sock))
        limit.start()
        with contextlib.closing(http.client.HTTPConnection(parts.hostname, port, timeout=timeout)) as connection:
            try:
                connection.sock = self._secured(sock, parts.hostname) if parts.scheme == "https" else sock
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                headers = {"Host": parts.netloc.rpartition("@")[2], "Accept": "application/json", "Connection": "close"}
                connection.request("GET", path, headers=headers)
                with contextlib.closing(connection.getresponse()) as response:
                    body = response.read(LARGEST + 1)
            finally:
                limit.cancel()
                sock.close()
        if len(body) > LARGEST:
            raise ValueError("the answer is too large")
        seconds = _MAX_AGE.search(response.headers.get("cache-control", ""))
        answer = Answer(text=body.decode(), seconds=float(seconds[1]) if seconds else None)
        return response.status, answer, response.headers.get("location", "")

    def _secured(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self._cafile)
        return context.wrap_socket(sock, server_hostname=host)


def _addresses(host: str, *, resolve: Resolve, outward: bool) -> tuple[str, ...]:
    try:
        found: tuple[str, ...] = (str(ipaddress.ip_address(host)),)
    except ValueError:
        found = resolve(host)
    if not found:
        raise ValueError(f"{host} has no address")
    usable = tuple(address for address in found if not (outward and _is_inner(address)))
    if not usable:
        raise ValueError(f"{host} is an address of the host itself")
    return usable


def _is_inner(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    one = mapped if mapped is not None else parsed
    return one.is_loopback or one.is_link_local or one.is_unspecified or one.is_multicast


def _connect(netns: str, addresses: tuple[str, ...], port: int, timeout: float) -> socket.socket:
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):
            return in_netns(netns, partial(socket.create_connection, (address, port), timeout))
    return in_netns(netns, partial(socket.create_connection, (last, port), timeout))


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _configured(text: str) -> str:
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    place = found.get("jwks_uri") if isinstance(found, dict) else None
    if not isinstance(place, str):
        raise DriverError("the issuer's configuration names no jwks_uri")
    return place


def _words(err: Exception) -> str:
    """Without what the server said."""
    if isinstance(err, OSError | ValueError):
        return getattr(err, "strerror", None) or str(err) or type(err).__name__
    return f"no answer of HTTP ({type(err).__name__})"
