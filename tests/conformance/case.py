"""One behaviour of the Gateway API as a value: objects, requests with their answers, shares and conditions.

A case is a YAML file `<group>/<NameOfUpstreamsTest>.yaml`; its steps are worked off in order, and within a step objects
are applied, then deleted, then everything that the step expects has to become true and stay so. A field that this file
does not know is an error, so a misspelt expectation cannot pass.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from conformance.material import filled
from pems import pem

HERE: Final = Path(__file__).parent
Raw = dict[str, Any]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Ask(_Strict, frozen=True, kw_only=True):
    """A request. In `to` and in header values `{pod NS/APP}`, `{service NS/NAME}` and `{gateway NS/NAME}` stand for
    addresses, and `{unique}` for a text that no other request has."""

    to: str
    """`host:port` that is dialled; a Host header of its own may be among `headers`."""
    client: str = ""
    """`NS/APP`: sent from the first pod of that label `app` or that name; empty: from outside of the cluster."""
    protocol: Literal["http", "grpc", "websocket", "tcp", "udp"] = "http"
    sni: str = ""
    """HTTPS, or TCP in TLS, with this name of a server, whatever certificate it shows; empty: plain text."""
    certificate: Literal["", "first", "second"] = ""
    """What the client shows in TLS, of `material.py`; empty: nothing."""
    method: str = "GET"
    path: str = "/"
    """For gRPC `/package.Service/Method`."""
    headers: dict[str, str] = {}
    times: int = 1


class Seen(_Strict, frozen=True, kw_only=True):
    """What the application says of the request that reached it; empty: it may be anything."""

    path: str = ""
    host: str = ""
    """Of TCP in TLS: the name that was asked for where the application itself ends it."""
    sni: str = ""
    """The name that was asked for, of an application that speaks HTTPS."""
    certificate: str = ""
    """Whose the certificate is that was shown to such an application."""
    headers: dict[str, str] = {}
    """Names in lower case; a value that occurs several times is joined by commas."""
    absent: tuple[str, ...] = ()
    attempt: int = 0
    """How often a request with its `x-id` has come to this application; 0: any number."""


class Answer(_Strict, frozen=True, kw_only=True):
    """What has to come back."""

    status: int = -1
    """HTTP's status, gRPC's code, of TCP and UDP 1 if bytes came back and 0 if none did; -1: fine."""
    fails: bool = False
    """There is none: the connection is refused, or ended without an answer."""
    backend: str = ""
    """What the answering pod's name begins with."""
    headers: dict[str, str] = {}
    """Of TCP in TLS `certificate`: whose the one is that was shown."""
    absent: tuple[str, ...] = ()
    location: str = ""
    """Of a redirect, with its default port left out."""
    seen: Seen = Seen()


class Exchange(_Strict, frozen=True, kw_only=True):
    """A request and its answer."""

    ask: Ask
    answer: Answer = Answer()


class Shares(_Strict, frozen=True, kw_only=True):
    """How many of `ask.times` requests reach which backend: parts of 1, within `within` of each."""

    ask: Ask
    of: dict[str, float]
    within: float = 0.05


class Mirrored(_Strict, frozen=True, kw_only=True):
    """Of `ask.times` requests, all answered, which part comes to each application (`NS/APP`), copies counted."""

    ask: Ask
    of: dict[str, float]
    within: float = 0.0


class Step(_Strict, frozen=True, kw_only=True):
    """A change and what it leads to. Routes that are applied are expected to be accepted, unless `conditions` say."""

    apply: tuple[Raw, ...] = ()
    delete: tuple[str, ...] = ()
    """`KIND NS/NAME`."""
    exchanges: tuple[Exchange, ...] = ()
    shares: tuple[Shares, ...] = ()
    mirrored: tuple[Mirrored, ...] = ()
    conditions: dict[str, dict[str, str]] = {}
    """`KIND NS/NAME` -> condition type -> `True`, `False REASON` or `absent`: of every parent that is ours, or of an
    object without parents. ` to KIND NS/NAME` behind the key: of that one parent alone, `absent` also without it."""
    listeners: dict[str, dict[str, str]] = {}
    """`NS/GATEWAY/LISTENER`, `ListenerSet NS/SET/LISTENER` -> the same of a listener; also `attachedRoutes`, and
    `supportedKinds` with commas."""
    generated: dict[str, Raw] = {}
    """`NS/GATEWAY` -> what each object made for that Gateway has among its metadata; there has to be one."""
    attached: dict[str, int] = {}
    """`NS/GATEWAY` -> how many ListenerSets are attached to it."""


class Case(_Strict, frozen=True, kw_only=True):
    """One behaviour. `features` as upstream names them: what an implementation declares to be judged by it."""

    name: str
    features: tuple[str, ...]
    says: str
    """The behaviour, in a sentence."""
    steps: tuple[Step, ...]


def cases(group: str) -> tuple[Case, ...]:
    """All cases of a group (a folder beside this file) in the order of their names."""
    found = tuple(_read(path) for path in sorted((HERE / group).glob("[A-Z]*.yaml")))
    return tuple(sorted(found, key=lambda case: case.name))


def base(group: str) -> list[Raw]:
    """The objects that every case of a group finds: `<group>/base.yaml`, with paths and a certificate put in."""
    text = (HERE / group / "base.yaml").read_text()
    chain, key = (base64.b64encode(part).decode() for part in pem())
    for name, value in {"HERE": str(HERE), "PYTHON": sys.executable, "CERTIFICATE": chain, "KEY": key}.items():
        text = text.replace(f"${{{name}}}", value)
    return [raw for raw in yaml.safe_load_all(filled(text)) if raw]


def _read(path: Path) -> Case:
    found = msgspec.convert({"name": path.stem, **yaml.safe_load(filled(path.read_text()))}, Case)
    assert found.name == path.stem
    return found
