"""`tandem ca`: who signs the identities of the mesh, whom every node trusts, and another authority in its place.

In: the API. Out: Secrets, which control follows (`runtime/trust.py`): nodes trust the new root before anything is
signed below it. No key is ever printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tandem.apps.cli.layout import table, terminal_width
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, KubeconfigOption, with_client
from tandem.base.clock import SystemClock, rfc3339
from tandem.base.secret import Secret
from tandem.drivers.ca.authority import Authority, Root, described
from tandem.identity.trust import Trust
from tandem.ingest.errors import AlreadyExists, NotFound
from tandem.model import core
from tandem.runtime.authority import (
    ISTIO,
    KIND,
    NAME,
    NAMESPACE,
    ROOT,
    AuthorityError,
    authority_in,
    keep_root,
    read_world,
    root_in,
    secret_of,
)
from tandem.runtime.trust import read_trust
from tandem.translate.options import Options

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient
    from tandem.model.world import World

POLL: Final = 0.1
ROOTS: Final = ("ROOT", "FINGERPRINT", "VALID-UNTIL", "TRUSTED-UNTIL")


class Action(Enum):
    """What to do."""

    SHOW = "show"
    ROTATE = "rotate"
    IMPORT = "import"
    ROOTS = "roots"


def ca(
    action: Annotated[Action, typer.Argument(metavar="show|rotate|import|roots")],
    *,
    cert: Annotated[
        Path | None, typer.Option("--cert", help="PEM: the certificate that signs, and those above it.", metavar="FILE")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="PEM: its key, unencrypted.", metavar="FILE")] = None,
    roots: Annotated[
        Path | None, typer.Option("--roots", help="PEM: the roots; else the end of --cert.", metavar="FILE")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", help="Seconds until the new one signs.", metavar="SECONDS")] = 90.0,
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show the mesh's certificate authority, make a new root, or put an authority of your own in its place.

    `roots` prints what others have to trust to believe identities of the mesh, in PEM.

    Nodes trust the new root before anything is signed below it, then ask for new certificates; the old root is trusted
    for another day. No connection fails. Secrets do the same: tandem-system/tandem-ca as cert-manager writes them
    (tls.crt, tls.key, ca.crt), or istio-system/cacerts as Istio reads them, which counts before the other.

    Example: tandem ca show

    Example: tandem ca import --cert ca.crt --key ca.key --roots root.crt
    """
    check_format(output, ("text",) if action is Action.ROOTS else ("text", "json"))
    given = _given(action, cert, key, roots)
    if action is Action.ROOTS:
        typer.echo(with_client(read_trust, kubeconfig).pem, nl=False)
        return

    async def work(client: KubeClient) -> dict[str, Any]:
        if action is not Action.SHOW:
            await _replace(client, given, wait)
        return summary(await read_world(client), await read_trust(client))

    found = with_client(work, kubeconfig)
    typer.echo(as_json(found) if output == "json" else "\n".join(paint(found, terminal_width())))


def summary(world: World, trust: Trust) -> dict[str, Any]:
    """Who signs and who is trusted, without keys; CommandError where the Secret is none of an authority."""
    plugged = world.get(core.Secret, *ISTIO) is not None
    try:
        authority = authority_in(world)
    except AuthorityError as err:
        raise CommandError(f"Secret {err.at[1]}/{err.at[2]}: {err}") from err
    return {
        "secret": "/".join(ISTIO if plugged else (NAMESPACE, NAME)),
        "signs": authority.signer == trust.signer,
        **described(authority.certificate),
        "roots": [
            {**described(root), "trustedUntil": rfc3339(one.until) if one.until else ""}
            for one in trust.roots
            for root in Authority.certificates(one.pem)
        ],
    }


def paint(found: dict[str, Any], width: int) -> Iterator[str]:
    """Lines for people."""
    state = "signs" if found["signs"] else "will sign, once every node trusts it"
    yield f"{found['subject']} {state} (Secret {found['secret']})"
    yield f"fingerprint {found['fingerprint']}, valid until {found['notAfter']}"
    yield ""
    rows = [
        (one["subject"], one["fingerprint"], one["notAfter"], one["trustedUntil"] or "it is replaced")
        for one in found["roots"]
    ]
    yield from table(ROOTS, rows, width=width)


def _given(action: Action, cert: Path | None, key: Path | None, roots: Path | None) -> Authority | None:
    """The authority in these files; CommandError where they are none, or are not wanted."""
    if action is not Action.IMPORT:
        if cert or key or roots:
            raise CommandError("--cert, --key and --roots belong to: tandem ca import", status=2)
        return None
    if cert is None or key is None:
        raise CommandError("tandem ca import needs --cert and --key", status=2)
    try:
        made = Authority.load(cert.read_text(), Secret(key.read_bytes()), roots.read_text() if roots else "")
    except OSError as err:
        raise CommandError(f"{err.filename}: {err.strerror}") from err
    except ValueError as err:
        raise CommandError(f"{cert}, {key}: {err}") from err
    if made.ends <= SystemClock().now():
        raise CommandError(f"{cert}: a certificate on the way up to the root ended at {rfc3339(made.ends)}")
    return made


async def _replace(client: KubeClient, given: Authority | None, seconds: float) -> None:
    world = await read_world(client)
    if world.get(core.Secret, *ISTIO) is not None:
        raise CommandError(f"Secret {'/'.join(ISTIO)} counts before any other: change that one, or delete it")
    now = SystemClock().now()
    root = Root.create(Options().trust_domain, now) if given is None else None
    authority = given or (root.issue(now) if root is not None else None)
    assert authority is not None  # noqa: S101 - one of both is given
    raw = secret_of(authority)
    try:
        await client.create(KIND, raw)
    except AlreadyExists:
        await client.patch(KIND, NAMESPACE, NAME, {"data": raw["data"]})
    if root is not None:
        await keep_root(client, root)
    elif (old := root_in(world)) is not None and not old.issued(authority):
        with suppress(NotFound):  # the key of a root that signs for nobody is only there to be stolen
            await client.delete(KIND, NAMESPACE, ROOT)
    await _signs(client, authority.signer, seconds)


async def _signs(client: KubeClient, signer: str, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await read_trust(client)).signer != signer:  # noqa: ASYNC110 - another process is polled
                await asyncio.sleep(POLL)
    except TimeoutError as err:
        raise CommandError(f"not done within {seconds:g} s: see `tandem status`, and `tandem ca show`") from err
