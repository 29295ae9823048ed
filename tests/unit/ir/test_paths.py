"""What is done with paths travels with pods and gateways."""

from __future__ import annotations

import msgspec
import pytest

from meshbuild import attached
from tandem.ir import wire
from tandem.ir.paths import Paths


@pytest.mark.parametrize("paths", list(Paths))
def test_it_is_the_same_on_the_other_side(paths: Paths) -> None:
    pod = msgspec.structs.replace(attached("a", "10.0.0.1").pod, paths=paths)
    assert wire.decode(wire.URLS[type(pod)], wire.encode(pod)) == pod
