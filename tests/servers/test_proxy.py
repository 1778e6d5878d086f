"""What each state of a link means to the two who talk over it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOON = 0.05
"""Long enough for what should not happen to happen."""


class Upstream:
    """Says its name to whoever comes, then repeats what it hears; keeps what it heard and how each one left."""

    def __init__(self, name: bytes = b"A") -> None:
        self.name = name
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.left: asyncio.Queue[str] = asyncio.Queue()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.name)
        try:
            while data := await reader.read(100_000):
                self.heard.put_nowait(data)
                writer.write(data)
            self.left.put_nowait("ended")
        except ConnectionResetError:
            self.left.put_nowait("reset")
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serve(upstream: Upstream) -> AsyncIterator[int]:
    server = await asyncio.start_server(upstream.answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    async def assert_silence(self) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.read(1), SOON)


@contextlib.asynccontextmanager
async def connect(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[Proxy]:
    async with serve(upstream) as port, Proxy(port) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    async with connect(proxy.port) as client:
        assert await client.reader.readexactly(1) == b"A"
        yield client


async def test_everything_passes_and_so_does_the_end(client: Client, upstream: Upstream) -> None:
    data = bytes(range(256)) * 8_000

    assert await client.say(data) == data

    client.writer.write_eof()
    assert await upstream.left.get() == "ended"
    assert await client.reader.read() == b""


async def test_latency_delays_but_does_not_slow(client: Client, proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    proxy.to_upstream.latency = proxy.to_client.latency = 0.05
    proxy.to_upstream.jitter = 0.02
    begun = loop.time()

    for number in range(10):
        client.writer.write(b"%d" % number)
        await asyncio.sleep(0.005)

    assert await client.reader.readexactly(10) == b"0123456789"
    # One after the other, they would take a second.
    assert 0.1 <= loop.time() - begun < 0.6


async def test_a_slicer_tears_apart_what_was_sent_together(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    proxy.to_upstream.piece = 1

    assert await client.say(b"abcdef") == b"abcdef"
    # How many bytes arrive at a time is up to the system; without the slicer, they all do.
    assert upstream.heard.qsize() > 1


async def test_bandwidth_limits_a_flow(client: Client, proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    proxy.to_client.bytes_per_second = 50_000
    begun = loop.time()

    await client.say(bytes(10_000))

    assert loop.time() - begun >= 0.18


async def test_what_is_held_comes_when_it_is_released(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    proxy.hold()
    client.writer.write(b"held")
    await client.assert_silence()
    assert upstream.heard.empty()

    proxy.release()

    assert await client.reader.readexactly(4) == b"held"


async def test_one_direction_can_be_held(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    proxy.to_client.hold()
    client.writer.write(b"heard")

    assert await upstream.heard.get() == b"heard"
    await client.assert_silence()


async def test_the_end_is_held_too(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    proxy.to_upstream.hold()
    client.writer.close()
    await asyncio.sleep(SOON)
    assert upstream.left.empty()

    proxy.release()

    assert await upstream.left.get() == "ended"


async def test_a_cut_resets_both_ends(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    assert proxy.connections == 1

    proxy.cut()

    assert proxy.connections == 0
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    assert await upstream.left.get() == "reset"
    async with connect(proxy.port) as another:
        assert await another.reader.readexactly(1) == b"A"


async def test_a_lost_upstream_is_a_silent_one(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    proxy.lose("upstream")

    assert await upstream.left.get() == "reset"
    client.writer.write(b"anybody?")
    await client.assert_silence()


async def test_a_lost_client_is_a_silent_one(client: Client, upstream: Upstream, proxy: Proxy) -> None:
    proxy.lose("client")

    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    await asyncio.sleep(SOON)
    assert upstream.left.empty()
    proxy.cut()
    assert await upstream.left.get() == "reset"


async def test_who_is_refused_may_come_back_once_it_heals(client: Client, proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await client.say(b"still here") == b"still here"

    await proxy.heal()

    async with connect(proxy.port) as another:
        assert await another.reader.readexactly(1) == b"A"


async def test_new_connections_go_where_it_points_now(client: Client, proxy: Proxy) -> None:
    async with serve(Upstream(b"B")) as port:
        proxy.repoint(port)

        assert await client.say(b"the same") == b"the same"
        async with connect(proxy.port) as another:
            assert await another.reader.readexactly(1) == b"B"


async def test_a_dead_upstream_is_a_reset(proxy: Proxy) -> None:
    async with serve(Upstream()) as port:
        proxy.repoint(port)

    async with connect(proxy.port) as client:
        with pytest.raises(ConnectionResetError):
            await client.reader.read()


@pytest.mark.parametrize(
    "address", ["postgresql://postgres@127.0.0.1:1/db?a=b", "redis://:secret@127.0.0.1:1/0", "http://127.0.0.1:1"]
)
def test_an_address_leads_through_it(address: str) -> None:
    proxy = Proxy(1)

    assert proxy.url(address) == address.replace(":1/", f":{proxy.port}/").replace("1:1", f"1:{proxy.port}")
