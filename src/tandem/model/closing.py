"""Raw policies of which not everything is understood -> policies that are closed where it is not. Pure.

A field that nobody here knows, or of another type than ours, belongs to a newer version of the API: what it says may
close something. The smallest part that holds it is replaced by one that translation fails closed on: a peer or port, a
rule, the subject, or all of it. `metadata.unreadable` of the policy says what was not understood, with its path.
"""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from typing import Any, Final

import msgspec

from tandem.model.kinds import POLICIES, name_of
from tandem.model.meta import Object, RawObject
from tandem.model.parse import ParseError, parse
from tandem.model.schemas.tables import fields
from tandem.model.schemas.walk import unknown_fields

Raw = dict[str, Any]
CLOSING: Final = (
    *POLICIES,
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "ServiceIntentions",
    "JWTProvider",
    "Server",
    "BackendTLSPolicy",
)
"""Kinds that close something: one that cannot be read is never as if it were not there."""
_RULE: Final = re.compile(r"spec\.(ingress|egress)\[(\d+)\](?:\.(?P<list>from|to|ports|protocols)\[(\d+)\])?")
_TEXTS: Final = frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"})
_NO_PROTOCOL: Final = "(not understood)"


def read_policy(raw: RawObject) -> Object:
    """The policy behind a raw object of a kind of CLOSING; raises ParseError if not even its name can be read."""
    kind = name_of(raw)
    faults = list(unknown_fields(raw.get("spec"), fields(kind)["spec"].type.base, "spec"))
    body: Raw = {k: copy.deepcopy(v) if k == "spec" and faults else v for k, v in raw.items()}
    for line in faults:
        _close(kind, body, _path(line))
    while True:
        try:
            found = parse(body)
        except ParseError as err:
            if not faults:
                body = copy.deepcopy(body)
            faults.append(str(err))
            if not _close(kind, body, _path(faults[-1])):
                raise
            continue
        if not found.metadata.name:
            raise ParseError("metadata.name: Required value")
        if not faults:
            return found
        meta = msgspec.structs.replace(found.metadata, unreadable=tuple(faults))
        return msgspec.structs.replace(found, metadata=meta)


def _path(line: str) -> str:
    return line.partition(": ")[0]


def _close(kind: str, body: Raw, path: str) -> bool:
    """Replace the part at `path`; False if nothing can be done about it."""
    before = copy.deepcopy(body)
    if path.startswith("status"):
        body.pop("status", None)
    elif path.startswith("metadata."):
        body["metadata"] = _plain(body["metadata"])
    elif kind == "PeerAuthentication":
        _close_mtls(body)
    elif kind == "AuthorizationPolicy":
        _close_selected(body, path, {"action": "DENY", "rules": [{}]})
    elif kind == "RequestAuthentication":
        _close_selected(body, path, {})
    elif kind == "Server":
        _close_server(body, path)
    elif kind == "BackendTLSPolicy":
        _close_targets(body, path)
    elif kind == "ServiceIntentions":
        _close_destination(body, path)
    elif kind == "JWTProvider":
        body["spec"] = {}
    else:
        with suppress(KeyError, IndexError, TypeError):  # closed before, with what holds it
            (_close_network if kind == "NetworkPolicy" else _close_tier)(body, path)
    return body != before


def _plain(meta: Raw) -> Raw:
    """What of the metadata can be read for certain."""
    kept: Raw = {k: v for k, v in meta.items() if k in _TEXTS and isinstance(v, str)}
    if isinstance(meta.get("generation"), int):
        kept["generation"] = meta["generation"]
    for name in ("labels", "annotations"):
        if isinstance(meta.get(name), dict):
            kept[name] = {k: v for k, v in meta[name].items() if isinstance(v, str)}
    return kept


def _close_selected(body: Raw, path: str, closed: Raw) -> None:
    """Everything is denied to whom it is about; to the whole namespace where that cannot be read."""
    spec = body.get("spec")
    selector = spec.get("selector") if isinstance(spec, dict) and not path.startswith("spec.selector") else None
    body["spec"] = {**({"selector": selector} if selector else {}), **closed}


