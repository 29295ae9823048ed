from __future__ import annotations

import pytest

from tandem.model import core
from tandem.model.meta import Meta
from tandem.workloads.environment import ConfigError, References, arguments, expand, resolve

NOTHING = References(config_maps={}, secrets={})
POD = core.Pod(api_version="v1", kind="Pod", metadata=Meta(name="a", namespace="n", labels={"app": "x"}))


def test_references_to_what_was_set_before_are_expanded_and_others_stay() -> None:
    assert expand("$(A) $(B) $$(A)", {"A": "1"}) == "1 $(B) $(A)"


def test_a_container_without_command_has_no_arguments() -> None:
    assert arguments(core.Container(name="c", args=("x",)), {}) == ()


def test_labels_are_fields() -> None:
    ref = core.EnvSource(field_ref=core.FieldSelector(field_path="metadata.labels['app']"))
    container = core.Container(name="c", env=(core.EnvVar(name="APP", value_from=ref),))
    assert resolve(POD, container, NOTHING, addresses=(), host_ips=()) == {"APP": "x"}


def test_a_missing_config_map_is_named() -> None:
    ref = core.EnvSource(config_map_key_ref=core.KeySelector(name="m", key="k"))
    container = core.Container(name="c", env=(core.EnvVar(name="A", value_from=ref),))
    with pytest.raises(ConfigError, match='configmap "m" not found'):
        resolve(POD, container, NOTHING, addresses=(), host_ips=())
