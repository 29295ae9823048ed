"""Writes docs/reference/json.md from the models behind `-o json`; `--check` only says whether it is current.

Field names, types and presence come from the Structs; a field's meaning is the string below it in the source. What has
no Struct (the status, which is put together from several models, and the answers of `up` and `down`) is described here.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields as dataclass_fields
from enum import Enum
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from pages import keep

from tandem.base.problems import Origin
from tandem.drivers.process.daemon import DaemonStatus
from tandem.observe.flow import Flow, Http, Party
from tandem.runtime.address_check import Finding
from tandem.runtime.cni_status import CniStatus, Place, Served
from tandem.views.addresses import Addresses, BlockShare, Found, Lent, NodeUse, PoolUse, Reserved
from tandem.views.explain import Explanation, Line, Way
from tandem.views.health import ObjectState
from tandem.views.intent_check import Breach, IntentReport, IntentResult
from tandem.views.matrix import Cell, End, Matrix

TARGET: Final = Path(__file__).parents[1] / "docs" / "reference" / "json.md"
STRUCTS: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    ("flows", (Flow, Party, Http)),
    ("explain", (Explanation, Way, Line)),
    ("verify", (IntentReport, IntentResult, Breach, Matrix, Cell, End)),
    ("cni status", (CniStatus, Place, Served)),
    ("ipam", (Addresses, PoolUse, NodeUse, BlockShare, Lent, Reserved, Found, Finding)),
    ("Everywhere", (Origin,)),
)
PROSE: Final[dict[str, str]] = {
    "flows": '`tandem flows -o json` prints one object `{"flows": [Flow, …]}`, oldest first; with `--follow` '
    "one Flow a line.",
    "explain": "`tandem explain … -o json` prints one Explanation. Exit status 0 if `allowed`, else 1; 2 where there "
    "is no answer, and then nothing is printed.",
    "verify": "`tandem verify -f FILE -o json` prints one IntentReport, exit status 0 if `holds`. "
    "`tandem verify matrix -o json` prints one Matrix, exit status 0 if `equal`.",
    "cni status": "`tandem cni status -o json` prints one CniStatus. Exit status 1 if `code` is not 0, or a place is "
    "not `unchanged`. `cni install` and `cni uninstall` print what `down` prints.",
    "ipam": "`tandem ipam show -o json` prints one Addresses; with an address, one Found. `tandem ipam check -o json` "
    'prints `{"findings": [Finding, …]}`, exit status 1 unless there is none. `tandem ipam release -o json` prints '
    "node, container and addresses of what was released.",
    "Everywhere": "The manifest, and the place in it, that something came from.",
}
MEANINGS: Final[dict[str, str]] = {
    "Flow.time": "Seconds since 1970.",
    "Flow.node": "The node that reported it.",
    "Flow.verdict": "`error`: allowed, but it failed (no endpoint, timeout, an answer of the proxy). `staged`: it went "
    "on, and a staged policy would have denied it.",
    "Flow.layer": "Which layer decided: L4 the kernel or mTLS, L7 the proxy.",
    "Flow.source": "Who.",
    "Flow.destination": "Whom.",
    "Flow.tls": "The proxy saw mutual TLS on this connection.",
    "Flow.http": "Of requests only.",
    "Party.port": "Absent where there is none (ICMP).",
    "Party.identity": "SPIFFE id; in kernel flows, the one that the address belongs to.",
    "Http.code": "Status of the answer.",
    "Explanation.summary": "One sentence for people; not stable.",
    "Explanation.source": "FROM as it was found.",
    "Explanation.destination": "TO as it was found, with the port, and with its protocol where that is not TCP.",
    "Explanation.route": "The steps that chose the backends: of DNS, of the Service or gateway, and of routes.",
    "Explanation.ways": "One for each endpoint that could be chosen.",
    "Way.port": "0 of ICMP.",
    "Explanation.decided_by": "The rules that deny; empty if allowed.",
    "Way.decided_by": "The rules that deny this way.",
    "Way.steps": "Every rule on the way, in the order of judging.",
    "Line.layer": "`DNS`, `Service`, `endpoints`, `L7 route`, `egress policy` or `ingress policy` (with its tier), "
    "`staged`, `mTLS`, …",
    "Line.effect": "What the step did: `accepts`, `denies`, `passes`, `isolates`, `allows`, `default allow`, …",
    "Line.text": "For people; not stable.",
    "Line.rule": "The rule that the step is about.",
    "IntentReport.holds": "Every sentence does.",
    "IntentReport.broken": "How many do not.",
    "IntentReport.results": "In the order of the files.",
    "IntentResult.intent": "The sentence.",
    "IntentResult.breaches": "Why it does not hold; at most 100.",
    "Breach.text": "For people; not stable.",
    "Breach.source": "One end of those that are meant.",
    "Breach.destination": "The other.",
    "Breach.rules": "The rules that make it so; none: nothing does, as `text` says.",
    "Matrix.equal": "All is as it should be.",
    "Matrix.asked": "How many cells.",
    "Matrix.differences": "How many are not equal.",
    "Matrix.unknown": "How many cannot be known.",
    "Matrix.ends": "Rows and columns.",
    "Matrix.cells": "Each source to each destination, at each address and port.",
    "Matrix.seconds": "How long it took.",
    "Cell.expected": "By the API's objects.",
    "Cell.observed": "By packets.",
    "Cell.equal": "Whether they agree.",
    "Cell.detail": "What was seen of an answer that is not the server's.",
    "Cell.tries": "How often it was asked.",
    "Cell.by": "The rules that deny it.",
    "Cell.source": "The row.",
    "Cell.destination": "The column.",
    "Cell.protocol": "TCP, UDP or SCTP.",
    "IntentResult.holds": "Whether it is so.",
    "End.addresses": "One of each family.",
    "End.pod": "Namespace and name, of pods.",
    "Origin.kind": "Kind of the object.",
    "Origin.path": "Field path inside the object, such as `spec.ingress[0]`.",
    "Origin.source": "`file:line`, where the object was applied from a file by `tandem`.",
    "DaemonStatus.pid": "0: not running.",
    "DaemonStatus.restarts": "Since the agent started.",
    "ObjectState.programmed": "In force on every node and proxy that it concerns.",
    "ObjectState.message": "Why not.",
}
"""What the source says in the docstring of the whole, or does not need to say."""

STATUS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "policy[]": {
        "verdict": ("`allowed`, `denied` or `staged`", "`staged`: went on, and a staged policy would have denied it."),
        "count": ("integer", "First packets of connections that rules of all nodes have so judged."),
    },
    "nodes[]": {
        "name": ("string", ""),
        "address": ("string", "Under which other nodes reach it."),
        "addresses": ("list of string", "One of each family, that one first."),
        "podCIDR": ("string", "Where its pods' addresses come from."),
        "podCIDRs": ("list of string", "One of each family, that one first."),
        "ready": ("boolean", "Runtime, agent, Envoy and DNS server are up, and nothing was refused."),
        "agent": ("{connected, pid}", "The agent's connection to control, and its process."),
        "envoy": (
            "DaemonStatus, and `acknowledged`",
            "The node's Envoy; by type, how many resources it has in force and one version over all of theirs.",
        ),
        "dns": ("DaemonStatus", "The node's DNS server."),
        "network": (
            "{fabric, mtu, underlayMTU, overhead, paths, opened, problems}",
            "MTUs, and the bytes added; `paths`: list of {node, carries}, the longest packet that gets through.",
        ),
        "bgp": (
            "DaemonStatus, and `sessions`, or null",
            "{peer, address, asNumber, state, accepted, refused, announced, error} of each session; null without BGP.",
        ),
        "encryption": (
            "{by, publicKey, ready, peers}, or null",
            "`by`: wireguard (the kernel's) or tun; `peers`: list of {node, handshake}, the last one.",
        ),
        "fastPath": (
            "{addresses, packets, why}, or null",
            "Pods' addresses that have it, packets that went it; `why` it is off, empty where it is not.",
        ),
        "names": (
            "{patterns, known, addresses}, or null",
            "Domain names in policies: `patterns` of pods of the node, how many names have addresses, and which (200).",
        ),
        "resources": ("{sent, accepted, refused}", "Counts of what control sent; `refused` is a list of texts."),
        "drift": (
            "{found, repaired, newest}",
            "Changes by others to rules and pods' links; `newest`: the last ten, {time, by, pid, what, pod}.",
        ),
        "figures": (
            "{adds, addWaitSeconds, addBoundHits, connectionsEnded}",
            "Of the agent since it started; more by its metrics (docs/tasks/metrics.md). Empty before it has told.",
        ),
        "certificates": (
            "list of {identity, notAfter, signer}",
            "What the node holds; `signer` as in `tandem ca show`.",
        ),
        "problems": ("list of string", "What the node could not put in force, and why."),
        "pods": ("integer", "Pods bound to it that have not finished."),
    },
    "pods[]": {
        "namespace": ("string", ""),
        "name": ("string", ""),
        "node": ("string", "Empty: not scheduled yet."),
        "address": ("string", ""),
        "addresses": ("list of string", "One of each family."),
        "phase": ("string", "As in the API, or `Terminating`."),
        "ready": ("boolean", ""),
        "message": ("string", "Why it is not ready, where that is known."),
        "mesh": ("boolean", "In the mesh or not."),
        "identity": ("string", "SPIFFE id; empty outside the mesh."),
    },
    "deployments[]": {
        "namespace": ("string", ""),
        "name": ("string", ""),
        "wanted": ("integer", "Replicas asked for."),
        "ready": ("integer", "Replicas of the newest template that are ready."),
    },
    "statefulSets[]": {
        "namespace": ("string", ""),
        "name": ("string", ""),
        "wanted": ("integer", "Replicas asked for."),
        "ready": ("integer", "Replicas of the newest template that are ready."),
    },
    "problems[]": {
        "severity": ("`error` or `warning`", ""),
        "code": ("string", "A reason of [conditions](conditions.md)."),
        "text": ("string", "For people; not stable."),
        "origin": ("Origin", "Where; `namespace` and `path` are always there."),
    },
}
"""Section -> key -> type and meaning. `tests/unit/docs/test_json.py` holds it against the view."""

HEAD: Final = """\
# JSON forms

