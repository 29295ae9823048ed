"""Whole manifests on one node with a real Envoy: each pod of them is a namespace, for tables of who reaches whom.

The objects go the way that `tandem compile` shows: the controllers bring them to rest, and the node's view of that is
put in force.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from netns.meshapps import repeats
from netns.meshlab import Lab
from tandem.base.problems import Problem
from tandem.ir.node import NodeView
from tandem.model.world import World
from tandem.runtime.rehearsal import rehearse, view_of
from tandem.translate.world import Options, translate_world


class Tables:
    """The lab: pods are those of `manifests`, in every case the same; a case adds what it is about."""

    def __init__(self, lab: Lab, manifests: str) -> None:
        self.lab = lab
        self._base = [raw for raw in yaml.safe_load_all(manifests) if raw]
        self.world = World.of([])
        self.problems: tuple[Problem, ...] = ()
        self.view = self._viewed("")
        self.ns: dict[str, Path] = {}
        for number, attached in enumerate(self.view.pods):
            self.ns[_called(attached.pod)] = lab.pod(f"p{number}", attached.addresses[0])

    def _viewed(self, manifests: str) -> NodeView:
        self.world = rehearse([*self._base, *(raw for raw in yaml.safe_load_all(manifests) if raw)])
        translation = translate_world(self.world, Options())
        self.problems = translation.problems
        return view_of(self.world, translation, "node-1")

    def put(self, manifests: str) -> None:
        """Put in force the pods and what a case says."""
        found = self._viewed(manifests)
        pods = tuple(msgspec.structs.replace(p, netns=str(self.ns[_called(p.pod)])) for p in found.pods)
        self.view = msgspec.structs.replace(found, pods=pods)
        self.lab.apply(self.view)

    def pod_address(self, called: str) -> str:
        """The address of a pod, `NAMESPACE/NAME`."""
        return next(p.addresses[0] for p in self.view.pods if _called(p.pod) == called)

    def address(self, service: str, namespace: str) -> str:
        """The address of a Service."""
        return next(
            s.cluster_ips[0] for s in self.view.services.values() if (s.name, s.namespace) == (service, namespace)
        )

    def curl(self, who: str, url: str, *more: str, at: str = "") -> tuple[int, str]:
        """The status and the body of a request; status 0: no answer. `at`: what the name resolves to."""
        host, _, port = url.partition("://")[2].partition("/")[0].partition(":")
        port = port or ("443" if url.startswith("https") else "80")
        named = ["--resolve", f"{host}:{port}:{at}"] if at else []
        command = [
            "ip",
            "netns",
            "exec",
            self.ns[who].name,
            "curl",
            "-s",
            "-m",
            "5",
            "--path-as-is",
            "-w",
            "\n%{http_code}",
        ]
        done = subprocess.run([*command, *named, *more, url], capture_output=True, text=True, check=False)
        body, _, code = done.stdout.rpartition("\n")
        return int(code or 0), body

    def heard(self, who: str, address: str, port: int) -> bool:
        """Whether a server of bytes repeats what it is told."""
        with contextlib.suppress(OSError):
            return repeats(self.ns[who], address, port)
        return False


def _called(pod: Any) -> str:
    return f"{pod.namespace}/{pod.name}"


@contextlib.contextmanager
def tables(prefix: str, manifests: str) -> Iterator[Tables]:
    """A lab without applications."""
    with Lab(prefix) as lab:
        yield Tables(lab, manifests)