def _close_server(body: Raw, path: str) -> None:
    """Nothing but the pods and the port is left; every pod, and every port, where those cannot be read."""
    spec = body.get("spec")
    known = {k: v for k, v in spec.items() if k in {"podSelector", "port"}} if isinstance(spec, dict) else {}
    lost = {name for name in known if path.startswith(f"spec.{name}")}
    body["spec"] = {"podSelector": {}} | {k: v for k, v in known.items() if k not in lost}


def _close_targets(body: Raw, path: str) -> None:
    """Nothing but the targets is left: to those nothing is sent, and to no backend of the namespace without them."""
    spec = body.get("spec")
    refs = spec.get("targetRefs") if isinstance(spec, dict) and not path.startswith("spec.targetRefs") else None
    body["spec"] = {"targetRefs": refs} if refs else {}


def _close_destination(body: Raw, path: str) -> None:
    """Nothing but the destination is left: without sources, of an object that was not understood, nobody is allowed."""
    spec = body.get("spec")
    asked = spec.get("destination") if isinstance(spec, dict) and not path.startswith("spec.destination") else None
    body["spec"] = {"destination": asked} if asked else {}


def _close_mtls(body: Raw) -> None:
    """Encryption is asked for of whom it could be asked for."""
    spec = body.get("spec")
    selector = spec.get("selector") if isinstance(spec, dict) else None
    labels = selector.get("matchLabels") if isinstance(selector, dict) else None
    strict: Raw = {"mtls": {"mode": "STRICT"}}
    sound = isinstance(labels, dict) and all(isinstance(v, str) for v in labels.values())
    body["spec"] = {"selector": {"matchLabels": labels}, **strict} if sound else strict


def _close_network(body: Raw, path: str) -> None:
    """Peers and ports that match nothing, rules that allow nobody, and isolation of whoever may be selected."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        body["spec"] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        return
    if found := _RULE.match(path):
        side, index, name, part = found[1], int(found[2]), found["list"], found[4]
        if part is not None:
            spec[side][index][name][int(part)] = {"protocol": _NO_PROTOCOL} if name == "ports" else {}
        else:
            spec[side][index] = {"from" if side == "ingress" else "to": [{}]}
        return
    types: Any = spec.get("policyTypes")
    if not isinstance(types, list) or not types or path.startswith("spec.policyTypes"):
        types = ["Ingress", "Egress"]
    if path.startswith("spec.policyTypes"):
        spec["policyTypes"] = types
    elif path in {"spec.ingress", "spec.egress"}:
        spec |= {path.partition(".")[2]: [], "policyTypes": types}
    else:
        selector: Any = {} if path.startswith("spec.podSelector") else spec.get("podSelector") or {}
        body["spec"] = {"podSelector": selector, "policyTypes": types}


def _close_tier(body: Raw, path: str) -> None:
    """Peers, protocols and subjects of which no field is set; what they make of a rule is translation's business."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        body["spec"] = {"ingress": [{}], "egress": [{}]}
    elif found := _RULE.match(path):
        side, index, name, part = found[1], int(found[2]), found["list"], found[4]
        if part is not None:
            spec[side][index][name][int(part)] = {}
        else:
            spec[side][index] = _unclear(spec[side][index])
    elif path in {"spec.ingress", "spec.egress"}:
        spec[path.partition(".")[2]] = [{}]
    elif path.startswith("spec.subject"):
        spec["subject"] = {}
    else:  # with another place among the policies, an Accept would open: it is the first, and accepts nothing
        if path in {"spec.tier", "spec.priority"}:
            spec |= {"tier": "Admin", "priority": 0}
        kept = {k: spec[k] for k in ("tier", "priority", "subject") if k in spec}
        rules = {side: spec[side] for side in ("ingress", "egress") if isinstance(spec.get(side), list)}
        body["spec"] = {**kept, **{side: [_unclear(rule) for rule in every] for side, every in rules.items()}}


def _unclear(rule: object) -> Raw:
    """A rule without any peer: an Accept matches nothing, any other denies everything."""
    action = rule.get("action") if isinstance(rule, dict) else None
    return {"action": action} if isinstance(action, str) else {}
