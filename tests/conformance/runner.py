"""Runs conformance cases in a real world: `tandem up`, real pods, a real Envoy, requests from where the case says.

In: a new `Lab` and the group of its cases. Out: for each case nothing, or an AssertionError that says which expectation
did not hold, and what came instead. A group is a folder beside this file with a case in each YAML file (see `case.py`)
and what all of them find in `base.yaml`; a new one needs a line in GROUPS and a test in `test_conformance.py`. After a
change `tools/make_gateway_api.py` runs everything and writes the table of the results.
"""

from __future__ import annotations

import http
import json
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from conformance.case import HERE, Answer, Ask, Case, Exchange, Mirrored, Raw, Shares, Step, base
from conformance.material import pair
from e2e.lab import RUN, Lab, until
from tandem.base.paths import RunDir
from tandem.model.gateways import CONTROLLER

GROUPS: Final = ("mesh", "gateway")
"""Folders with cases; each is run in a world of its own."""
PATIENCE: Final = 45.0
"""How long an expectation may take to become true; it then has to hold CALM times in a row."""
SETTLING: Final = 5.0
"""How long copies of requests are waited for."""
CALM: Final = 3
FINE: Final = {"grpc": 0, "tcp": 1, "udp": 1}
"""What an answer has in place of HTTP's 200 if it is fine."""
_PLACE: Final = re.compile(r"\{(pod|service|gateway) ([^/}]+)/([^}]+)\}")
_ROUTES: Final = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
_GENERATED: Final = ("ServiceAccount", "Pod", "Service")
"""Kinds of which upstream's suite looks for objects made for a Gateway."""
_GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
_ACCEPTED: Final = {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True"}


class Runner:
    """Works cases off, one after the other; what a case applied is gone before the next one. A context manager."""

    def __init__(self, lab: Lab, group: str) -> None:
        self._lab = lab
        self._clients: dict[str, subprocess.Popen[str]] = {}
        self._pods: dict[str, Raw] = {}
        lab.tandem("up", "--detach", status=0)
        lab.apply(*base(group))
        self._desk = lab.start(sys.executable, str(HERE / "desk.py"), str(RunDir(RUN).kubeconfig))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._desk, *self._clients.values()):
            process.kill()
            process.communicate()

    def run(self, case: Case) -> None:
        """Every step of the case; then everything that it applied is deleted."""
        applied: dict[str, Raw] = {}
        try:
            for step in case.steps:
                self._step(step, applied)
        finally:
            if applied:
                self._asked("delete", objects=list(applied.values()))

    def _step(self, step: Step, applied: dict[str, Raw]) -> None:
        if step.apply:
            self._asked("apply", objects=step.apply)
            applied.update({_name(raw): raw for raw in step.apply})
        for key in step.delete:
            kind, namespace, name = re.split("[ /]", key)
            self._asked("delete", objects=[{"kind": kind, "metadata": {"namespace": namespace, "name": name}}])
        said = {key.partition(" to ")[0] for key in step.conditions}
        routes = (raw for raw in step.apply if raw["kind"] in _ROUTES)
        accepted = {_name(raw): _ACCEPTED for raw in routes if _name(raw) not in said}
        for key, wanted in {**accepted, **step.conditions}.items():
            eventually(lambda key=key, wanted=wanted: self._conditions(key, wanted))  # type: ignore[misc]
        for key, wanted in step.listeners.items():
            eventually(lambda key=key, wanted=wanted: self._listener(key, wanted))  # type: ignore[misc]
        for key, metadata in step.generated.items():
            eventually(lambda key=key, metadata=metadata: self._generated(key, metadata))  # type: ignore[misc]
        for key, count in step.attached.items():
            eventually(lambda key=key, count=count: self._attached(key, count))  # type: ignore[misc]
        for exchange in step.exchanges:
            eventually(lambda exchange=exchange: self._exchange(exchange))  # type: ignore[misc]
        for shares in step.shares:
            eventually(lambda shares=shares: self._shares(shares), calm=1)  # type: ignore[misc]
        for mirrored in step.mirrored:
            eventually(lambda mirrored=mirrored: self._mirrored(mirrored), calm=1)  # type: ignore[misc]

    def _conditions(self, key: str, wanted: dict[str, str]) -> str:
        (kind, namespace, name), parent = re.split("[ /]", key.partition(" to ")[0]), key.partition(" to ")[2]
        raw = self._get(kind, namespace, name)
        status = raw.get("status", {})
        if kind in {"BackendTLSPolicy", "XBackendTrafficPolicy"}:
            return _at_ancestors(key, parent, raw, wanted)
        if kind not in _ROUTES:
            return _differences(key, status.get("conditions", []), wanted, raw["metadata"]["generation"])
        ours = [p for p in status.get("parents", []) if p["controllerName"] == CONTROLLER]
        if not ours:
            return f"{key} has no parent in its status"
        named = [_reference(p["parentRef"], namespace) for p in ours]
        spec = [_reference(p, namespace) for p in raw["spec"]["parentRefs"]]
        if len(set(named)) < len(named) or not set(named) <= set(spec):
            return f"{key}: the parents of its status are {named}, those of its spec {spec}"
        generation = raw["metadata"]["generation"]
        if parent:
            places = (f"{found[1]} {found[2]}/{found[3]}" for found in named)
            ours = [p for p, place in zip(ours, places, strict=True) if place == parent] or [{"conditions": []}]
        return "; ".join(filter(None, (_differences(key, p["conditions"], wanted, generation) for p in ours)))

    def _attached(self, key: str, count: int) -> str:
        status = self._get("Gateway", *key.split("/")).get("status", {})
        found = status.get("attachedListenerSets")
        return "" if found == count else f"{key} has {found} ListenerSets attached, not {count}"

    def _generated(self, key: str, metadata: Raw) -> str:
        namespace, _, name = key.partition("/")
        every = [o for k in _GENERATED for o in self._asked("get", kind=k, namespace=namespace, name="")]
        found = [one["metadata"] for one in every if one["metadata"].get("labels", {}).get(_GATEWAY_NAME) == name]
        lacking = (
            f"{meta['name']} has the {field} {meta.get(field)}, without some of {wanted}"
            for meta in found
            for field, wanted in metadata.items()
            if not wanted.items() <= meta.get(field, {}).items()
        )
        return "; ".join(lacking) if found else f"nothing has the label {_GATEWAY_NAME}: {name}"

    def _listener(self, key: str, wanted: dict[str, str]) -> str:
        kind, _, place = key.rpartition(" ")
        namespace, holder, name = place.split("/")
        raw = self._get(kind or "Gateway", namespace, holder)
        found = next((one for one in raw.get("status", {}).get("listeners", []) if one["name"] == name), None)
        if found is None:
            return f"{key} is not in the status"
        plain = {
            "attachedRoutes": str(found["attachedRoutes"]),
            "supportedKinds": ",".join(kind["kind"] for kind in found["supportedKinds"]),
        }
        other = [
            f"{key}: {field} is {value!r}, not {wanted[field]!r}"
            for field, value in plain.items()
            if wanted.get(field, value) != value
        ]
        conditions = {kind: text for kind, text in wanted.items() if kind not in plain}
        said = _differences(key, found["conditions"], conditions, raw["metadata"]["generation"])
        return "; ".join(filter(None, (*other, said)))

    def _exchange(self, exchange: Exchange) -> str:
        (came,) = self._send(exchange.ask)
        return _unlike(came, exchange.ask, exchange.answer)

    def _shares(self, shares: Shares) -> str:
        came = self._send(shares.ask)
        if any(c.get("error") for c in came) or not all(c["seen"] for c in came):
            return f"not every request was answered by an application: {Counter(map(str, came)).most_common(2)}"
        pods = Counter(next((b for b in shares.of if c["seen"]["pod"].startswith(b)), c["seen"]["pod"]) for c in came)
        parts = {name: count / len(came) for name, count in pods.items()}
        fair = parts.keys() <= shares.of.keys()
        fair = fair and all(abs(parts.get(name, 0) - part) <= shares.within for name, part in shares.of.items())
        return "" if fair else f"wanted {shares.of}, came {parts}"

    def _mirrored(self, mirrored: Mirrored) -> str:
        unique = uuid.uuid4().hex
        headers = {**mirrored.ask.headers, "x-id": unique}
        came = self._send(msgspec.structs.replace(mirrored.ask, headers=headers))
        if any(c.get("status") != http.HTTPStatus.OK for c in came):
            return f"not every request was answered: {Counter(map(str, came)).most_common(2)}"
        deadline = time.monotonic() + SETTLING
        before: dict[str, float] = {}
        while True:  # copies are on their way when the answer is there
            parts = {where: self._arrived(where, unique) / len(came) for where in mirrored.of}
            fair = all(abs(parts[where] - part) <= mirrored.within for where, part in mirrored.of.items())
            if (fair and parts == before) or time.monotonic() > deadline:
                return "" if fair else f"wanted {mirrored.of}, came {parts}"
            before = parts
            time.sleep(0.1)

    def _arrived(self, where: str, unique: str) -> int:
        (came,) = self._send(Ask(to=f"{{pod {where}}}:8080", path=f"/?arrived={unique}"))
        found: int = came["seen"]["attempt"]
        return found

    def _send(self, ask: Ask) -> list[Raw]:
        raw = {
            "to": self._filled(ask.to),
            "protocol": ask.protocol,
            "sni": ask.sni,
            "pair": pair(ask.certificate) if ask.certificate else None,
            "method": ask.method,
            "path": ask.path,
            "headers": {name: self._filled(value) for name, value in ask.headers.items()},
            "times": ask.times,
        }
        found: list[Raw] = _told(self._client(ask.client), raw)
        return found

    def _asked(self, verb: str, **more: Any) -> Any:
        return _told(self._desk, {"verb": verb, **more})

    def _get(self, kind: str, namespace: str, name: str) -> Raw:
        raw = self._asked("get", kind=kind, namespace=namespace, name=name)
        assert raw is not None, f"there is no {kind} {namespace}/{name}"
        found: Raw = raw
        return found

    def _client(self, where: str) -> subprocess.Popen[str]:
        if where not in self._clients:
            command = (sys.executable, str(HERE / "client.py"))
            if where:
                namespace = where.partition("/")[0]
                name = self._pod(where)["metadata"]["name"]
                self._clients[where] = self._lab.begin(namespace, name, *command, stdin=True)
            else:
                self._clients[where] = self._lab.start(*command)
        return self._clients[where]

    def _filled(self, text: str) -> str:
        text = text.replace("{unique}", uuid.uuid4().hex)
        return _PLACE.sub(lambda found: self._address(*found.groups()), text)

    def _address(self, kind: str, namespace: str, name: str) -> str:
        if kind == "pod":
            address: str = self._pod(f"{namespace}/{name}")["status"]["podIP"]
        elif kind == "service":
            address = self._get(kind, namespace, name)["spec"]["clusterIP"]
        else:
            found = until(lambda: self._get(kind, namespace, name).get("status", {}).get("addresses"), bool)
            address = found[0]["value"]
        return f"[{address}]" if ":" in address else address

    def _pod(self, where: str) -> Raw:
        """The first pod of a namespace whose name begins so."""
        if where not in self._pods:
            namespace, _, name = where.partition("/")
            pods = self._asked("get", kind="pod", namespace=namespace, name="")
            self._pods[where] = next(p for p in pods if p["metadata"]["name"].startswith(name))
        return self._pods[where]


