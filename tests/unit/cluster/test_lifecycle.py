"""A silent node: Unknown, its pods not ready, later deleted; and back again."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import pod, world
from tandem.cluster.lifecycle import GRACE_SECONDS, follow_nodes, is_unknown
from tandem.cluster.tolerations import DEFAULT_SECONDS
from tandem.cluster.writes import Delete, Patch
from tandem.model import core
from tandem.model.meta import Condition
from tandem.model.parse import parse

NOW = 1_700_000_000.0


def node(name: str, status: str = "True", reason: str = "RuntimeReady") -> core.Node:
    raw = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": status, "reason": reason}]},
    }
    found = parse(raw)
    assert isinstance(found, core.Node)
    return found


def unknown(name: str) -> core.Node:
    return node(name, "Unknown", "NodeStatusUnknown")


def running(name: str, on: str, **more: Any) -> core.Pod:
    """A pod with the conditions that its runtime gave it."""
    found = pod(name, node=on, **more)
    conditions = tuple(Condition(type=kind, status="True") for kind in ("Initialized", "Ready"))
    return msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, conditions=conditions))


def unready(made: core.Pod) -> core.Pod:
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, conditions=()))


def ready_of(write: Any) -> tuple[str, str, str]:
    assert isinstance(write, Patch)
    assert write.subresource == "status"
    (found,) = [c for c in write.patch["status"]["conditions"] if c["type"] == "Ready"]
    return write.name, found["status"], found["reason"]


def test_a_node_that_is_heard_of_is_left_alone() -> None:
    assert follow_nodes(world(node("a"), running("p", "a")), {"a": GRACE_SECONDS - 0.1}, now=NOW) == ()


def test_a_node_without_a_lease_is_left_alone() -> None:
    assert follow_nodes(world(node("a"), running("p", "a")), {}, now=NOW) == ()


def test_a_silent_node_is_unknown_and_its_pods_are_not_ready() -> None:
    writes = follow_nodes(
        world(node("a"), node("b"), running("p", "a"), running("q", "b")), {"a": GRACE_SECONDS, "b": 0.0}, now=NOW
    )
    assert [ready_of(w) for w in writes] == [
        ("a", "Unknown", "NodeStatusUnknown"),
        ("p", "False", "NodeNotReady"),
    ]
    told = [(t.about.kind, t.about.uid, t.reason, t.warning) for w in writes for t in w.told]
    assert told == [("Node", "a", "NodeNotReady", True), ("Pod", "uid-default-p", "NodeNotReady", True)]


def test_a_pods_other_conditions_stay() -> None:
    given = running("p", "a")
    (write,) = follow_nodes(world(unknown("a"), given), {"a": 60.0}, now=NOW)
    assert isinstance(write, Patch)
    assert [c["type"] for c in write.patch["status"]["conditions"]] == ["Initialized", "Ready"]


def test_what_is_said_already_is_not_written_again() -> None:
    first = world(unknown("a"), running("p", "a", phase="Succeeded"))
    assert follow_nodes(first, {"a": 60.0}, now=NOW) == ()


def test_a_node_that_is_back_is_ready_and_its_pods_are_left_to_its_runtime() -> None:
    writes = follow_nodes(world(unknown("a"), running("p", "a")), {"a": 0.3}, now=NOW)
    assert [ready_of(w) for w in writes] == [("a", "True", "RuntimeReady")]
    assert [t.reason for w in writes for t in w.told] == ["NodeReady"]


def test_a_node_that_says_itself_that_it_is_not_ready_is_not_contradicted() -> None:
    said = node("a", "False", "RuntimeNotReady")
    assert not is_unknown(said)
    assert follow_nodes(world(said), {"a": 0.0}, now=NOW) == ()


def test_after_a_long_silence_the_pods_are_deleted_once() -> None:
    lost, kept = running("p", "a"), running("q", "a")
    forever = core.Toleration(key="node.kubernetes.io/unreachable", operator="Exists")
    kept = msgspec.structs.replace(kept, spec=msgspec.structs.replace(kept.spec, tolerations=(forever,)))
    there = world(unknown("a"), *(unready(p) for p in (lost, kept)))
    silence = GRACE_SECONDS + DEFAULT_SECONDS
    assert follow_nodes(there, {"a": silence - 0.1}, now=NOW) == ()
    writes = follow_nodes(there, {"a": silence}, now=NOW)
    (write,) = writes
    assert isinstance(write, Delete)
    assert (write.kind, write.namespace, write.name) == ("Pod", "default", "p")
    assert [t.reason for t in write.told] == ["TaintManagerEviction"]
