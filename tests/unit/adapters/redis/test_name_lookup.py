"""Names are looked up by few threads that all of the process share: a resolver that hangs may not get all of them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.adapters.redis.availability import Availability
from sanctum_messaging.adapters.redis.connection import UNAVAILABLE, close_redis, open_connection, open_redis

if TYPE_CHECKING:
    from tests.servers.valkey import ValkeyServer


class Resolver:
    """Hangs until it is let go; then it leads to this machine, or nowhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.answers = asyncio.Event()
        self.knows = True
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.look_up)

    async def look_up(self, _host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.asked += 1
        await self.answers.wait()
        if not self.knows:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_nobody_asks_again_before_there_is_an_answer(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch)
    redis = open_redis(f"{scheme}://redis.test:1")
    availability = Availability("part", answer_seconds=0.01, pause_seconds=0.0)
    for _ in range(5):
        assert await availability.ask(lambda: redis.get("key")) is None
    monkeypatch.setattr("sanctum_messaging.adapters.redis.connection.CONNECT_SECONDS", 0.01)
    with pytest.raises(UNAVAILABLE):
        async with open_connection(redis):
            pytest.fail("it is not found")
    assert resolver.asked == 1
    resolver.knows = False
    resolver.answers.set()
    assert await Availability("part").ask(lambda: redis.get("key")) is None
    await close_redis(redis)


async def test_who_is_found_is_connected_to(
    valkey_url: str, valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    del valkey_url
    resolver = Resolver(monkeypatch)
    redis = open_redis(f"redis://redis.test:{valkey_server.port}")
    calls = [asyncio.ensure_future(redis.set(f"key-{number}", "x")) for number in range(10)]
    while not resolver.asked:  # noqa: ASYNC110 - it sets no event
        await asyncio.sleep(0)
    calls[0].cancel()
    resolver.answers.set()
    assert await asyncio.gather(*calls[1:]) == [True] * 9
    await close_redis(redis)
