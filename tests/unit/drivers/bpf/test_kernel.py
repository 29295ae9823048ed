"""What a kernel offers, and the sentence where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.bpf import kernel
from unit.drivers.bpf.btfs import Made

pytestmark = pytest.mark.root


def test_this_kernel_has_all() -> None:
    facts, modules = kernel.read_kernel()
    kernel.close(modules)
    assert min(facts.lookup, facts.release, facts.change_timeout) > 0
    assert facts.module == len(modules)
    assert 24 <= facts.hertz <= 1200
    assert 0 < facts.timeout < facts.status < facts.state


def test_without_descriptions_or_functions_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "TYPES", tmp_path)
    with pytest.raises(DriverError, match="CONFIG_DEBUG_INFO_BTF"):
        kernel.read_kernel()
    (tmp_path / "vmlinux").write_bytes(Made().data())
    with pytest.raises(DriverError, match="closed to programs: no bpf_skb_ct_lookup"):
        kernel.read_kernel()


def test_silence_is_the_nodes_setting_or_the_kernels_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, seconds in (("86400\n", 86_400), ("99999999\n", 2_000_000), (None, 432_000)):
        path = tmp_path / str(seconds)
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(kernel, "SILENCE", path)
        facts, modules = kernel.read_kernel()
        kernel.close(modules)
        assert facts.established == seconds
