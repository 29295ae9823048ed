"""Kubeconfig files -> access."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tandem.ingest.kubeconfig import KubeconfigError, read_kubeconfig


def write(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    raw = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    file = path / "config"
    file.write_text(yaml.safe_dump(raw))
    return file


def test_the_current_context_says_server_token_and_namespace(tmp_path: Path) -> None:
    access = read_kubeconfig(write(tmp_path, {"server": "http://127.0.0.1:1/"}, {"token": "secret-token"}))
    assert (access.server, access.namespace, access.tls) == ("http://127.0.0.1:1", "shop", None)
    assert access.token is not None
    assert access.token.reveal() == b"secret-token"
    assert "secret-token" not in repr(access)


def test_a_token_file_is_read_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "tok").write_text("abc\n")
    access = read_kubeconfig(write(tmp_path, {"server": "http://h"}, {"tokenFile": "tok"}))
    assert access.token is not None
    assert access.token.reveal() == b"abc"


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        ({}, {}, "server is empty"),
        ({"server": "https://h", "insecure-skip-tls-verify": True}, {}, "insecure-skip-tls-verify"),
        ({"server": "https://h", "certificate-authority-data": "*"}, {}, "not base64"),
        ({"server": "https://h", "certificate-authority-data": base64.b64encode(b"x").decode()}, {}, "not a PEM"),
        ({"server": "http://h"}, {"exec": {"command": "x"}}, "exec and auth-provider"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], message: str
) -> None:
    with pytest.raises(KubeconfigError, match=message):
        read_kubeconfig(write(tmp_path, cluster, user))


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("current-context: gone\n")
    with pytest.raises(KubeconfigError, match="contexts: no entry named 'gone'"):
        read_kubeconfig(file)


def test_client_certificates_are_loaded_and_left_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "user")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=9999))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    data = {"client-certificate-data": certificate, "client-key-data": secret}
    cluster = {"server": "https://h", "certificate-authority-data": base64.b64encode(certificate).decode()}
    user = {k: base64.b64encode(v).decode() for k, v in data.items()}
    access = read_kubeconfig(write(tmp_path, cluster, user))
    assert access.tls is not None
    assert access.tls.cert_store_stats()["x509"] == 1
    assert list(scratch.iterdir()) == []
