"""Our server and a real Envoy: what Envoy accepts and refuses is what we say it does."""

# ruff: noqa: ASYNC110 - another process is polled, and test directories are small
from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tandem.base.paths import NodeDir
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings
from tandem.drivers.xds.board import NotAcceptedError
from tandem.drivers.xds.encode import Encoder
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.server import XdsServer
from tandem.state.xds import CLUSTER, ENDPOINT, LISTENER, ORDER, ROUTE, SECRET, Resource, Snapshot

HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
GRPC_LOG = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}

Bodies = Mapping[str, Mapping[str, Mapping[str, Any]]]


def free_port() -> int:
    with sockets.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def encoded(bodies: Bodies) -> dict[str, dict[str, Encoded]]:
    """All types of the order, those that are not given as empty."""
    snapshot = {
        url: {n: Resource(name=n, body=b) for n, b in bodies.get(url, {}).items()}
        for url in (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)
    }
    return Encoder().encode(Snapshot(resources=snapshot))


def versions(resources: Mapping[str, Mapping[str, Encoded]], *types: str) -> dict[tuple[str, str], str]:
    return {(url, name): r.version for url in types for name, r in resources[url].items()}


def listener(name: str, port: int, log: str = "") -> dict[str, Any]:
    manager: dict[str, Any] = {
        "@type": HTTP,
        "stat_prefix": "t",
        "rds": {"route_config_name": "rt", "config_source": ADS},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    if log:
        common = {"log_name": log, "transport_api_version": "V3", "buffer_flush_interval": "0.05s"}
        service = {"envoy_grpc": {"cluster_name": "agent"}}
        manager["access_log"] = [
            {"name": "als", "typed_config": {"@type": GRPC_LOG, "common_config": {**common, "grpc_service": service}}}
        ]
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def route(body: str) -> dict[str, Any]:
    answer = {"status": 200, "body": {"inline_string": body}}
    return {
        "name": "rt",
        "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": answer}]}
        ],
    }


