"""The credentials of the embedded server as a kubeconfig file. In: url, token, authority; out: a file of mode 0600."""

from __future__ import annotations

import base64
from pathlib import Path

from tandem.apiserver.tls import write_private
from tandem.base.secret import Secret


def write_kubeconfig(path: Path, url: str, token: Secret, ca_pem: bytes) -> None:
    """Write (replace) a kubeconfig with one cluster, one user and one context, all named `tandem`."""
    text = f"""\
apiVersion: v1
kind: Config
current-context: tandem
clusters:
- name: tandem
  cluster:
    server: {url}
    certificate-authority-data: {base64.b64encode(ca_pem).decode()}
users:
- name: tandem
  user:
    token: {token.reveal().decode()}
contexts:
- name: tandem
  context:
    cluster: tandem
    user: tandem
    namespace: default
"""
    write_private(path, text.encode())