Written by `tools/make_json_reference.py` from the models; do not edit.

These forms are stable: fields are added, and neither removed nor given another meaning, without a line in the
changelog. Readers should ignore fields that they do not know. Texts for people may change. Fields marked "may be
absent" are left out when they are empty, 0 or false.

Objects of the API (`tandem get -o json`) have the forms of Kubernetes, Istio and the Gateway API.

`tandem apply -o json` prints `objects` (a list of `kind`, `namespace`, `name`, `outcome`, `message`; the outcome is
created, configured, unchanged or refused), `warnings` (a list of texts, also on standard error) and `dryRun`.
`tandem delete -o json` prints `deleted` (a list of `kind`, `namespace`, `name`) and `gone` (whether it was waited for).
`tandem describe -o json` prints `object`, as in the API, and `related`: heading to a list of texts.

`GET /apis/views.tandem.io/v1/counts?kind=&namespace=&name=` answers `counts`: a list of `rule` (Origin), `verdict`,
`direction` and `count`, of all nodes together.
"""
UP_DOWN: Final = """\
## up and down

`tandem up … -o json` prints, when it is ready or the time is over:

| field | type | meaning |
|---|---|---|
| `ready` | boolean | Everything is ready and in force; otherwise the exit status is 1. |
| `reasons` | list of string | What was still to wait for. |
| `seconds` | number | From start to this answer. |

