"""Which keys of a configuration are refused, by which verbs, and with which words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tandem.podnet.keys import refuse_unknown
from tandem.podnet.request import VerbError
from unit.podnet.playground import CONFIG, Playground, request


def test_what_runtimes_and_install_write_is_known() -> None:
    by_runtime: dict[str, Any] = {
        "prevResult": {},
        "runtimeConfig": {},
        "args": {},
        "cni.dev/valid-attachments": [],
        "cniVersions": [],
    }
    refuse_unknown(CONFIG | by_runtime | {"unmanaged": "open", "installed": {}, "chained": True, "policy": False})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("ipam", {"type": "host-local"}, "ipam: {'type': 'host-local'} is not supported: Tandem gives addresses"),
        ("ipMasq", False, "ipMasq: False is not supported"),
        ("dns", {}, "by the capability `dns`"),
        ("polcy", True, "polcy: True is not supported: known are chained, policy, socket, unmanaged"),
    ],
)
def test_a_key_that_nobody_acts_on_is_code_2_with_key_and_value(key: str, value: Any, words: str) -> None:
    with pytest.raises(VerbError, match=words) as raised:
        refuse_unknown(CONFIG | {key: value})
    assert raised.value.code == 2


def test_add_and_status_refuse_it_and_what_is_attached_can_be_deleted() -> None:
    async def main() -> None:
        config: dict[str, Any] = CONFIG | {"ipam": {}}
        ground = Playground()
        assert await ground.code("ADD", config=config) == 2
        assert await ground.code("STATUS", config=config) == 2
        await ground.add()
        assert await ground.verbs.run(request("GC", config=config | {"cni.dev/valid-attachments": []})) is None
        await ground.delete(config=config)
        assert ground.is_clean()

    asyncio.run(main())
