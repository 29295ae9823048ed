"""For how long a pod stays on a node that nobody hears of."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from tandem.cluster.tolerations import UNREACHABLE, tolerated_seconds
from tandem.model import core
from tandem.model.parse import parse

HERE: dict[str, Any] = {"key": UNREACHABLE, "effect": "NoExecute", "operator": "Exists"}


def pod(*tolerations: dict[str, Any]) -> core.Pod:
    spec = {"containers": [{"name": "c"}], "tolerations": list(tolerations)}
    made = parse({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec})
    assert isinstance(made, core.Pod)
    return made


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 300.0),
        ([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}], 300.0),
        ([{**HERE, "effect": "NoSchedule"}], 300.0),
        ([HERE], inf),
        ([{**HERE, "tolerationSeconds": 20}], 20.0),
        ([{**HERE, "tolerationSeconds": 0}], 0.0),
        ([{**HERE, "tolerationSeconds": -5}], 0.0),
        ([{**HERE, "tolerationSeconds": 20}, {**HERE, "tolerationSeconds": 7}], 7.0),
        ([HERE, {**HERE, "tolerationSeconds": 7}], 7.0),
        ([{"operator": "Exists"}], inf),
        ([{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}], 9.0),
        ([{"key": UNREACHABLE}], inf),
        ([{"key": UNREACHABLE, "operator": "Equal", "value": ""}], inf),
        ([{"key": UNREACHABLE, "operator": "Equal", "value": "other"}], 0.0),
        ([{"key": UNREACHABLE, "operator": "Gt", "value": "3"}], 0.0),
        ([{"key": UNREACHABLE, "value": "other"}, {**HERE, "tolerationSeconds": 3}], 3.0),
    ],
)
def test_it_is_what_its_tolerations_say(tolerations: list[dict[str, Any]], seconds: float) -> None:
    assert tolerated_seconds(pod(*tolerations)) == seconds