`tandem down -o json` prints:

| field | type | meaning |
|---|---|---|
| `done` | list of string | What was stopped and removed. |
| `left` | list of string | What could not be removed; then the exit status is 1. |
"""


def reference() -> str:
    """The whole page."""
    parts = [HEAD, _status()]
    for title, structs in STRUCTS:
        parts.append(f"## {title}\n\n{PROSE[title]}\n")
        parts += [_struct(s) for s in structs]
    return "\n".join([*parts, UP_DOWN])


def _status() -> str:
    sections = ", ".join(f"`{name.removesuffix('[]')}`" for name in (*STATUS, "objects"))
    lines = ["## status", "", f"`tandem status -o json` prints one object with the lists {sections}.", ""]
    for name, keys in STATUS.items():
        lines += [f"### {name}", "", "| field | type | meaning |", "|---|---|---|"]
        lines += [f"| `{key}` | {kind} | {meaning} |" for key, (kind, meaning) in keys.items()]
        lines.append("")
    return "\n".join(lines) + "\n" + _struct(DaemonStatus) + "\n" + _struct(ObjectState, "objects[]")


def _struct(struct: type, title: str = "") -> str:
    hints = get_type_hints(struct)
    meanings = _meanings(struct)
    lines = [
        f"### {title or struct.__name__}",
        "",
        (inspect.getdoc(struct) or "").split("\n\n")[0].replace("\n", " "),
        "",
    ]
    lines += ["| field | type | meaning |", "|---|---|---|"]
    for name, absent in _fields(struct):
        meaning = " ".join(filter(None, (meanings.get(name, ""), "May be absent." if absent else "")))
        lines.append(f"| `{name}` | {_type(hints[name])} | {meaning} |")
    return "\n".join(lines) + "\n"


def _fields(struct: type) -> Iterator[tuple[str, bool]]:
    """Each field with whether it may be absent from the JSON."""
    if issubclass(struct, msgspec.Struct):
        for field in msgspec.structs.fields(struct):
            yield field.encode_name, not field.required and struct.__struct_config__.omit_defaults
        return
    for plain in dataclass_fields(struct):
        yield plain.name, False


def _meanings(struct: type) -> Mapping[str, str]:
    """The string under each field in the source, else what MEANINGS says."""
    body = next(n for n in ast.parse(textwrap.dedent(inspect.getsource(struct))).body if isinstance(n, ast.ClassDef))
    found = {k.partition(".")[2]: v for k, v in MEANINGS.items() if k.startswith(f"{struct.__name__}.")}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            text = ast.literal_eval(after.value)
            found[before.target.id] = " ".join(inspect.cleandoc(text).split())
    return found


def _type(hint: Any) -> str:
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
    if hint in plain:
        return plain[hint]
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(_type(a) for a in get_args(hint) if a is not type(None))
    if get_origin(hint) is tuple:
        return f"list of {_type(get_args(hint)[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    return str(hint.__name__)


def main() -> int:
    """Write the page, or compare it."""
    return keep(TARGET, reference())


if __name__ == "__main__":
    sys.exit(main())
