"""JSON and YAML text."""

from __future__ import annotations

import json

import pytest
import yaml

from tandem.apps.cli.output import as_json, as_yaml, check_format, ordered
from tandem.apps.cli.session import CommandError


def test_text_reads_back_as_the_value() -> None:
    value = {"kind": "X", "a": [1, {"b": None}], "text": "ü"}
    assert json.loads(as_json(value)) == value
    assert yaml.safe_load(as_yaml(value)) == value
    assert "ü" in as_yaml(value)


def test_status_is_last() -> None:
    raw = {"status": {}, "data": {}, "spec": {}, "metadata": {}, "kind": "X", "apiVersion": "v1"}
    assert list(ordered(raw)) == ["apiVersion", "kind", "metadata", "spec", "data", "status"]


def test_an_unknown_format_is_wrong_use() -> None:
    with pytest.raises(CommandError, match="choose one of table, json") as caught:
        check_format("xml", ("table", "json"))
    assert caught.value.status == 2