def cluster(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": ADS}, "connect_timeout": "1s", **more}


def endpoints(name: str, port: int) -> dict[str, Any]:
    address = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": address}]}]}


async def fetch(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /x HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    return answer.rpartition("\r\n\r\n")[2]


Scene = Callable[[XdsServer, EnvoyProcess], Awaitable[None]]


def play(tmp_path: Path, scene: Scene) -> None:
    async def whole() -> None:
        paths = NodeDir(tmp_path)
        server = XdsServer(paths.xds_socket, ORDER)
        await server.start()
        envoy = EnvoyProcess(EnvoySettings(node_id="n1", paths=paths, concurrency=1))
        await envoy.start()
        try:
            async with asyncio.timeout(60):
                await scene(server, envoy)
        finally:
            await envoy.stop()
            await server.stop()

    asyncio.run(whole())


def test_envoy_waits_for_the_first_publication_and_acknowledges_every_type(tmp_path: Path) -> None:
    async def scene(server: XdsServer, envoy: EnvoyProcess) -> None:
        connected = asyncio.Event()
        server.on_connect = lambda _: connected.set()
        if not server.clients:
            await connected.wait()
        assert not await envoy.admin.ready()
        port = free_port()
        wanted = encoded(
            {
                CLUSTER: {"c": cluster("c")},
                ENDPOINT: {"c": endpoints("c", 9)},
                LISTENER: {"l": listener("l", port)},
                ROUTE: {"rt": route("hello"), "unused": {**route("x"), "name": "unused"}},
            }
        )
        server.publish("n1", wanted)
        await server.accepted("n1", versions(wanted, CLUSTER, ENDPOINT, LISTENER, ROUTE), 30)
        await envoy.wait_ready(30)
        assert await fetch(port) == "hello"

    play(tmp_path, scene)


def test_one_bad_listener_is_refused_by_name_and_the_others_are_accepted(tmp_path: Path) -> None:
    async def scene(server: XdsServer, _: EnvoyProcess) -> None:
        port = free_port()
        bad = {"name": "bad", "address": {"socket_address": {"address": "not an address", "port_value": 1}}}
        worse = {**listener("worse", port), "address": {"socket_address": {"address": "192.0.2.1", "port_value": 1}}}
        wanted = encoded(
            {LISTENER: {"bad": bad, "good": listener("good", port), "worse": worse}, ROUTE: {"rt": route("good")}}
        )
        server.publish("n1", wanted)
        await server.accepted("n1", {(LISTENER, "good"): wanted[LISTENER]["good"].version}, 30)
        with pytest.raises(NotAcceptedError, match=r"n1 refuses bad: .*not an address"):
            await server.accepted("n1", versions(wanted, LISTENER), 30)
        assert {name for _, name in server.refusals("n1")} == {"bad", "worse"}
        await server.accepted("n1", versions(wanted, ROUTE), 30)
        assert await fetch(port) == "good"

    play(tmp_path, scene)


def test_one_bad_cluster_is_refused_by_name_and_the_others_are_accepted(tmp_path: Path) -> None:
    async def scene(server: XdsServer, _: EnvoyProcess) -> None:
        bad = cluster("bad", type="STATIC", lb_policy="CLUSTER_PROVIDED")
        wanted = encoded({CLUSTER: {"a": cluster("a"), "bad": bad, "z": cluster("z")}})
        server.publish("n1", wanted)
        good = {key: v for key, v in versions(wanted, CLUSTER).items() if key[1] != "bad"}
        await server.accepted("n1", good, 30)
        with pytest.raises(NotAcceptedError, match="n1 refuses bad: "):
            await server.accepted("n1", versions(wanted, CLUSTER), 30)

    play(tmp_path, scene)


def test_a_bad_route_is_found_among_good_ones(tmp_path: Path) -> None:
    async def scene(server: XdsServer, _: EnvoyProcess) -> None:
        ports = free_port(), free_port()
        second = listener("m", ports[1])
        second["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["route_config_name"] = "bad"
        hosts = {"name": "x", "domains": ["*"], "routes": []}
        bad = {"name": "bad", "virtual_hosts": [hosts, {**hosts, "name": "y"}]}
        wanted = encoded(
            {LISTENER: {"l": listener("l", ports[0]), "m": second}, ROUTE: {"bad": bad, "rt": route("fine")}}
        )
        server.publish("n1", wanted)
        await server.accepted("n1", {(ROUTE, "rt"): wanted[ROUTE]["rt"].version}, 30)
        with pytest.raises(NotAcceptedError, match="n1 refuses bad: "):
            await server.accepted("n1", {(ROUTE, "bad"): wanted[ROUTE]["bad"].version}, 30)

    play(tmp_path, scene)


def test_a_changed_cluster_is_in_force_without_waiting_for_its_endpoints_again(tmp_path: Path) -> None:
    async def scene(server: XdsServer, envoy: EnvoyProcess) -> None:
        first = encoded({CLUSTER: {"c": cluster("c")}, ENDPOINT: {"c": endpoints("c", 9)}})
        server.publish("n1", first)
        await server.accepted("n1", versions(first, CLUSTER, ENDPOINT), 30)
        await envoy.wait_ready(30)
        second = encoded({CLUSTER: {"c": cluster("c", lb_policy="RANDOM")}, ENDPOINT: {"c": endpoints("c", 9)}})
        server.publish("n1", second)
        await server.accepted("n1", versions(second, CLUSTER), 30)
        async with asyncio.timeout(10):
            while (await envoy.admin.stats("cluster_manager.warming_clusters"))["cluster_manager.warming_clusters"]:
                await asyncio.sleep(0.02)

    play(tmp_path, scene)


def test_a_removed_listener_is_gone_when_its_removal_is_accepted(tmp_path: Path) -> None:
    async def scene(server: XdsServer, _: EnvoyProcess) -> None:
        port = free_port()
        wanted = encoded({LISTENER: {"l": listener("l", port)}, ROUTE: {"rt": route("x")}})
        server.publish("n1", wanted)
        await server.accepted("n1", versions(wanted, LISTENER, ROUTE), 30)
        server.publish("n1", encoded({ROUTE: {"rt": route("x")}}))
        await server.accepted("n1", {(LISTENER, "l"): ""}, 30)
        async with asyncio.timeout(10):
            while True:
                try:
                    await fetch(port)
                except OSError:
                    return

    play(tmp_path, scene)


def test_an_agent_restart_sends_nothing_that_envoy_has(tmp_path: Path) -> None:
    async def scene(server: XdsServer, envoy: EnvoyProcess) -> None:
        port = free_port()
        bodies = {
            CLUSTER: {"c": cluster("c")},
            ENDPOINT: {"c": endpoints("c", 9)},
            LISTENER: {"l": listener("l", port)},
            ROUTE: {"rt": route("still here")},
        }
        wanted = encoded(bodies)
        server.publish("n1", wanted)
        await server.accepted("n1", versions(wanted, *bodies), 30)
        await envoy.wait_ready(30)
        before = await updates(envoy)
        await server.stop()
        assert await fetch(port) == "still here"
        again = XdsServer(NodeDir(tmp_path).xds_socket, ORDER)
        await again.start()
        try:
            connected = asyncio.Event()
            again.on_connect = lambda _: connected.set()
            await connected.wait()
            assert await fetch(port) == "still here"
            again.publish("n1", encoded(bodies))
            await again.accepted("n1", versions(wanted, *bodies), 30)
            assert await updates(envoy) == before
        finally:
            await again.stop()

    async def updates(envoy: EnvoyProcess) -> dict[str, int]:
        names = ("listener_manager.listener_added", "listener_manager.listener_modified", "cluster_manager.cluster_")
        stats = await envoy.admin.stats()
        return {n: v for n, v in stats.items() if n.startswith(names)}

    play(tmp_path, scene)


def test_access_logs_arrive_with_their_name(tmp_path: Path) -> None:
    async def scene(server: XdsServer, envoy: EnvoyProcess) -> None:
        await server.stop()
        got: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        logged = XdsServer(NodeDir(tmp_path).xds_socket, ORDER)
        logged.add_access_log(lambda name, message: got.put_nowait((name, message)))
        port = free_port()
        wanted = encoded({LISTENER: {"l": listener("l", port, "source|u1")}, ROUTE: {"rt": route("x")}})
        logged.publish("n1", wanted)
        await logged.start()
        try:
            await envoy.wait_ready(30)
            await fetch(port)
            name, message = await got.get()
            assert name == "source|u1"
            assert [e.request.path for e in message.http_logs.log_entry] == ["/x"]
        finally:
            await logged.stop()

    play(tmp_path, scene)
