"""What the words of the fabric mean where nothing is said."""

from __future__ import annotations

import pytest

from meshbuild import attached
from tandem.ir.fabric import AppProtocol, MtlsMode


@pytest.mark.parametrize("app", list(AppProtocol))
def test_envoy_parses_http_and_its_relatives_only(app: AppProtocol) -> None:
    assert app.is_http == (app.value in {"http", "http2", "grpc"})


def test_a_pod_accepts_plain_text_and_is_open_unless_told() -> None:
    pod = attached("a", "10.244.0.2").pod
    assert [(m.port, m.mode) for m in pod.mtls] == [(0, MtlsMode.PERMISSIVE)]
    assert pod.ingress is pod.egress is None
