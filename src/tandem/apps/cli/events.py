"""What has become of an object: the Events about it, oldest first, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.apiserver.columns import event_count, event_source, last_seen
from tandem.apps.cli.columns import age_since
from tandem.ingest.errors import ApiError
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient


async def events_of(client: KubeClient, raw: RawObject, now: float) -> list[str]:
    """The lines; none where there are no Events, or the server tells nobody of them."""
    meta = raw["metadata"]
    uid = meta["name"] if raw.get("kind") == "Node" else meta.get("uid", "")
    selector = f"involvedObject.kind={raw.get('kind')},involvedObject.name={meta['name']},involvedObject.uid={uid}"
    try:
        found, _ = await client.list(BY_KIND["Event"], str(meta.get("namespace") or ""), field_selector=selector)
    except ApiError:
        return []
    found.sort(key=lambda event: (last_seen(event), str(event["metadata"]["name"])))
    return [line_of(event, now) for event in found]


def line_of(event: RawObject, now: float) -> str:
    """`12s (x4)  Warning  Unhealthy  tandem-runtime, node-1: Readiness probe failed: …`."""
    seen, count = last_seen(event), event_count(event)
    age = age_since(seen, now) if seen else "<unknown>"
    times = f" (x{count})" if count != "1" else ""
    head = "  ".join(filter(None, (f"{age}{times}", str(event.get("type") or ""), str(event.get("reason") or ""))))
    return f"{head}  {event_source(event)}: {str(event.get('message') or '').strip()}"
