"""Writing instances as processes of their own, which are told what to do at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, TypeVar

import msgspec

from bench.stores import SENDER, create_conversation, create_postgres_store
from bench.writer_process import LONGEST_LINE, Order, Outcome, Setup

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bench.writer_process import Way

T = TypeVar("T")

CONVERSATIONS = 20
CONNECTIONS = 16
"""Of all instances together, where there is no writer that needs one only."""
_PATIENCE_SECONDS = 60


class Writers:
    """Some writing instances on one database."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    def __len__(self) -> int:
        return len(self._processes)

    async def send(
        self, way: Way, senders: int, seconds: float, *, per_second: float | None = None
    ) -> Sequence[Outcome]:
        """Have each of them send with its share of the senders, at least one, at its share of the rate."""
        share = max(1, senders // len(self))
        rate = per_second and per_second / len(self)
        order = Order(way, share, seconds, rate)
        return await asyncio.gather(*(_tell(process, order, Outcome) for process in self._processes))


async def create_conversations(url: str) -> list[str]:
    """Make the schema and the conversations that are sent to."""
    async with create_postgres_store(url) as store:
        return [await create_conversation(store, SENDER) for _ in range(CONVERSATIONS)]


@contextlib.asynccontextmanager
async def open_writers(
    count: int, url: str, conversations: list[str], *, redis_url: str | None = None
) -> AsyncGenerator[Writers]:
    """Start so many of them; they are connected on return."""
    setup = Setup(url, redis_url, conversations, max(1, CONNECTIONS // count))
    async with contextlib.AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(_started()) for _ in range(count)]
        await asyncio.gather(*(_tell(process, setup, type(None)) for process in processes))
        yield Writers(processes)


@contextlib.asynccontextmanager
async def _started() -> AsyncGenerator[asyncio.subprocess.Process]:
    command = (sys.executable, "-m", "bench.writer_process")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LONGEST_LINE)
    try:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), _PATIENCE_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _tell(process: asyncio.subprocess.Process, what: Setup | Order, answer: type[T]) -> T:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(what) + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE_SECONDS)
    assert line, "a writer ended"
    return msgspec.json.decode(line, type=answer)
