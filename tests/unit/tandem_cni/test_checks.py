"""The checks of environment and configuration by themselves; `test_main.py` has them through the executable."""

from __future__ import annotations

import pytest
from tandem_cni.checks import check_config, check_environment, is_identifier, read_config
from tandem_cni.wire import CniError

from unit.tandem_cni.courier import CONFIG, ENV


def test_a_whole_request_passes() -> None:
    assert check_environment({**ENV, "CNI_COMMAND": "ADD"}) == "ADD"
    check_config("ADD", {**CONFIG, "socket": "/x"})


@pytest.mark.parametrize("text", ["", "-a", "a/b", "a b", "\u00e9"])
def test_what_is_no_identifier(text: str) -> None:
    assert not is_identifier(text)


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff"])
def test_what_is_no_configuration_is_code_6(data: bytes) -> None:
    with pytest.raises(CniError) as caught:
        read_config(data)
    assert caught.value.code == 6
