from __future__ import annotations

import asyncio
import pathlib
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import SSLConnection, UnixDomainSocketConnection

from sanctum_messaging.adapters.redis.connection import (
    MAX_CONNECTIONS,
    UNAVAILABLE,
    close_redis,
    open_connection,
    open_redis,
)
from tests.servers.valkey import open_valkey

if TYPE_CHECKING:
    from tests.servers.valkey import ValkeyServer

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        (f"http://:{SECRET}@host/0", "does not begin with redis://"),
        (f"{SECRET}", "does not begin with redis://"),
        ("", "does not begin with redis://"),
        (f"redis://user:{SECRET}", "is no URL"),
        (f"redis://:{SECRET}@[::1/0", "is no URL"),
        (f"redis://:{SECRET}@host:port/0", "is no URL"),
        (f"redis://:{SECRET}@host:70000/0", "is no URL"),
        (f"redis://:{SECRET}@host:0/0", "names no server"),
        (f"redis://:{SECRET}@/0", "names no server"),
        (f"redis:///{SECRET}", "names no server"),
        (f"redis://host/{SECRET}", "names a database that is no number"),
        ("redis://host/-1", "names a database that is no number"),
        ("redis://host/0/1", "names a database that is no number"),
        (f"redis://host/0?password={SECRET}", "has an unknown option"),
        ("redis://host/0?ssl_cert_reqs=none", "has an unknown option"),
        (f"redis://host/0?{SECRET}", "is no URL"),
        (f"rediss://:{SECRET}@host/0?ssl_cert_reqs={SECRET}", "has an option with a value"),
        (f"rediss://:{SECRET}@host/0?protocol=2", "has an unknown option"),
        (f"unix://:{SECRET}@", "names no socket"),
        (f"unix://:{SECRET}@/run/redis.sock?db={SECRET}", "names a database that is no number"),
        (f"unix:///run/redis.sock?timeout={SECRET}", "has an option other than db"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_secrets(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match="the Redis URL") as refusal:
        open_redis(url)
    assert fault in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


async def test_a_url_says_where_and_who_and_which_database() -> None:
    meanings: dict[str, dict[str, object]] = {
        "redis://ann:p%40ss@host:7000/3": {
            "host": "host",
            "port": 7000,
            "username": "ann",
            "password": "p@ss",
            "db": 3,
        },
        "redis://host": {"host": "host"},
        "redis://[::1]:7000/": {"host": "::1", "port": 7000},
        "unix://:p@/run/redis.sock?db=2": {"path": "/run/redis.sock", "password": "p", "db": 2},
        "rediss://host/0?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false": {"ssl_ca_certs": "/etc/ca.pem"},
    }
    for url, expected in meanings.items():
        redis = open_redis(url)
        options = redis.connection_pool.connection_kwargs
        assert expected.items() <= options.items()
        assert options["protocol"] == 3
        await redis.aclose()


async def test_tls_verifies_and_a_socket_is_a_socket() -> None:
    for url, kind in (("rediss://host", SSLConnection), ("unix:///run/redis.sock", UnixDomainSocketConnection)):
        redis = open_redis(url)
        assert issubclass(redis.connection_pool.connection_class, kind)
        await redis.aclose()
    connection = open_redis("rediss://host").connection_pool.make_connection()  # type: ignore[no-untyped-call]
    assert connection.ssl_context.check_hostname
    assert connection.ssl_context.cert_reqs.name == "CERT_REQUIRED"


async def test_a_server_that_is_not_there_is_no_fault_of_the_client() -> None:
    redis = open_redis("redis://127.0.0.1:1/0")
    with pytest.raises(UNAVAILABLE):
        await redis.get("key")
    with pytest.raises(UNAVAILABLE):
        async with open_connection(redis):
            pytest.fail("it is not there")
    await redis.aclose()


async def test_a_password_and_a_socket_work(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "valkey.sock"
    with open_valkey(password="p@ss", settings={"unixsocket": str(path)}) as server:
        for url in (f"redis://:p%40ss@127.0.0.1:{server.port}/1", f"unix://:p%40ss@{path}?db=1"):
            redis = open_redis(url)
            assert await redis.set("key", "value")
            assert await redis.get("key") == b"value"
            async with open_connection(redis) as connection:
                await connection.send_command("GET", "key")
                assert await connection.read_response() == b"value"
            await redis.aclose()
        redis = open_redis(f"redis://:wrong@127.0.0.1:{server.port}/0")
        with pytest.raises(UNAVAILABLE):
            await redis.get("key")
        await redis.aclose()


async def test_the_pool_is_bounded_and_gives_back_what_was_cancelled(
    valkey_url: str, valkey_server: ValkeyServer
) -> None:
    redis = open_redis(valkey_url)
    pool = redis.connection_pool
    for turns in range(60):
        calls = [asyncio.ensure_future(redis.set(f"key{number}", "x" * 10_000)) for number in range(20)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert pool.max_connections == MAX_CONNECTIONS
    assert not pool._in_use_connections
    assert await redis.set("key", "value")
    await redis.aclose()


async def test_a_server_that_does_not_let_go_keeps_nobody_from_ending(
    valkey_url: str, valkey_server: ValkeyServer
) -> None:
    """Such as one that is paused, and says no goodbye on TLS; here it takes nothing that is still to be sent."""
    redis = open_redis(valkey_url)
    await redis.set("key", "value")
    (connection,) = redis.connection_pool._available_connections
    connection.socket_connect_timeout = 0.01
    writer = connection._writer
    assert writer is not None
    valkey_server.pause()
    try:
        writer.write(bytes(20_000_000))
        await close_redis(redis)
        assert not connection.is_connected
    finally:
        valkey_server.resume()
        writer.transport.abort()
        await asyncio.sleep(0)  # The turn in which its socket is closed.
