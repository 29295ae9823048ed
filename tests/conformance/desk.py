"""Runs beside a world's API server and asks it what conformance cases ask: a line of JSON in, a line out.

In: {"verb": "get", "kind", "namespace", "name"}, without a name all of them; {"verb": "apply" or "delete", "objects"}.
Out: the object, or null; the list of objects; null once all is applied, or gone. A process of its own for each question
would take longer than the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

from tandem.ingest.errors import AlreadyExists, NotFound
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND, Kind

Raw = dict[str, Any]
KINDS: Final = {name.lower(): kind for name, kind in BY_KIND.items()}
PAUSE: Final = 0.02
TRIES: Final = 1500


async def answer(client: KubeClient, asked: Raw) -> Any:
    if asked["verb"] == "get":
        kind = KINDS[asked["kind"].lower()]
        if not asked["name"]:
            return (await client.list(kind, asked["namespace"]))[0]
        return await found(client, kind, asked["namespace"], asked["name"])
    for raw in asked["objects"]:
        kind, namespace, name = place(raw)
        if asked["verb"] == "apply":
            placed = {**raw, "metadata": {**raw["metadata"], **({"namespace": namespace} if namespace else {})}}
            try:
                await client.create(kind, placed)
            except AlreadyExists:
                await client.replace(kind, placed)
        elif await found(client, kind, namespace, name) is not None:
            await client.delete(kind, namespace, name)
    for raw in asked["objects"] if asked["verb"] == "delete" else ():
        for _ in range(TRIES):
            if await found(client, *place(raw)) is None:
                break
            await asyncio.sleep(PAUSE)
    return None


def place(raw: Raw) -> tuple[Kind, str, str]:
    kind = KINDS[raw["kind"].lower()]
    meta = raw["metadata"]
    return kind, (meta.get("namespace") or "default") if kind.namespaced else "", meta["name"]


async def found(client: KubeClient, kind: Kind, namespace: str, name: str) -> Raw | None:
    try:
        return await client.get(kind, namespace, name)
    except NotFound:
        return None


async def main(kubeconfig: str) -> None:
    async with KubeClient.from_kubeconfig(kubeconfig) as client:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(await answer(client, json.loads(line))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