def eventually(look: Callable[[], str], *, calm: int = CALM) -> None:
    """Until `look` has nothing to say against it, `calm` times in a row."""
    deadline = time.monotonic() + PATIENCE
    held = 0
    while held < calm:
        wrong = look()
        held = 0 if wrong else held + 1
        assert not wrong or time.monotonic() < deadline, wrong
        if wrong:
            time.sleep(0.05)


def _told(process: subprocess.Popen[str], asked: Any) -> Any:
    """What a process answers to a line."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    assert line, f"it ended at {asked}: {process.communicate()}"
    return json.loads(line)


def _name(raw: Raw) -> str:
    return f"{raw['kind']} {raw['metadata'].get('namespace', 'default')}/{raw['metadata']['name']}"


def _reference(raw: Raw, namespace: str) -> tuple[Any, ...]:
    group, kind = raw.get("group", "gateway.networking.k8s.io"), raw.get("kind", "Gateway")
    return group, kind, raw.get("namespace", namespace), raw["name"], raw.get("sectionName", ""), raw.get("port", 0)


def _at_ancestors(key: str, gateway: str, raw: Raw, wanted: dict[str, str]) -> str:
    """Of a policy: at that Gateway, or at every one."""
    ours = {
        f"{a['ancestorRef']['kind']} {a['ancestorRef']['namespace']}/{a['ancestorRef']['name']}": a["conditions"]
        for a in raw.get("status", {}).get("ancestors", [])
        if a["controllerName"] == CONTROLLER
    }
    if not ours or (gateway and gateway not in ours):
        return f"{key} has the ancestors {list(ours)}"
    asked = {gateway: ours[gateway]} if gateway else ours
    generation = raw["metadata"]["generation"]
    return "; ".join(filter(None, (_differences(key, found, wanted, generation) for found in asked.values())))


def _differences(key: str, conditions: list[Raw], wanted: dict[str, str], generation: int) -> str:
    known = {c["type"]: c for c in conditions}
    for kind, text in wanted.items():
        status, _, reason = text.partition(" ")
        if kind not in known and status == "absent":
            continue
        if kind not in known:
            return f"{key} has no condition {kind}"
        found = known[kind]
        if found["status"] != status or (reason and found["reason"] != reason):
            return f"{key}: {kind} is {found['status']} {found['reason']} ({found['message']}), wanted {text}"
        if found.get("observedGeneration") != generation:
            return f"{key}: {kind} is about generation {found.get('observedGeneration')}, not {generation}"
    return ""


def _unlike(came: Raw, ask: Ask, answer: Answer) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if answer.fails:
        return "" if "error" in came else f"{ask}: it was answered with {came['status']}"
    if "error" in came:
        return f"{ask}: {came['error']}"
    wanted = answer.status if answer.status >= 0 else FINE.get(ask.protocol, 200)
    headers, seen = came["headers"], came["seen"]
    wrong = [
        f"status {came['status']}, not {wanted}" if came["status"] != wanted else "",
        *_headers("the answer", headers, answer.headers, answer.absent),
        *_headers("the request", seen.get("headers", {}), answer.seen.headers, answer.seen.absent),
    ]
    if not seen.get("pod", "").startswith(answer.backend):
        wrong.append(f"answered by {seen.get('pod')!r}, not by {answer.backend}")
    for field in ("path", "host", "sni", "certificate"):
        asked = getattr(answer.seen, field)
        if asked and seen.get(field) != asked:
            wrong.append(f"the application saw the {field} {seen.get(field)!r}, not {asked!r}")
    if answer.seen.attempt and seen.get("attempt") != answer.seen.attempt:
        wrong.append(f"it came {seen.get('attempt')} times, not {answer.seen.attempt}")
    if answer.location and _plain(headers.get("location", "")) != answer.location:
        wrong.append(f"location {headers.get('location')!r}, not {answer.location!r}")
    found = "; ".join(filter(None, wrong))
    return f"{ask}: {found}" if found else ""


def _headers(whose: str, found: dict[str, str], wanted: dict[str, str], absent: tuple[str, ...]) -> list[str]:
    wrong = [f"{whose} has {n}: {found.get(n)!r}, not {v!r}" for n, v in wanted.items() if found.get(n) != v]
    return wrong + [f"{whose} has {n}: {found[n]!r}" for n in absent if n in found]


def _plain(location: str) -> str:
    """A URL without the port that its scheme has anyway."""
    url = urlsplit(location)
    usual = {"http": 80, "https": 443}.get(url.scheme)
    return url._replace(netloc=url.hostname or "").geturl() if url.port == usual else location
